"""Which pictures are the same: byte for byte, or saved again by another program.

Bytes are compared in three rounds, each only among the files that were equal in the last: size,
the first block, everything. So a set of a thousand different pictures costs a thousand `stat`s.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_retinanet.utils.image_files import ImageError, read_thumbnail
from keras_retinanet.utils.tar_files import open_binary, size_of

THREADS = 8  # they mostly wait for the disk
BLOCK = 16384  # bytes
SIDE = 16  # of a thumbnail, pixels
MOST_THUMBNAILS = 20_000  # pictures; every pair is compared, here for 15 s
LEAST_CONTRAST = 3.0  # levels; blank pictures all look alike
ALIKE = 0.997  # correlation of thumbnails; pictures at half the size or JPEG quality 40 have more
LEVELS = 3.0  # mean difference of theirs


def same_bytes(paths):
    """Return lists of indices of files that are equal byte for byte; missing files are in none."""
    groups = [list(range(len(paths)))]
    for key in (size_of, _first_block, _everything):
        groups = [equal for group in groups for equal in _split(group, paths, key)]
    return groups


def _split(group, paths, key):
    with ThreadPoolExecutor(THREADS) as pool:
        keys = list(pool.map(lambda index: _or_none(key, paths[index]), group))
    found = {}
    for index, value in zip(group, keys, strict=True):
        if value is not None:
            found.setdefault(value, []).append(index)
    return [indices for indices in found.values() if len(indices) > 1]


def _or_none(key, path):
    try:
        return key(path)
    except OSError:  # listed as broken already
        return None


def _first_block(path):
    with open_binary(path) as file:
        return hashlib.blake2b(file.read(BLOCK)).digest()


def _everything(path):
    with open_binary(path) as file:
        return hashlib.file_digest(file, "blake2b").digest()


def thumbnails(paths, sizes, exif=True):
    """Return thumbnails float32 [P, SIDE, SIDE, 3], NaN where a picture cannot be read."""

    def read(path, size):
        try:
            return read_thumbnail(path, size, SIDE, exif) if min(size) else None
        except ImageError:
            return None

    sides = [tuple(size) for size in np.asarray(sizes).tolist()]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(read, paths, sides))
    nothing = np.full((SIDE, SIDE, 3), np.nan, np.float32)
    found = [nothing if image is None else image for image in found]
    return np.reshape(np.array(found, np.float32), (-1, SIDE, SIDE, 3))


def look_alikes(pictures, rows_at_once=512):
    """Return the pairs [(i, j), …], i < j, of thumbnails [P, SIDE, SIDE, 3] of the same picture."""
    flat = pictures.reshape(len(pictures), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    contrast = centred.std(axis=1, keepdims=True)
    usable = contrast[:, 0] >= LEAST_CONTRAST  # False for NaN
    scale = np.where(usable[:, None], contrast, 1) * np.sqrt(flat.shape[1])
    unit = np.where(usable[:, None], centred, 0) / scale
    pairs = []
    for start in range(0, len(flat), rows_at_once):
        close = unit[start : start + rows_at_once] @ unit.T >= ALIKE
        for i, j in np.argwhere(close).tolist():
            if start + i < j and np.abs(flat[start + i] - flat[j]).mean() <= LEVELS:
                pairs.append((start + i, j))
    return pairs
