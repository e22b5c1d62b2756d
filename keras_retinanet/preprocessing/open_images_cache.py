"""The index of Open Images' boxes, kept beside the user's work: reading millions of rows takes
minutes. It is made again when a source file changes.
"""

import hashlib
import json
import os
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing.open_images_boxes import BoxTable, read_boxes, source_files
from keras_retinanet.preprocessing.samples import AnnotationWarning

COLUMNS = ("pictures", "boxes", "labels", "group", "flat_lines")  # arrays of a BoxTable
CACHE_FORMAT = 2  # to be raised when what a cache holds changes


def cached_boxes(cache_dir, metadata_dir, subset, cls_index, version="v4"):
    """Return the BoxTable of a subset, from the cache unless a source file has changed.

    The cache's name holds version, subset and a digest of where the source lies; inside it stand
    size and time of each source file.
    """
    files = source_files(metadata_dir, subset, version)
    stamp = _stamp(files)
    digest = hashlib.sha256(str(files[0].absolute()).encode()).hexdigest()[:12]
    path = Path(cache_dir) / f"open_images_{version}_{subset}_{digest}.npz"
    table = _load_cache(path, stamp)
    if table is None:
        table = read_boxes(metadata_dir, subset, cls_index, version)
        try:
            _save_cache(path, stamp, table)
        except OSError as error:
            warnings.warn(
                f"{path}: the index cannot be kept ({error.strerror}), so it will be made again",
                AnnotationWarning,
                stacklevel=2,
            )
    return table


def _stamp(files):
    """Return text that changes when one of the files does; a missing one is found on reading."""
    states = [file.stat() if file.is_file() else None for file in files]
    return json.dumps(
        [CACHE_FORMAT]
        + [
            [str(file.absolute()), state and state.st_size, state and state.st_mtime_ns]
            for file, state in zip(files, states, strict=True)
        ]
    )


def _load_cache(path, stamp):
    """Return the BoxTable of a cache that has this stamp, else None."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as cache:
            if str(cache["stamp"]) != stamp:
                return None
            ids = cache["image_ids"].tobytes().decode()
            columns = [cache[name] for name in COLUMNS]
            return BoxTable(str(cache["source"]), tuple(ids.split("\n")) if ids else (), *columns)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None  # not there, or damaged: made again


def _save_cache(path, stamp, table):
    """Write the cache aside, then put it in place, so that nobody reads half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                stamp=stamp,
                image_ids=np.frombuffer("\n".join(table.image_ids).encode(), np.uint8),
                source=table.source,
                **{name: getattr(table, name) for name in COLUMNS},
            )
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
