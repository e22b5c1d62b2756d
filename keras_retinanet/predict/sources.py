"""What a user names as input: pictures, folders, globs, lists, videos, cameras and streams."""

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path

PICTURES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".avif", ".jp2"),
    *(".tga", ".ppm", ".pgm", ".npy"),
)
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
LIST = ".txt"
CAMERA = "camera:"
STREAMS = ("rtsp://", "rtmp://", "http://", "https://")


@dataclass(frozen=True)
class Source:
    """One picture or video.

    Attributes:
        place: path; the number of a camera; the address of a stream.
        name: of what is written about it, without suffix; each source has its own.
        is_video: whether frames come from it.
    """

    place: str | int
    name: str
    is_video: bool = False


def find_sources(words, recursive=False):
    """Return the `Source`s that the words name, in their order, each file once.

    Args:
        words: paths of pictures, videos, folders and lists (`.txt`, a path a line, relative to
            the list; lines of # are comments), globs, `camera:0`, addresses of streams.
        recursive: whether folders are looked through with all below them.

    Raises:
        ValueError: one line that names the word that leads to nothing.
    """
    found = {}
    for word in words:
        for source in _sources(word, recursive):
            found.setdefault(source.place, source)
    return _with_own_names(found.values())


def _sources(word, recursive):
    path = Path(word)
    if str(word).startswith(CAMERA):
        return [_camera(word)]
    if str(word).startswith(STREAMS):
        return [Source(word, "stream", is_video=True)]
    if path.is_dir():
        return _in_folder(path, recursive)
    if path.is_file():
        return _in_list(path) if path.suffix.lower() == LIST else [_of_file(path)]
    if glob.has_magic(str(word)):
        return _matching(word)
    raise ValueError(f"{word}: there is no such file or folder. Check the path")


def _camera(word):
    number = word.removeprefix(CAMERA)
    if not number.isdecimal():
        raise ValueError(f"{word}: name a camera by its number, as {CAMERA}0")
    return Source(int(number), f"camera-{number}", is_video=True)


def _of_file(path, folder=None):
    """Return the Source of a file, its name kept below `folder`."""
    name = path.relative_to(folder) if folder else Path(path.name)
    is_video = path.suffix.lower() in VIDEOS
    return Source(str(path), name.with_suffix("").as_posix(), is_video)


def _in_folder(folder, recursive):
    paths = sorted(folder.rglob("*") if recursive else folder.iterdir())
    known = PICTURES + VIDEOS
    found = [
        _of_file(path, folder)
        for path in paths
        if path.suffix.lower() in known and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        deeper = "" if recursive else ", or look below it (--recursive)"
        raise ValueError(f"{folder}: no picture or video in this folder. Name another{deeper}")
    return found


def _in_list(path):
    """Return the Sources of a list; what is not there is found when it is read."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: not a list of paths in UTF-8. Name a picture, or such a list"
        ) from None
    entries = [line.strip() for line in lines]
    entries = [entry for entry in entries if entry and not entry.startswith("#")]
    if not entries:
        raise ValueError(f"{path}: this list is empty. Write a path of a picture on each line")
    return [_of_file(path.parent / entry) for entry in entries]


def _matching(pattern):
    # not by Path.glob, which takes no absolute pattern
    names = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207
    found = [_of_file(Path(name)) for name in names if Path(name).is_file()]
    if not found:
        raise ValueError(f"{pattern}: nothing matches this pattern. Check it")
    return found


def _with_own_names(sources):
    """Return the sources, a number behind names that several have; none leads upwards."""
    taken, named = set(), []
    for source in sources:
        base = name = os.path.normpath(source.name)
        number = 1
        while name.lower() in taken:  # lower: two files differ on every file system
            number += 1
            name = f"{base}-{number}"
        taken.add(name.lower())
        named.append(replace(source, name=name))
    return named
