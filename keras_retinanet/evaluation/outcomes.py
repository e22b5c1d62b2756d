"""What became of each detection at one IoU threshold: found an object, found none, does not count.

Metrics that look at a single threshold (F1, LRP, confusion) read this table.
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.evaluation.matching import iou_of_pairs, match


@dataclass(frozen=True)
class Outcomes:
    """Detections by class and score, highest first: [D].

    Attributes:
        labels: int64 [D], place of the class.
        scores: float [D].
        pictures: int64 [D].
        owners: int64 [D], row of `TrueBoxes` that it found, -1 for none.
        ious: float64 [D], overlap with that object, 0 for none.
        counts: bool [D], False where it found only a crowd.
        objects: int64 [K], number of objects of each class, less crowds.
        rows: int64 [D], its row in `Ranked.found`.
    """

    labels: np.ndarray
    scores: np.ndarray
    pictures: np.ndarray
    owners: np.ndarray
    ious: np.ndarray
    counts: np.ndarray
    objects: np.ndarray
    rows: np.ndarray

    @property
    def hits(self):
        """Whether each detection found an object: bool [D]."""
        return self.counts & (self.owners >= 0)

    def places_of(self, label):
        """Return the places [n] of the detections of a class that count."""
        start, end = np.searchsorted(self.labels, [label, label + 1])
        return np.flatnonzero(self.counts[start:end]) + start

    def of_class(self, label):
        """Return (scores, hits, ious), each [n], of the detections of a class that count."""
        kept = self.places_of(label)
        return self.scores[kept], self.hits[kept], self.ious[kept]


def outcomes(matched, threshold):
    """Return the Outcomes of a `coco_numbers.Matched` at an IoU threshold."""
    true, ranked = matched.columns.true, matched.ranked
    owners = np.full(len(ranked.ranks), -1)
    owners[matched.pairs.candidates] = match(matched.pairs, true, true.crowd, [threshold])[0]
    owners = owners[ranked.by_class]
    found = ranked.found.rows(ranked.by_class)
    ious = np.zeros(len(owners))
    some = owners >= 0
    objects = owners[some]
    ious[some] = iou_of_pairs(found.boxes[some], true.boxes[objects], true.crowd[objects])
    counts = np.ones(len(owners), bool)
    counts[some] = ~true.crowd[objects]
    totals = np.bincount(true.labels[~true.crowd], minlength=len(matched.columns.classes))
    return Outcomes(
        found.labels, found.scores, found.pictures, owners, ious, counts, totals, ranked.by_class
    )


def ends_of_ties(scores):
    """Return the places [n] in descending `scores` below which a lower score begins."""
    return np.flatnonzero(np.diff(scores, append=-np.inf))


def between(scores, place):
    """Return a score threshold that keeps descending `scores` up to `place`, and no more.

    It lies half way to the next lower score (to 0 after the last, below it if that is not above 0),
    so that rounding cannot cross it. `place` -1 keeps none.
    """
    if place < 0:
        return float(scores[0]) if len(scores) else 0.0
    last = scores[place]
    following = scores[place + 1 :][:1]
    lower = following[0] if len(following) else (0.0 if last > 0 else last - 1)
    return float((last + lower) / 2)
