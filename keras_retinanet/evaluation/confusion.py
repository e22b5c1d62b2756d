"""Which class was taken for which: a confusion matrix with background.

First each detection finds an object of its own class, as in COCO's evaluation; what is left over
on both sides is then matched whatever the class, in order of score. So an object counts as confused
only where no detection of its own class found it. What is left of the detections is background
taken for an object, and what is left of the objects is missed.
"""

from dataclasses import replace

import numpy as np

from keras_retinanet.evaluation.matching import match, pair, rank


def confusion_matrix(matched, outcomes, iou_threshold, score_threshold):
    """Return counts [K + 1, K + 1]: rows are true classes, columns found ones, last background.

    Detections in crowds of their class count nowhere.

    Args:
        matched: `coco_numbers.Matched`.
        outcomes: its Outcomes at `iou_threshold`.
        score_threshold: detections that score above it count.
    """
    classes = len(outcomes.objects)
    true = matched.columns.true
    shown = outcomes.counts & (outcomes.scores > score_threshold)
    right = np.flatnonzero(shown & (outcomes.owners >= 0))
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    np.fill_diagonal(matrix, [*np.bincount(outcomes.labels[right], minlength=classes), 0])
    free = ~true.crowd
    free[outcomes.owners[right]] = False
    objects = np.flatnonzero(free)
    found = matched.ranked.found.rows(outcomes.rows[shown & (outcomes.owners < 0)])
    rows, owners = _whatever_class(true.rows(objects), found, iou_threshold)
    confused = objects[owners]
    np.add.at(matrix, (true.labels[confused], found.labels[rows]), 1)
    matrix[:-1, -1] = outcomes.objects - matrix[:-1, :-1].sum(axis=1)
    every = np.bincount(outcomes.labels[shown], minlength=classes)
    matrix[-1, :-1] = every - matrix[:-1, :-1].sum(axis=0)
    return matrix


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
