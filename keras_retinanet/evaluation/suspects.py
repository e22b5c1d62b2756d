"""Labels that a detector contradicts, the surest first: what to look at when correcting a dataset.

A detector learns what most labels say, so that a confident detection without its like among them
is more often a fault of the label than the detector's score would let expect (Northcutt et al.
2021, arXiv:1911.00068, for classes of whole pictures).
"""

from dataclasses import dataclass, replace

import numpy as np

from keras_retinanet.evaluation.columns import FoundBoxes
from keras_retinanet.evaluation.errors import CLASSIFICATION, FALSE_BACKGROUND, LOCALISATION
from keras_retinanet.evaluation.matching import pair, rank

# kind of error -> what may be wrong with the label
REASONS = {
    FALSE_BACKGROUND: "missing",
    CLASSIFICATION: "class",
    LOCALISATION: "box",
}
DUPLICATE = "duplicate"  # of two labels on one object, the one that nothing has found
DUPLICATE_IOU = 0.8  # of two labels, whatever their classes
FEWEST_SWAPS, LEAST_SHARE = 3, 0.05  # from which class A being called B is no accident


@dataclass(frozen=True)
class Suspects:
    """Suspect labels, by falling score: [S].

    Attributes:
        reasons: str [S], values of `REASONS`, and `DUPLICATE`.
        scores: float64 [S], of the detection.
        pictures, labels: int64 [S], of the detection, places as in `Columns`.
        boxes: float64 [S, 4], of the detection, (x1, y1, width, height).
        objects: int64 [S], row of `TrueBoxes` that may be wrong; -1 where a box may be missing.
        rows: int64 [S], row of `Ranked.found` of the detection.
    """

    reasons: np.ndarray
    scores: np.ndarray
    pictures: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    objects: np.ndarray
    rows: np.ndarray


def find_suspects(matched, outcomes, errors, score_threshold):
    """Return the Suspects among the labels of a `coco_numbers.Matched`.

    An object that a detection of its class has found is no suspect, and is one by its surest
    contradiction only.

    Args:
        outcomes, errors: of `matched`.
        score_threshold: of detections that are sure enough.
    """
    found = np.zeros(len(matched.columns.true.labels) + 1, bool)  # the last for no object
    found[outcomes.owners[outcomes.hits]] = True
    sure = outcomes.scores > score_threshold
    rows = np.flatnonzero(np.isin(errors.kinds, list(REASONS)) & sure)
    is_missing = errors.kinds[rows] == FALSE_BACKGROUND
    rows = rows[is_missing | ~found[errors.objects[rows]]]
    reasons = np.array([REASONS[kind] for kind in errors.kinds[rows].tolist()], "U9")
    hits = np.flatnonzero(outcomes.hits & sure)
    places, objects = _second_labels(matched.columns.true, found[:-1], outcomes, hits)
    reasons = np.concatenate([reasons, np.full(len(places), DUPLICATE, "U9")])
    objects = np.concatenate([errors.objects[rows], objects])
    rows = np.concatenate([rows, hits[places]])
    order = np.argsort(-outcomes.scores[rows], kind="stable")
    rows, objects, reasons = rows[order], objects[order], reasons[order]
    _, first = np.unique(objects, return_index=True)
    kept = np.sort(np.union1d(first, np.flatnonzero(objects < 0)))
    ranked = outcomes.rows[rows[kept]]
    seen = matched.ranked.found.rows(ranked)
    columns = (seen.scores, seen.pictures, seen.labels, seen.boxes)
    return Suspects(reasons[kept], *columns, objects[kept], ranked)


def _second_labels(true, found, outcomes, hits):
    """Return places in `hits`, and the labels that lie on the object of each and were not found.

    Args:
        true: TrueBoxes.
        found: bool [M].
        hits: rows of `outcomes` that found an object.
    """
    owners = outcomes.owners[hits]
    first = FoundBoxes(
        true.pictures[owners], np.zeros_like(owners), true.boxes[owners], outcomes.scores[hits]
    )
    others = np.flatnonzero(~found & ~true.crowd)
    some = replace(true.rows(others), labels=np.zeros(len(others), np.int64))
    ranked = rank(first, max(1, len(owners)))
    pairs = pair(some, ranked.found, 1, DUPLICATE_IOU)
    return ranked.rows[pairs.found], others[pairs.true]


@dataclass(frozen=True)
class Swap:
    """Objects of one class that are seen as another again and again.

    Attributes:
        given, seen: places of the classes.
        count: of such objects.
        objects: of the given class, in all.
    """

    given: int
    seen: int
    count: int
    objects: int


def systematic_swaps(suspects, true):
    """Return the `Swap`s that are no accident, the commonest first.

    Three objects and a twentieth of the class, at least: one annotator, or one rule, may have meant
    the other class.

    Args:
        suspects: `Suspects`.
        true: their TrueBoxes.
    """
    rows = np.flatnonzero(suspects.reasons == REASONS[CLASSIFICATION])
    pairs = np.stack([true.labels[suspects.objects[rows]], suspects.labels[rows]], axis=1)
    kinds, counts = np.unique(pairs.reshape(-1, 2), axis=0, return_counts=True)
    objects = np.bincount(true.labels[~true.crowd], minlength=1)
    found = [
        Swap(given, seen, count, int(objects[given]))
        for (given, seen), count in zip(kinds.tolist(), counts.tolist(), strict=True)
        if count >= FEWEST_SWAPS and count >= LEAST_SHARE * objects[given]
    ]
    return sorted(found, key=lambda swap: -swap.count)
