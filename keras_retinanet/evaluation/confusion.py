"""Which class was taken for which: a confusion matrix with background.

First each detection finds an object of its own class, as in COCO's evaluation; what is left over
on both sides is then matched whatever the class, in order of score. So an object counts as confused
only where no detection of its own class found it. What is left of the detections is background
taken for an object, and what is left of the objects is missed.
"""

from dataclasses import dataclass, replace

import numpy as np

from keras_retinanet.evaluation.matching import match, pair, rank


@dataclass(frozen=True)
class Cells:
    """Which object was taken for which detection: an entry of the matrix for each row [E].

    Attributes:
        true, found: int64 [E], places of the classes; the number of classes for background.
        objects: int64 [E], row of `TrueBoxes`; -1 for background.
        rows: int64 [E], row of `Outcomes`; -1 for background, an object missed.
    """

    true: np.ndarray
    found: np.ndarray
    objects: np.ndarray
    rows: np.ndarray


def confusion_cells(matched, outcomes, iou_threshold, score_threshold):
    """Return the Cells: what was found, what was taken for another class, false, and missed.

    Detections in crowds of their class count nowhere.

    Args:
        matched: `coco_numbers.Matched`.
        outcomes: its Outcomes at `iou_threshold`.
        score_threshold: detections that score above it count.
    """
    true, background = matched.columns.true, len(outcomes.objects)
    shown = outcomes.counts & (outcomes.scores > score_threshold)
    right = np.flatnonzero(shown & (outcomes.owners >= 0))
    free = ~true.crowd
    free[outcomes.owners[right]] = False
    left, rest = np.flatnonzero(free), np.flatnonzero(shown & (outcomes.owners < 0))
    found = matched.ranked.found.rows(outcomes.rows[rest])
    rows, owners = _whatever_class(true.rows(left), found, iou_threshold)
    false, missed = np.delete(rest, rows), np.delete(left, owners)
    objects = [outcomes.owners[right], left[owners], np.full(len(false), -1), missed]
    rows = [right, rest[rows], false, np.full(len(missed), -1)]
    objects, rows = np.concatenate(objects), np.concatenate(rows)
    return Cells(
        _labels(true.labels, objects, background),
        _labels(outcomes.labels, rows, background),
        objects,
        rows,
    )


def confusion_matrix(matched, outcomes, iou_threshold, score_threshold):
    """Return counts [K + 1, K + 1] of `confusion_cells`.

    Rows are true classes, columns found ones, the last of both background.
    """
    cells = confusion_cells(matched, outcomes, iou_threshold, score_threshold)
    sides = len(outcomes.objects) + 1
    counts = np.bincount(cells.true * sides + cells.found, minlength=sides**2)
    return counts.reshape(sides, sides)


def _labels(labels, rows, background):
    """Return the label of each of `rows`, `background` where it is -1."""
    return np.append(labels, background)[rows]


def sparse(matrix):
    """Return [[row, column, count], …] of the entries of `matrix` that are not 0."""
    rows, columns = np.nonzero(matrix)
    return np.column_stack([rows, columns, matrix[rows, columns]]).tolist()


def _whatever_class(true, found, iou_threshold):
    """Return (row of found, row of true), each [n], of detections that find any object."""
    true = replace(true, labels=np.zeros_like(true.labels))
    ranked = rank(replace(found, labels=np.zeros_like(found.labels)), len(found.labels))
    pairs = pair(true, ranked.found, 1, iou_threshold)
    owners = match(pairs, true, true.crowd, [iou_threshold])[0]
    some = owners >= 0
    return ranked.rows[pairs.candidates[some]], owners[some]
