"""What one detector finds that another does not, and which errors are its own."""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.utils.boxes import overlaps

LIKE = 0.5  # IoU from which two false alarms of one class are the same


@dataclass(frozen=True)
class Changes:
    """What became other from a first to a second Analysis of the same pictures.

    Each tells the detections above its own score of the best F1.

    Attributes:
        lost, gained: int64, rows of `TrueBoxes` that the first alone finds, that the second does;
            the largest first.
        gone, new: int64, rows of `Outcomes` of the first, of the second: errors of the one
            without their like in the other, the surest first.
        both, neither: how many objects both find, and none of the two.
    """

    lost: np.ndarray
    gained: np.ndarray
    gone: np.ndarray
    new: np.ndarray
    both: int
    neither: int


def told_objects(analysis):
    """Return bool [M], which objects are found above the sure score."""
    outcomes = analysis.outcomes
    told = outcomes.hits & (outcomes.scores > analysis.sure_score)
    found = np.zeros(len(analysis.columns.true.labels), bool)
    found[outcomes.owners[told]] = True
    return found


def told_errors(analysis):
    """Return the rows of `Outcomes` that are errors above the sure score, the surest first."""
    outcomes = analysis.outcomes
    rows = np.flatnonzero((analysis.errors.kinds >= 0) & (outcomes.scores > analysis.sure_score))
    return rows[np.argsort(-outcomes.scores[rows], kind="stable")]


def changes(first, second):
    """Return the Changes from one Analysis to another, of the same true boxes."""
    true = first.columns.true
    before, after = told_objects(first), told_objects(second)
    counted = ~true.crowd

    def largest_first(chosen):
        rows = np.flatnonzero(chosen & counted)
        return rows[np.argsort(-true.areas[rows], kind="stable")]

    wrong, others = told_errors(first), told_errors(second)
    return Changes(
        lost=largest_first(before & ~after),
        gained=largest_first(after & ~before),
        gone=_without_like(first, wrong, second, others),
        new=_without_like(second, others, first, wrong),
        both=int((before & after & counted).sum()),
        neither=int((~before & ~after & counted).sum()),
    )


def _without_like(analysis, rows, other, others):
    """Return those of `rows` that no row of `others` lies on, of the same picture and class."""
    keys = [_keys(*each) for each in ((analysis, rows), (other, others))]
    corners = [_corners(*each) for each in ((analysis, rows), (other, others))]
    order = np.argsort(keys[1], kind="stable")
    starts = np.searchsorted(keys[1][order], keys[0], side="left")
    ends = np.searchsorted(keys[1][order], keys[0], side="right")
    alone = np.ones(len(rows), bool)
    for place in np.flatnonzero(ends > starts):
        near = corners[1][order[starts[place] : ends[place]]]
        alone[place] = (overlaps(corners[0][place : place + 1], near) < LIKE).all()
    return rows[alone]


def _keys(analysis, rows):
    outcomes = analysis.outcomes
    count = len(analysis.columns.classes)
    return outcomes.pictures[rows].astype(np.int64) * count + outcomes.labels[rows]


def _corners(analysis, rows):
    boxes = analysis.matched.ranked.found.boxes[analysis.outcomes.rows[rows]]
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
