"""The doctor: what is wrong with a dataset, and what its anchors reach, before the first step."""
