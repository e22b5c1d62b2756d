"""Suspect labels: by hand, and planted faults in a dataset with a nearly perfect detector."""

import numpy as np
import pytest

from keras_retinanet.evaluation.coco_numbers import prepare
from keras_retinanet.evaluation.columns import Columns, FoundBoxes, TrueBoxes
from keras_retinanet.evaluation.errors import find_errors
from keras_retinanet.evaluation.outcomes import outcomes
from keras_retinanet.evaluation.suspects import find_suspects

OBJECT, SHIFTED, FAR = (10, 10, 20, 20), (18, 10, 20, 20), (60, 60, 20, 20)


def suspects(true, found, threshold=0.5):
    """Return the Suspects of rows (picture, label, x, y, width, height[, score])."""
    true = np.array(true, float).reshape(-1, 6)
    found = np.array(found, float).reshape(-1, 7)
    boxes = true[:, 2:]
    columns = Columns(
        TrueBoxes(
            *true[:, :2].astype(int).T, boxes, boxes[:, 2] * boxes[:, 3], np.zeros(len(true), bool)
        ),
        FoundBoxes(*found[:, :2].astype(int).T, found[:, 2:6], found[:, 6]),
        int(max([0, *true[:, 0], *found[:, 0]])) + 1,
        (0, 1),
    )
    matched = prepare(columns, 0.5)
    table = outcomes(matched, 0.5)
    return find_suspects(matched, table, find_errors(matched, table, 0.5), threshold)


CASES = {
    "nothing": ([], [], []),
    "found": ([(0, 0, *OBJECT)], [(0, 0, *OBJECT, 0.9)], []),
    "no label": ([(0, 0, *OBJECT)], [(0, 0, *FAR, 0.9)], [("missing", -1)]),
    "not sure": ([(0, 0, *OBJECT)], [(0, 0, *FAR, 0.4)], []),
    "another class": ([(0, 0, *OBJECT)], [(0, 1, *OBJECT, 0.9)], [("class", 0)]),
    "shifted": ([(0, 0, *OBJECT)], [(0, 0, *SHIFTED, 0.9)], [("box", 0)]),
    "shifted, but found": (
        [(0, 0, *OBJECT)],
        [(0, 0, *OBJECT, 0.8), (0, 0, *SHIFTED, 0.9)],
        [],
    ),
    "by two": (
        [(0, 0, *OBJECT)],
        [(0, 0, *SHIFTED, 0.8), (0, 1, *OBJECT, 0.9)],
        [("class", 0)],
    ),
    "the surest first": (
        [(0, 0, *OBJECT), (1, 0, *OBJECT)],
        [(0, 1, *OBJECT, 0.7), (1, 0, *FAR, 0.9), (0, 0, *FAR, 0.8)],
        [("missing", -1), ("missing", -1), ("class", 0)],
    ),
}


@pytest.mark.parametrize(("true", "found", "expected"), CASES.values(), ids=CASES)
def test_contradictions_are_listed(true, found, expected):
    result = suspects(true, found)
    assert list(zip(result.reasons.tolist(), result.objects.tolist(), strict=True)) == expected


def test_planted_faults_are_found():
    """A detector within two pixels; a tenth of the labels each is missing, wrong and shifted."""
    rng = np.random.default_rng(3)
    truth = [(i, int(rng.integers(2)), *rng.uniform(0, 40, 2), 20, 20) for i in range(300)]
    fault = rng.permutation(np.repeat(["", "missing", "class", "box"], [210, 30, 30, 30]))
    given, planted = [], {}
    for row, what in zip(truth, fault, strict=True):
        picture, label, x, y, *size = row
        if what != "missing":
            given.append(
                (
                    picture,
                    1 - label if what == "class" else label,
                    x + 9 * (what == "box"),
                    y,
                    *size,
                )
            )
        if what:
            planted[picture] = what
    found = [
        (i, label, *(np.array(box) + [*rng.uniform(-2, 2, 2), 0, 0]), rng.uniform(0.6, 1))
        for i, label, *box in truth
    ]
    result = suspects(given, found)
    listed = dict(zip(result.pictures.tolist(), result.reasons.tolist(), strict=True))
    assert listed == planted
