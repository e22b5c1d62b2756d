"""Labels that a detector contradicts, the surest first: what to look at when correcting a dataset.

A detector learns what most labels say, so that a confident detection without its like among them
is more often a fault of the label than the detector's score would let expect (Northcutt et al.
2021, arXiv:1911.00068, for classes of whole pictures).
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.evaluation.errors import CLASSIFICATION, FALSE_BACKGROUND, LOCALISATION

# kind of error -> what may be wrong with the label
REASONS = {
    FALSE_BACKGROUND: "missing",
    CLASSIFICATION: "class",
    LOCALISATION: "box",
}


@dataclass(frozen=True)
class Suspects:
    """Suspect labels, by falling score: [S].

    Attributes:
        reasons: str [S], values of `REASONS`.
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
    rows = np.flatnonzero(
        np.isin(errors.kinds, list(REASONS)) & (outcomes.scores > score_threshold)
    )
    is_missing = errors.kinds[rows] == FALSE_BACKGROUND
    rows = rows[is_missing | ~found[errors.objects[rows]]]
    rows = rows[np.argsort(-outcomes.scores[rows], kind="stable")]
    objects = errors.objects[rows]
    _, first = np.unique(objects, return_index=True)
    kept = np.sort(np.union1d(first, np.flatnonzero(objects < 0)))
    rows = rows[kept]
    ranked = outcomes.rows[rows]
    seen = matched.ranked.found.rows(ranked)
    reasons = np.array([REASONS[kind] for kind in errors.kinds[rows].tolist()], str)
    columns = (seen.scores, seen.pictures, seen.labels, seen.boxes)
    return Suspects(reasons, *columns, objects[kept], ranked)
