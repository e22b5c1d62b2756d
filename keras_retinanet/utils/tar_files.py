"""Pictures inside tar files, read where they lie: `shards/003.tar/a/b.jpg` is a path like others.

A million small files are slow on shared storage, where each costs a look into a folder and an
open; a few large ones are not. Members are read in any order, by their place in the tar file, so
that the order of a training, its parts and its going on are those of plain files.

The places of a tar file's members are looked for once and kept beside it, or in the user's cache
where that cannot be written: a .npy file, which later processes map into memory.
"""

import functools
import hashlib
import io
import os
import tarfile
import threading
from pathlib import Path

import numpy as np

ENDING = ".tar"
FORMAT = 1  # of the kept places; the first row holds it, with what tells whether they are of now
PLACES = np.dtype([("key", "<u8"), ("start", "<i8"), ("size", "<i8")])
OPEN_AT_ONCE = 256  # tar files


class TarError(OSError):
    """A tar file cannot be used; the message is one line: path, fault, remedy."""


class _Descriptor:
    """An open file that several threads read at their own places; closed when nobody has it."""

    def __init__(self, path):
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()

    def read(self, size, start):
        """Return up to `size` bytes from `start` on."""
        if hasattr(os, "pread"):
            return os.pread(self.number, size, start)
        with self._lock:
            os.lseek(self.number, start, os.SEEK_SET)
            return os.read(self.number, size)

    def __del__(self):
        if hasattr(self, "number"):
            os.close(self.number)


class _Member(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, descriptor, start, size):
        self._descriptor, self._start, self._size, self._at = descriptor, start, size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer):
        wanted = max(0, min(len(buffer), self._size - self._at))
        found = self._descriptor.read(wanted, self._start + self._at)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def divided(path):
    """Return (tar file, name of a member) of a path that goes through one, else None."""
    text = os.fspath(path)
    at = text.find(ENDING + "/")
    while at >= 0:
        archive = text[: at + len(ENDING)]
        if os.path.isfile(archive):  # noqa: PTH113, a Path costs four times as much
            return archive, text[at + len(ENDING) + 1 :]
        at = text.find(ENDING + "/", at + 1)
    return None


def open_member(path):
    """Return an open binary file of a path through a tar file; None where it is no such path.

    Raises:
        FileNotFoundError: the tar file has no such member.
        TarError: it is no tar file, compressed or damaged.
    """
    parts = divided(path)
    if parts is None:
        return None
    archive, name = parts
    places = _places(archive)
    row = np.searchsorted(places["key"], _key(name))
    if row == len(places) or places["key"][row] != _key(name):
        raise FileNotFoundError(f"{archive} has no member {name}")
    start, size = int(places["start"][row]), int(places["size"][row])
    return io.BufferedReader(_Member(_descriptor(archive), start, size))


def open_binary(path):
    """Open a file, plain or inside a tar file, for reading bytes.

    Raises:
        OSError: as `open` does, and `open_member`.
    """
    try:
        return Path(path).open("rb")
    except (FileNotFoundError, NotADirectoryError):
        file = open_member(path)
        if file is None:
            raise
        return file


def size_of(path):
    """Return the bytes of a file, plain or inside a tar file.

    Raises:
        OSError: there is none.
    """
    try:
        return os.path.getsize(path)  # noqa: PTH202, a Path costs four times as much
    except (FileNotFoundError, NotADirectoryError):
        with open_binary(path) as file:
            return file.seek(0, io.SEEK_END)


def stamp(path):
    """Return (time of change in ns, length) of a file, or of the tar file that it is in.

    Raises:
        OSError: there is none.
    """
    try:
        state = os.stat(path)  # noqa: PTH116, a Path costs four times as much
    except (FileNotFoundError, NotADirectoryError):
        parts = divided(path)
        if parts is None:
            raise
        return _archive_stamp(parts[0])
    return state.st_mtime_ns, state.st_size


@functools.cache
def _archive_stamp(archive):
    state = Path(archive).stat()
    return state.st_mtime_ns, state.st_size


@functools.lru_cache(OPEN_AT_ONCE)
def _descriptor(archive):
    return _Descriptor(archive)


def _key(name):
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


_looking = threading.Lock()


def _places(archive):
    with _looking:  # several threads would look through the same tar file
        return _places_of(archive)


@functools.cache
def _places_of(archive):
    """Return the places of a tar file's members by rising key."""
    wanted = _head(archive)
    files = _kept_at(archive)
    for file in files:
        try:
            kept = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            continue
        if kept.dtype == PLACES and len(kept) and kept[0] == wanted:
            return kept[1:]
    found = np.sort(_look_through(archive), order="key")
    if (found["key"][1:] == found["key"][:-1]).any():
        raise TarError(f"{archive}: two names have one key; rename a picture and write it again")
    content = np.concatenate([np.array([wanted], PLACES), found])
    for file in files:
        try:
            _write(file, content)
            break
        except OSError:
            continue
    return found


def _head(archive):
    time, length = _archive_stamp(archive)
    return np.array((FORMAT, time, length), PLACES)


def _kept_at(archive):
    """Return the files that may hold the places of a tar file, the better one first."""
    path = Path(archive).absolute()
    own = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    files = [path.with_name(f".{path.name}.places.npy")]
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # there is no home
        return files
    return [*files, root / "keras-retinanet" / f"{own}.places.npy"]


def _look_through(archive):
    """Return the places of the plain files in a tar file; the last of equal names counts."""
    found = {}
    try:
        with tarfile.open(archive, "r:") as file:
            for member in file:
                if member.isreg():
                    name = member.name.removeprefix("./")
                    found[name] = (_key(name), member.offset_data, member.size)
                file.members.clear()  # else each member stays in memory
    except (tarfile.TarError, EOFError) as error:
        raise TarError(
            f"{archive}: cannot be read as a tar file without compression ({error}). Write it "
            "again by tar -cf"
        ) from error
    end = Path(archive).stat().st_size
    if any(start + size > end for _, start, size in found.values()):
        raise TarError(f"{archive}: is cut off. Copy it again from its source")
    return np.array(list(found.values()), PLACES)


def _write(path, content):
    """Write aside, then put in place, so that no other process maps half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            np.save(file, content)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
