"""The table of a dataset: which picture holds which boxes, in a few arrays.

Boxes lie in one array for the whole dataset, not in a Python object each: a million boxes take
44 MB instead of some 500.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

_HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 over the golden ratio (Knuth, 6.4)


class AnnotationError(ValueError):
    """An annotation that cannot be used. The message is one line: where, what and the remedy."""


class AnnotationWarning(UserWarning):
    """Annotations that were mended or left out; given once, with their number."""


class FlatBox(NamedTuple):
    """A box without an area, which no table holds: its picture, (x1, y1, x2, y2), where it is."""

    picture: int
    box: tuple
    label: int
    place: str


class UnknownNames:
    """Names of classes that there are none of: how many boxes have each, and where the first is.

    Attributes:
        found: {name: [boxes, place of the first]}.
    """

    def __init__(self):
        self.found = {}

    def add(self, name, place):
        """Count a box."""
        self.found.setdefault(name, [0, place])[0] += 1


@dataclass
class LeftOut:
    """What a parser leaves out, for those who ask.

    Attributes:
        flat: FlatBoxes.
        repeated: Samples of the boxes that have an equal one; None before the end.
        unknown: UnknownNames.
    """

    flat: list = field(default_factory=list)
    repeated: object = None
    unknown: UnknownNames = field(default_factory=UnknownNames)


@dataclass(frozen=True)
class Samples:
    """Pictures and their boxes.

    Attributes:
        paths: name of each picture, in order of first appearance.
        pictures: [T] int64, the picture of each box, ascending.
        boxes: [T, 4] float64, (x1, y1, x2, y2) in pixels.
        labels: [T] int32.
    """

    paths: tuple
    pictures: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray

    @classmethod
    def from_rows(cls, paths, pictures, boxes, labels):
        """Return the table of rows in any order; rows of one picture keep theirs."""
        pictures, labels = np.asarray(pictures, np.int64), np.asarray(labels, np.int32)
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        if (pictures[1:] < pictures[:-1]).any():
            order = np.argsort(pictures, kind="stable")
            pictures, boxes, labels = pictures[order], boxes[order], labels[order]
        return cls(tuple(paths), pictures, boxes, labels)

    @cached_property
    def starts(self):
        """First row of each picture, and at the end the number of rows: [pictures + 1]."""
        return np.searchsorted(self.pictures, np.arange(len(self.paths) + 1))

    def annotations(self, index):
        """Return {"labels": [M] int32, "bboxes": [M, 4] float64} of a picture, as copies."""
        rows = slice(self.starts[index], self.starts[index + 1])
        return {"labels": self.labels[rows].copy(), "bboxes": self.boxes[rows].copy()}

    def without_duplicates(self):
        """Return (the table with each (picture, box, label) once, the number of rows dropped)."""
        table, repeated = self.split_duplicates()
        return table, len(repeated.labels)

    def split_duplicates(self):
        """Return (the table with each (picture, box, label) once, the table of the other rows)."""
        suspects = self._suspects()
        columns = (self.pictures, self.boxes, self.labels)
        rows = np.column_stack([column[suspects] for column in columns])
        order = np.lexsort(rows.T)  # stable: of equal rows the first comes first
        repeats = (rows[order][1:] == rows[order][:-1]).all(axis=1)
        kept = np.ones(len(self.pictures), bool)
        kept[suspects[order[1:][repeats]]] = False
        return (self if kept.all() else self._rows(kept)), self._rows(~kept)

    def _suspects(self):
        """Return the rows, ascending, that share a hash with another: all repeated ones, and few
        else. Comparing all rows would take five times the memory of the table.
        """
        hashes = np.zeros(len(self.pictures), np.uint64)
        for column in (*self.boxes.T, self.pictures, self.labels):
            # + 0.0: -0.0 equals 0.0
            hashes = (hashes ^ (column + 0.0).view(np.uint64)) * _HASH_FACTOR
            hashes ^= hashes >> np.uint64(29)
        ordered = np.sort(hashes)
        shared = ordered[1:][ordered[1:] == ordered[:-1]]
        return np.flatnonzero(np.isin(hashes, shared)) if len(shared) else np.zeros(0, np.int64)

    def without_pictures(self, indices):
        """Return the table less the pictures of `indices`."""
        kept = np.ones(len(self.paths), bool)
        kept[list(indices)] = False
        rows = self._rows(kept[self.pictures])
        paths = tuple(path for path, keep in zip(self.paths, kept, strict=True) if keep)
        renumbered = np.cumsum(kept) - 1
        return replace(rows, paths=paths, pictures=renumbered[rows.pictures])

    def inside(self, sizes):
        """Clip the boxes to their pictures and leave out those wholly outside.

        Args:
            sizes: [pictures, 2] height and width.

        Returns:
            (table, boxes clipped, boxes left out).
        """
        limits = np.asarray(sizes, np.float64)[self.pictures][:, [1, 0, 1, 0]]
        boxes = np.clip(self.boxes, 0, limits)
        kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        clipped = (boxes != self.boxes).any(axis=1) & kept
        return replace(self, boxes=boxes)._rows(kept), int(clipped.sum()), int((~kept).sum())

    def _rows(self, rows):
        return Samples(self.paths, self.pictures[rows], self.boxes[rows], self.labels[rows])
