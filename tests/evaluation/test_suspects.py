"""Suspect labels: by hand, and planted faults in a dataset with a nearly perfect detector."""

import numpy as np
import pytest

from keras_retinanet.evaluation.coco_numbers import prepare
from keras_retinanet.evaluation.columns import Columns, FoundBoxes, TrueBoxes
from keras_retinanet.evaluation.errors import find_errors
from keras_retinanet.evaluation.outcomes import outcomes
from keras_retinanet.evaluation.suspects import Swap, find_suspects, systematic_swaps

OBJECT, SHIFTED, FAR = (10, 10, 20, 20), (18, 10, 20, 20), (60, 60, 20, 20)
NEAR = (11, 10, 20, 20)  # IoU 19 / 21 with OBJECT


def suspects(true, found, threshold=0.5):
    """Return the Suspects of rows (picture, label, x, y, width, height[, score])."""
    return suspects_and_truth(true, found, threshold)[0]


def suspects_and_truth(true, found, threshold=0.5):
    """Return the Suspects, and the TrueBoxes that they are about."""
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
    errors = find_errors(matched, table, 0.5)
    return find_suspects(matched, table, errors, threshold), columns.true


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
    "labelled twice": (
        [(0, 0, *OBJECT), (0, 0, *NEAR)],
        [(0, 0, *OBJECT, 0.9)],
        [("duplicate", 1)],
    ),
    "labelled twice, as two classes": (
        [(0, 1, *NEAR), (0, 0, *OBJECT)],
        [(0, 0, *OBJECT, 0.9)],
        [("duplicate", 0)],
    ),
    "two objects, both found": (
        [(0, 0, *OBJECT), (0, 0, *NEAR)],
        [(0, 0, *OBJECT, 0.9), (0, 0, *NEAR, 0.8)],
        [],
    ),
    "two objects that stand close": (
        [(0, 0, *OBJECT), (0, 0, *SHIFTED)],
        [(0, 0, *OBJECT, 0.9)],
        [],
    ),
    "in two pictures": ([(0, 0, *OBJECT), (1, 0, *NEAR)], [(0, 0, *OBJECT, 0.9)], []),
    "labelled twice, and not sure": (
        [(0, 0, *OBJECT), (0, 0, *NEAR)],
        [(0, 0, *OBJECT, 0.4)],
        [],
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


@pytest.mark.parametrize(
    ("swapped", "objects", "expected"),
    [(2, 10, []), (3, 10, [Swap(0, 1, 3, 10)]), (3, 61, []), (4, 61, [Swap(0, 1, 4, 61)])],
)
def test_a_class_that_is_another_again_and_again_is_a_swap(swapped, objects, expected):
    """Three objects and a twentieth of the class; a missing label between them is none."""
    true = [(i, 0, *OBJECT) for i in range(objects)]
    found = [(i, int(i < swapped), *OBJECT, 0.9) for i in range(objects)]
    result, truth = suspects_and_truth(true, [*found, (0, 0, *FAR, 0.8)])
    assert systematic_swaps(result, truth) == expected
