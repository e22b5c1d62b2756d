"""F1, LRP and confusion: hand tables, and slow loops on drawn cases."""

import math

import numpy as np
import pytest

from keras_retinanet.evaluation.coco_numbers import prepare
from keras_retinanet.evaluation.columns import columns_of
from keras_retinanet.evaluation.confusion import confusion_matrix, sparse
from keras_retinanet.evaluation.lrp import lrp_by_class, optimal_lrp
from keras_retinanet.evaluation.operating_points import (
    STEPS,
    best_point,
    curve,
    of_all_classes,
    operating_points,
    point,
)
from keras_retinanet.evaluation.outcomes import between, ends_of_ties, outcomes
from tests.evaluation import slow_metrics
from tests.evaluation.drawn import drawn_columns
from tests.evaluation.fakes import detections, truths

NAN = float("nan")
T, F = True, False


def same(first, second):
    """Compare dicts of numbers, nan equal to nan."""
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value == pytest.approx(second[key], abs=1e-12, nan_ok=True), key


# --- precision, recall, F1

POINTS = {
    # hits, objects: precision, recall, F1
    "nothing found, nothing there": ([], 0, (NAN, NAN, NAN)),
    "nothing found": ([], 3, (NAN, 0, 0)),
    "nothing there": ([F], 0, (0, NAN, NAN)),
    "two of three right, half of four found": ([T, F, T], 4, (2 / 3, 1 / 2, 4 / 7)),
    "all right": ([T, T], 2, (1, 1, 1)),
}


@pytest.mark.parametrize(("hits", "objects", "expected"), POINTS.values(), ids=POINTS.keys())
def test_a_point_is_precision_recall_and_their_harmonic_mean(hits, objects, expected):
    same(
        point(np.array(hits, bool), objects),
        dict(zip(("precision", "recall", "F1"), expected, strict=True)),
    )


SCORES = np.array([0.9, 0.8, 0.6, 0.6, 0.2])
HITS = np.array([T, F, T, F, T])


def test_a_curve_counts_scores_above_each_threshold():
    rows = curve(SCORES, HITS, 4, thresholds=(0.0, 0.2, 0.6, 0.95))
    assert [row["threshold"] for row in rows] == [0.0, 0.2, 0.6, 0.95]
    assert [row["recall"] for row in rows] == [3 / 4, 2 / 4, 1 / 4, 0]
    assert [row["precision"] for row in rows[:3]] == [3 / 5, 2 / 4, 1 / 2]
    assert math.isnan(rows[3]["precision"])
    assert STEPS[0] == 0 and STEPS[-1] == 0.95 and len(STEPS) == 20


def test_the_best_threshold_lies_between_the_last_score_kept_and_the_next():
    # F1 after 1, 2, 4 and 5 detections: 2/5, 2/6, 4/8, 6/9; equal scores come together
    best = best_point(SCORES, HITS, 4)
    assert (best["F1"], best["threshold"]) == (pytest.approx(2 / 3), pytest.approx(0.1))
    best = best_point(SCORES[:4], HITS[:4], 4)
    assert (best["F1"], best["threshold"]) == (pytest.approx(1 / 2), pytest.approx(0.3))
    assert best_point(SCORES[:3], np.array([T, F, F]), 1)["threshold"] == pytest.approx(0.85)


@pytest.mark.parametrize(("hits", "objects"), [([], 2), ([F, F], 2), ([F], 0)])
def test_where_nothing_is_found_no_threshold_is_best(hits, objects):
    assert math.isnan(
        best_point(np.linspace(0.9, 0.1, len(hits)), np.array(hits, bool), objects)["threshold"]
    )


def test_ties_end_where_a_lower_score_begins():
    assert ends_of_ties(SCORES).tolist() == [0, 1, 3, 4]
    assert ends_of_ties(np.zeros(0)).tolist() == []
    assert between(SCORES, -1) == 0.9 and between(np.zeros(0), -1) == 0
    assert between(np.array([0.5, 0.0]), 1) == -0.5  # only a threshold below 0 keeps a score of 0


@pytest.mark.parametrize("seed", range(8))
def test_the_best_f1_is_the_best_over_all_thresholds_by_a_slow_loop(seed):
    columns = drawn_columns(seed, counts=(0, 5, 20))
    rows, totals = slow_metrics.states(columns, 0.5)
    whole, classes = operating_points(outcomes(prepare(columns), 0.5))
    for label, points in [*enumerate(classes), (None, whole)]:
        own = [row for row in rows if label in (None, row[0])]
        total = sum(totals.values()) if label is None else totals[label]
        f1 = {}
        for threshold in [-1, *(row[1] for row in own)]:
            above = [hit for _, score, hit, _ in own if score > threshold]
            f1[threshold] = 2 * sum(above) / (len(above) + total) if total else 0
        best = points["best"]
        if not math.isnan(best["threshold"]):
            assert best["F1"] == pytest.approx(max(f1.values()))
            above = [hit for _, score, hit, _ in own if score > best["threshold"]]
            assert best["recall"] == pytest.approx(sum(above) / total)
            assert best["precision"] == pytest.approx(sum(above) / len(above))
        else:
            assert not any(hit for _, _, hit, _ in own) or not total


# --- LRP

LRP = {
    # scores, hits, IoUs, objects: oLRP, localisation, false, missed, threshold
    "no objects": ([0.9], [F], [0], 0, (NAN, NAN, NAN, NAN, NAN)),
    "nothing found": ([], [], [], 2, (1, NAN, NAN, 1, 0)),
    "only false ones": ([0.9], [F], [0], 2, (1, NAN, NAN, 1, 0.9)),
    "perfect": ([0.9, 0.8], [T, T], [1, 1], 2, (0, 0, 0, 0, 0.4)),
    # one true at IoU 0.9, one object missed: (0.1 / 0.5 + 1) / 2 = 0.6. With the false one
    # (0.2 + 1 + 1) / 3, with the second true one (0.2 + 0.8 + 1) / 3 = 2/3: the first is best
    "stop before the false one": (
        [0.9, 0.8, 0.7],
        [T, F, T],
        [0.9, 0, 0.6],
        2,
        (0.6, 0.1, 0, 0.5, 0.85),
    ),
    # all: (0.2 + 0.0 + 1) / 3 = 0.4 is less than 0.6
    "go on after the false one": (
        [0.9, 0.8, 0.7],
        [T, F, T],
        [0.9, 0, 1],
        2,
        (0.4, 0.05, 1 / 3, 0, 0.35),
    ),
}


@pytest.mark.parametrize(
    ("scores", "hits", "ious", "objects", "expected"), LRP.values(), ids=LRP.keys()
)
def test_optimal_lrp_comes_out_as_by_hand(scores, hits, ious, objects, expected):
    found = optimal_lrp(
        np.array(scores, float), np.array(hits, bool), np.array(ious, float), objects, 0.5
    )
    keys = ("oLRP", "localisation", "false", "missed", "threshold")
    same(found, dict(zip(keys, expected, strict=True)))


@pytest.mark.parametrize("seed", range(8))
def test_optimal_lrp_is_the_least_over_all_thresholds_by_a_slow_loop(seed):
    columns = drawn_columns(seed, counts=(0, 5, 20))
    rows, totals = slow_metrics.states(columns, 0.6)
    mean, classes = lrp_by_class(outcomes(prepare(columns), 0.6), 0.6)
    least = []
    for label, found in enumerate(classes):
        own = [row[1:] for row in rows if row[0] == label]
        if not totals[label]:
            assert math.isnan(found["oLRP"])
            continue
        values = [1.0]
        for threshold in {score for score, _, _ in own}:
            kept = [(hit, iou) for score, hit, iou in own if score >= threshold]
            true = sum(hit for hit, _ in kept)
            false, missed = len(kept) - true, totals[label] - true
            errors = sum((1 - iou) / (1 - 0.6) for hit, iou in kept if hit)
            values.append((errors + false + missed) / (true + false + missed))
        assert found["oLRP"] == pytest.approx(min(values))
        least.append(min(values))
    if least:
        assert mean["oLRP"] == pytest.approx(sum(least) / len(least))


def test_a_threshold_of_one_divides_by_nothing():
    found = optimal_lrp(np.array([0.9]), np.array([T]), np.array([1.0]), 1, 1.0)
    assert found["oLRP"] == 0


# --- confusion


def _matrix(true, found, iou=0.5, score=0.0):
    columns = columns_of(true, found, labels=[0, 1])
    matched = prepare(columns)
    return confusion_matrix(matched, outcomes(matched, iou), iou, score).tolist()


LEFT, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10)
CONFUSION = {
    # truths, detections: rows true, columns found, the last is background
    "nothing": ([truths()], [detections()], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    "missed": ([truths((0, *LEFT))], [detections()], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),
    "background": ([truths()], [detections((1, 0.9, *LEFT))], [[0] * 3, [0] * 3, [0, 1, 0]]),
    "right and confused": (
        [truths((0, *LEFT), (0, *RIGHT))],
        [detections((0, 0.5, *LEFT), (1, 0.9, *RIGHT))],
        [[1, 1, 0], [0, 0, 0], [0, 0, 0]],
    ),
    "the own class goes first, whatever the scores": (
        [truths((0, *LEFT))],
        [detections((1, 0.9, *LEFT), (0, 0.5, *LEFT))],
        [[1, 0, 0], [0, 0, 0], [0, 1, 0]],
    ),
    "twice found": (
        [truths((0, *LEFT))],
        [detections((0, 0.9, *LEFT), (0, 0.5, *LEFT))],
        [[1, 0, 0], [0, 0, 0], [1, 0, 0]],
    ),
    "in a crowd of its class": (
        [truths((0, *LEFT), crowd=np.array([True]))],
        [detections((0, 0.9, 1, 1, 5, 5))],
        [[0] * 3] * 3,
    ),
    "another picture": (
        [truths((0, *LEFT)), truths()],
        [detections(), detections((1, 0.9, *LEFT))],
        [[0, 0, 1], [0, 0, 0], [0, 1, 0]],
    ),
}


@pytest.mark.parametrize(("true", "found", "expected"), CONFUSION.values(), ids=CONFUSION.keys())
def test_confusion_comes_out_as_by_hand(true, found, expected):
    assert _matrix(true, found) == expected


def test_only_scores_above_the_threshold_are_confused():
    found = [detections((0, 0.5, *LEFT), (1, 0.25, *RIGHT))]
    assert _matrix([truths((0, *LEFT))], found, score=0.25) == [[1, 0, 0], [0] * 3, [0] * 3]
    assert _matrix([truths((0, *LEFT))], found, score=0.5) == [[0, 0, 1], [0] * 3, [0] * 3]


@pytest.mark.parametrize("seed", range(20, 30))
def test_confusion_equals_a_slow_loop(seed):
    columns = drawn_columns(seed, counts=(0, 5, 30))
    matched = prepare(columns)
    matrix = confusion_matrix(matched, outcomes(matched, 0.5), 0.5, 0.3)
    expected = slow_metrics.confusion(columns, 0.5, 0.3)
    assert matrix.tolist() == expected.tolist()
    assert [(r, c, expected[r, c]) for r, c in zip(*expected.nonzero(), strict=True)] == [
        tuple(row) for row in sparse(matrix)
    ]


def test_pooled_scores_descend():
    scores, hits, objects = of_all_classes(outcomes(prepare(drawn_columns(3)), 0.5))
    assert (np.diff(scores) <= 0).all() and len(hits) == len(scores) and objects > 0
