"""How far two networks are apart: tensors, and detections as sets."""

from dataclasses import dataclass, field

import numpy as np

SCORE_TOLERANCE = 1e-4
BOX_TOLERANCE = 0.05  # pixels
BOX_SHARE = 1e-5  # of the longer side, where that is more: of boxes beyond 5000 pixels
IOU_TOLERANCE = 1e-3  # of boxes that differ by no more than the above


def relative_difference(found, truth):
    """Return max |found - truth| / max |truth|."""
    found, truth = np.asarray(found, np.float64), np.asarray(truth, np.float64)
    assert found.shape == truth.shape, (found.shape, truth.shape)
    return float(np.abs(found - truth).max() / np.abs(truth).max())


@dataclass(frozen=True)
class Detections:
    """Of one picture: boxes [D, 4], scores [D], labels [D]."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.scores)

    @classmethod
    def of(cls, boxes, scores, labels):
        """Return those of arrays or tensors, rows of padding (score below 0) left out."""
        boxes, scores, labels = (np.asarray(array) for array in (boxes, scores, labels))
        kept = scores >= 0
        return cls(boxes[kept], scores[kept], labels[kept])


@dataclass(frozen=True)
class Agreement:
    """What comes of comparing two sets of detections.

    Attributes:
        matched: number of pairs.
        score, box: largest difference in a pair; box in pixels.
        excused: number of rows that only one side has, for which a tie or a threshold accounts.
        wrong: rows that only one side has and nothing accounts for.
    """

    matched: int
    score: float
    box: float
    excused: int
    wrong: list = field(default_factory=list)

    def check(self, least=50, most_excused=0.02):
        """Fail unless nothing is wrong, with enough pairs and few excuses."""
        assert not self.wrong, f"{len(self.wrong)} rows, {self.matched} matched: {self.wrong[:3]}"
        assert self.matched >= least
        assert self.excused <= most_excused * self.matched


def _overlaps(box, boxes):
    """Return the IoU [D] of a box with boxes [D, 4]."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    whole = areas + np.prod(box[2:] - box[:2]) - shared
    return shared / np.maximum(whole, 1e-9)


def _pairs(ours, theirs):
    """Return [(row of ours, row of theirs), …], each row once."""
    free = np.ones(len(theirs), bool)
    pairs = []
    for row, (box, score, label) in enumerate(
        zip(ours.boxes, ours.scores, ours.labels, strict=True)
    ):
        apart = np.abs(theirs.boxes - box).max(axis=1) if len(theirs) else np.zeros(0)
        allowed = max(BOX_TOLERANCE, BOX_SHARE * (box[2:] - box[:2]).max())
        near = free & (theirs.labels == label) & (apart <= allowed)
        near &= np.abs(theirs.scores - score) <= SCORE_TOLERANCE
        if near.any():
            best = int(np.flatnonzero(near)[apart[near].argmin()])
            free[best] = False
            pairs.append((row, best))
    return pairs


def _accounted(row, found, both, edges, nms_threshold):
    """Return whether a tie or a threshold can make the difference of a row of `found`."""
    score = found.scores[row]
    if np.any(np.abs(np.asarray(edges) - score) <= SCORE_TOLERANCE):
        return True
    overlaps = _overlaps(found.boxes[row], both.boxes)
    near_threshold = np.abs(overlaps - nms_threshold) <= IOU_TOLERANCE
    tied = (np.abs(both.scores - score) <= SCORE_TOLERANCE) & (overlaps > nms_threshold)
    itself = np.all(np.abs(both.boxes - found.boxes[row]) <= BOX_TOLERANCE, axis=1)
    return bool(np.any(~itself & (near_threshold | tied)))


def agreement(ours, theirs, edges, nms_threshold=0.5):
    """Compare two `Detections`.

    Args:
        edges: scores at which a row is in or out: the threshold, the least of a full list, the
            least of those that a level sends on.
        nms_threshold: IoU likewise.
    """
    pairs = _pairs(ours, theirs)
    both = Detections(
        *(
            np.concatenate([getattr(ours, name), getattr(theirs, name)])
            for name in ("boxes", "scores", "labels")
        )
    )
    single = [
        (side, row)
        for side, place in ((ours, 0), (theirs, 1))
        for row in sorted(set(range(len(side))) - {pair[place] for pair in pairs})
    ]
    wrong = [
        (side.labels[row], side.scores[row], side.boxes[row])
        for side, row in single
        if not _accounted(row, side, both, edges, nms_threshold)
    ]
    return Agreement(
        matched=len(pairs),
        score=max((abs(ours.scores[a] - theirs.scores[b]) for a, b in pairs), default=0.0),
        box=max((np.abs(ours.boxes[a] - theirs.boxes[b]).max() for a, b in pairs), default=0.0),
        excused=len(single) - len(wrong),
        wrong=wrong,
    )
