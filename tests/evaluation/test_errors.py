"""Kinds of errors and their costs, by hand and against loops written from the paper."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_retinanet.evaluation.coco_numbers import prepare
from keras_retinanet.evaluation.columns import Columns, FoundBoxes, TrueBoxes
from keras_retinanet.evaluation.errors import KINDS, average_precision, error_numbers, find_errors
from keras_retinanet.evaluation.outcomes import outcomes

OBJECT = (10.0, 10.0, 20.0, 20.0)


def columns(true, found, classes=2, crowd=()):
    """Return the Columns of rows (picture, label, x, y, width, height[, score])."""
    true, found = np.reshape(true, (-1, 6)), np.reshape(found, (-1, 7))
    is_crowd = np.isin(np.arange(len(true)), crowd)
    boxes = true[:, 2:]
    return Columns(
        TrueBoxes(
            true[:, 0].astype(int),
            true[:, 1].astype(int),
            boxes,
            boxes[:, 2] * boxes[:, 3],
            is_crowd,
        ),
        FoundBoxes(found[:, 0].astype(int), found[:, 1].astype(int), found[:, 2:6], found[:, 6]),
        1 + int(max([*true[:, 0], *found[:, 0], 0])),
        tuple(range(classes)),
    )


def analysed(given, iou=0.5):
    matched = prepare(given, iou)
    found = outcomes(matched, iou)
    errors = find_errors(matched, found, iou)
    return SimpleNamespace(
        errors=errors,
        outcomes=found,
        numbers=error_numbers(matched, found, errors),
    )


# detection (label, box, score) beside one object of class 0 -> kinds in order of score
CASES = {
    "nothing": ([], [], True),
    "right": ([(0, OBJECT, 0.9)], [None], False),
    "too far": ([(0, (18, 10, 20, 20), 0.9)], ["localisation"], False),
    "another class": ([(1, OBJECT, 0.9)], ["classification"], False),
    "twice": ([(0, OBJECT, 0.9), (0, OBJECT, 0.8)], [None, "duplicate"], False),
    "nowhere": ([(0, (60, 60, 20, 20), 0.9)], ["background"], True),
    "far and another class": ([(1, (18, 10, 20, 20), 0.9)], ["both"], True),
}


@pytest.mark.parametrize(("given", "kinds", "is_missed"), CASES.values(), ids=CASES)
def test_each_detection_has_its_kind(given, kinds, is_missed):
    """Moved by 8 of 20 pixels, boxes overlap by 240 of 560."""
    found = [(0, label, *box, score) for label, box, score in given]
    result = analysed(columns([(0, 0, *OBJECT)], found))
    by_score = np.argsort(-result.outcomes.scores)
    assert [KINDS[k] if k >= 0 else None for k in result.errors.kinds[by_score]] == kinds
    assert result.errors.missed.tolist() == [is_missed]


def test_crowds_are_neither_missed_nor_mistaken():
    found = [(0, 0, *OBJECT, 0.9), (0, 1, *OBJECT, 0.8)]
    result = analysed(columns([(0, 0, *OBJECT)], found, crowd=[0]))
    assert not result.errors.missed.any()
    assert result.numbers["counts"]["background"] == 1 and np.isnan(result.numbers["AP"])


def test_costs_by_hand():
    """Two objects of a class: one is found, the other's box is too far; AP is 51 of 101."""
    true = [(0, 0, *OBJECT), (1, 0, *OBJECT)]
    found = [(0, 0, *OBJECT, 0.9), (1, 0, 18, 10, 20, 20, 0.8), (1, 0, 70, 70, 9, 9, 0.95)]
    numbers = analysed(columns(true, found)).numbers
    assert numbers["AP"] == pytest.approx(51 / 101 / 2)  # the best is false: precision 1/2
    costs = numbers["costs"]
    assert costs["background"] == pytest.approx(51 / 101 - 51 / 202)
    # mended, two of three are right: precision 2/3 up to recall 1
    assert costs["localisation"] == pytest.approx(2 / 3 - 51 / 202)
    assert costs["missed"] == 0 and costs["not_found"] == pytest.approx(0.5 - 51 / 202)
    assert costs["false"] == pytest.approx(51 / 101 - 51 / 202)


def iou(one, other):
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(0.0, width) * max(0.0, height)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def slow_errors(true, found, threshold=0.5):
    """Return {detection: kind}, {detection: object}, missed objects, {detection: its object}."""
    kinds, objects, hits = {}, {}, {}
    for place in sorted(range(len(found)), key=lambda row: -found[row][6]):
        picture, label, *box, _ = found[place]
        best = (threshold, None)
        for row, other in enumerate(true):
            if other[:2] == (picture, label) and row not in hits.values():
                best = max(best, (iou(box, other[2:]), row), key=lambda pair: pair[0])
        if best[1] is not None:
            hits[place] = best[1]
    for place, (picture, label, *box, _) in enumerate(found):
        if place in hits:
            continue
        here = [row for row, other in enumerate(true) if other[0] == picture]
        overlaps = {row: iou(box, true[row][2:]) for row in here}
        own = [(overlaps[row], row) for row in here if true[row][1] == label]
        others = [(overlaps[row], row) for row in here if true[row][1] != label]
        own, other = max(own, default=(0, -1)), max(others, default=(0, -1))
        if 0.1 <= own[0] < threshold:
            kinds[place], objects[place] = "localisation", own[1]
        elif other[0] >= threshold:
            kinds[place], objects[place] = "classification", other[1]
        elif own[0] >= threshold:
            kinds[place] = "duplicate"
        else:
            kinds[place] = "background" if max(own[0], other[0]) <= 0.1 else "both"
    covered = set(hits.values()) | set(objects.values())
    return kinds, objects, [row for row in range(len(true)) if row not in covered], hits


def slow_ap(rows, counts):
    """Return the mean AP of rows (label, score, hit) for {label: objects}."""
    values = []
    for label, count in counts.items():
        own = sorted((row for row in rows if row[0] == label), key=lambda row: -row[1])
        points, right = [], 0
        for place, (_, _, hit) in enumerate(own, start=1):
            right += hit
            points.append((right / count, right / place))
        best = [
            max((p for r, p in points if r >= level), default=0) for level in np.linspace(0, 1, 101)
        ]
        values.append(sum(best) / 101)
    return np.mean(values)


def random_scene(seed):
    rng = np.random.default_rng(seed)
    true, found = [], []
    for picture in range(25):
        for _ in range(rng.integers(0, 5)):
            box, label = (*rng.uniform(0, 60, 2), *rng.uniform(10, 30, 2)), int(rng.integers(3))
            true.append((picture, label, *box))
            for _ in range(rng.integers(0, 4)):
                moved = np.array(box) + rng.normal(0, 4, 4) * [1, 1, 0.5, 0.5]
                guess = label if rng.random() < 0.7 else int(rng.integers(3))
                found.append((picture, guess, *moved, rng.random()))
        for _ in range(rng.integers(0, 2)):
            found.append(
                (picture, int(rng.integers(3)), *rng.uniform(0, 60, 2), 20, 20, rng.random())
            )
    return true, found


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_costs_are_those_of_the_loops(seed):
    true, found = random_scene(seed)
    kinds, objects, missed, hits = slow_errors(true, found)
    result = analysed(columns(true, found, classes=3))
    counts = {kind: list(kinds.values()).count(kind) for kind in KINDS} | {"missed": len(missed)}
    assert result.numbers["counts"] == counts and min(counts.values()) > 0
    totals = {label: sum(row[1] == label for row in true) for label in range(3)}
    rows = [(row[1], row[6], place in hits) for place, row in enumerate(found)]
    whole = slow_ap(rows, totals)
    assert result.numbers["AP"] == pytest.approx(whole)
    best = {}
    for place, owner in objects.items():
        if owner not in hits.values():
            best[owner] = max(best.get(owner, place), place, key=lambda p: found[p][6])
    expected = {}
    for kind in KINDS:
        mended = []
        for place, row in enumerate(rows):
            if kinds.get(place) != kind:
                mended.append(row)
            elif place in objects and best.get(objects[place]) == place:
                mended.append((true[objects[place]][1], row[1], True))
        expected[kind] = slow_ap(mended, totals) - whole
    fewer = {k: n - sum(true[row][1] == k for row in missed) for k, n in totals.items()}
    expected["missed"] = slow_ap(rows, fewer) - whole
    for kind, cost in expected.items():
        assert result.numbers["costs"][kind] == pytest.approx(cost, abs=1e-12), kind


def test_average_precision_of_nothing():
    assert np.isnan(average_precision(np.zeros(0), np.zeros(0, bool), 0))
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0
