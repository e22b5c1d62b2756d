"""The table of a dataset: which picture holds which boxes, in a few arrays.

Boxes lie in one array for the whole dataset, not in a Python object each: a million boxes take
44 MB instead of some 500.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np


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
        pictures = np.asarray(pictures, np.int64)
        order = np.argsort(pictures, kind="stable")
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        return cls(tuple(paths), pictures[order], boxes[order], np.asarray(labels, np.int32)[order])

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
        rows = np.column_stack([self.pictures, self.boxes, self.labels])
        order = np.lexsort(rows.T)  # stable: of equal rows the first comes first
        repeats = (rows[order][1:] == rows[order][:-1]).all(axis=1)
        kept = np.ones(len(rows), bool)
        kept[order[1:][repeats]] = False
        return self._rows(kept), self._rows(~kept)

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
