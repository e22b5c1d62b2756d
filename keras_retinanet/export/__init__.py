"""Detectors as files of other runtimes, each proven equal before it is handed over."""
