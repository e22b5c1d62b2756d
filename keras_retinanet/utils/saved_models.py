"""What tells a folder that is a SavedModel from others."""

from pathlib import Path

GRAPH = "saved_model.pb"


def is_saved_model(path):
    """Return whether a SavedModel lies at `path`."""
    return (Path(path) / GRAPH).is_file()
