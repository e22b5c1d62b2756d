"""The sizes of pictures whose headers were found sound, kept in a file beside the pictures.

An entry counts as long as its file has the same length and time of change. Faults are not kept:
a broken file is looked at again each time. A cache that is damaged is as good as none, and where
it cannot be written, nothing is said: all it saves is time.

The file: a line of JSON, then times and lengths [n, 2] int64, sizes [n, 2] int32, names.
"""

import hashlib
import json
import os
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

from keras_retinanet.utils import tar_files

FORMAT = 1  # to be raised when `check_image` finds other sizes, or refuses what it took
NAMES = {True: ".retinanet-headers", False: ".retinanet-headers-no-exif"}  # by `exif`
SETTLED = 2_000_000_000  # ns; a file changed so recently may change again within a clock's tick

_MISSING = (-1, -1)
_ENTRY = 2 * 8 + 2 * 4  # bytes of an entry, its name apart


class HeaderCache:
    """The cache for some pictures.

    Args:
        paths: of the pictures.
        exif: whether sizes are those of pictures turned upright.
    """

    def __init__(self, paths, exif):
        # what the first and the last path by alphabet share is shared by all between
        shared = os.path.commonprefix([min(paths), max(paths)])
        self.prefix = shared[: max(shared.rfind(mark) for mark in {"/", os.sep}) + 1]
        self.names = [path[len(self.prefix) :] for path in paths]
        self.folder = Path(self.prefix or ".").absolute()
        self.places = _places(self.folder, NAMES[bool(exif)])
        if not self.prefix and any(map(os.path.isabs, paths)):
            self.places = []  # some here, some anywhere: there is no folder of theirs
        self.now = time.time_ns()
        self.stamps = np.array([_stamp(path) for path in paths], np.int64)
        self._kept = self._load()

    def sizes(self):
        """Return [pictures, 2] int64 of (height, width), 0 where it is not known any more."""
        names, stamps, sizes = self._kept
        if names == self.names:
            rows = np.arange(len(names))
        else:
            found = {name: row for row, name in enumerate(names)}
            rows = np.array([found.get(name, -1) for name in self.names])
        if not len(names):
            return np.zeros((len(self.names), 2), np.int64)
        known = (rows >= 0) & (stamps[rows] == self.stamps).all(axis=1)
        return np.where(known[:, None], sizes[rows], 0).astype(np.int64)

    def keep(self, sizes):
        """Write the sizes [pictures, 2] that are not 0 where a place for them can be found.

        Entries of other pictures stay, if their files do.
        """
        kept = (sizes > 0).all(axis=1) & (self.stamps[:, 0] < self.now - SETTLED)
        names = [name for name, keep in zip(self.names, kept.tolist(), strict=True) if keep]
        columns = self.stamps[kept], sizes[kept]
        if any("\0" in name for name in names):
            return
        other = self._others()
        names += [self._kept[0][row] for row in other]
        pairs = zip(columns, self._kept[1:], strict=True)
        content = _packed(names, *(np.concatenate([mine, old[other]]) for mine, old in pairs))
        for place in self.places:
            try:
                _write(place, content)
                return
            except OSError:
                continue

    def _others(self):
        mine = set(self.names)
        names, stamps, _ = self._kept
        rows = [
            row
            for row, (name, stamp) in enumerate(zip(names, stamps.tolist(), strict=True))
            if name not in mine and list(_stamp(self.prefix + name)) == stamp
        ]
        return np.array(rows, np.int64)

    def _load(self):
        for place in self.places:
            try:
                return _unpacked(place.read_bytes())
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
        return [], np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int32)


def _places(folder, name):
    """Return the files that may hold the cache of a folder, the better place first."""
    digest = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        own = [root / "keras-retinanet" / f"{digest}{name}"]
    except RuntimeError:  # there is no home
        own = []
    beside = [folder / name] if folder != Path(folder.anchor) else []  # never in the disk's root
    return beside + own


def _stamp(path):
    """Return (time of change in ns, length) of a file."""
    try:
        return tar_files.stamp(path)
    except (OSError, ValueError):  # ValueError: a NUL byte in the path
        return _MISSING


def _check(count, body):
    return zlib.crc32(b"%d" % count, zlib.crc32(body))


def _packed(names, stamps, sizes):
    arrays = stamps.astype("<i8").tobytes() + sizes.astype("<i4").tobytes()
    body = arrays + "\0".join(names).encode("utf-8", "surrogateescape")
    head = {"format": FORMAT, "count": len(names), "check": _check(len(names), body)}
    return json.dumps(head).encode() + b"\n" + body


def _unpacked(content):
    """Return (names, stamps, sizes); raise whatever it may where the content is damaged."""
    line, _, body = content.partition(b"\n")
    head = json.loads(line)
    count = head["count"]
    if head["format"] != FORMAT or head["check"] != _check(count, body):
        raise ValueError
    names = body[count * _ENTRY :].decode("utf-8", "surrogateescape").split("\0")
    stamps = np.frombuffer(body, "<i8", 2 * count).reshape(-1, 2)
    sizes = np.frombuffer(body, "<i4", 2 * count, 16 * count).reshape(-1, 2)
    return names if count else [], stamps, sizes


def _write(path, content):
    """Write a file aside, then put it in place, so that nobody reads half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(aside).chmod(0o644)  # mkstemp's files are its owner's alone; pictures are shared
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
