"""Checks of where a command will write, made before its work begins."""

import os
from pathlib import Path


def check_new_file(path, option):
    """Raise ValueError where the file that `option` names could not be written later."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{option} {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {path.parent}; make it first")
    _check_writable(path.parent, f"{option} {path}")


def check_new_folder(path, option):
    """Raise ValueError where the folder that `option` names could not be made and written to."""
    path = Path(path).absolute()
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir():
        raise ValueError(f"{option} {path}: {there} is a file; name a folder")
    _check_writable(there, f"{option} {path}")


def _check_writable(folder, what):
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{what}: the folder {folder} cannot be written to; name another")
