"""Calibration, against a table worked by hand and slow loops."""

import math

import numpy as np
import pytest

from keras_retinanet.evaluation.calibration import (
    best_temperature,
    calibration,
    calibration_error,
    reliability,
)
from keras_retinanet.evaluation.outcomes import Outcomes
from keras_retinanet.utils.temperature import tempered

SCORES, HITS = np.array([0.1, 0.15, 0.85, 0.95, 1.0]), np.array([0, 1, 1, 1, 0], bool)


def drawn(count, factor, seed):
    """Return scores that are right as often as sigmoid(factor · logit) says, and hits."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.05, 0.99, count)
    return scores, rng.uniform(size=count) < tempered(scores, 1 / factor)


def test_the_table_and_its_error_are_those_worked_by_hand():
    table = reliability(SCORES, HITS)
    assert [row["count"] for row in table] == [2, 1, 2]
    assert [(row["low"], row["high"]) for row in table] == [(0.1, 0.2), (0.8, 0.9), (0.9, 1.0)]
    np.testing.assert_allclose([row["score"] for row in table], [0.125, 0.85, 0.975])
    np.testing.assert_allclose([row["precision"] for row in table], [0.5, 1.0, 0.5])
    assert calibration_error(table) == pytest.approx((2 * 0.375 + 0.15 + 2 * 0.475) / 5)
    assert math.isnan(calibration_error(reliability(np.zeros(0), np.zeros(0, bool))))


def likelihood(scores, hits, temperature):
    """Return the logarithm of the likelihood of what came out."""
    changed = [min(1 / (1 + (1 / s - 1) ** (1 / temperature)), 1 - 1e-15) for s in scores]
    return sum(math.log(p if hit else 1 - p) for p, hit in zip(changed, hits, strict=True))


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 2.0), (1.0, 1.0), (3.0, 1 / 3)])
def test_the_temperature_makes_what_came_out_likeliest(factor, expected):
    scores, hits = drawn(20_000, factor, seed=1)
    found = best_temperature(scores, hits)
    assert found == pytest.approx(expected, rel=0.05)
    some = scores[:300], hits[:300]
    found = best_temperature(*some)
    grid = np.exp(np.linspace(np.log(0.06), np.log(19), 2000))
    best = grid[np.argmax([likelihood(*some, value) for value in grid])]
    assert found == pytest.approx(best, rel=0.005)


def test_where_all_or_none_are_right_no_temperature_is_the_best():
    for hits in (np.ones(5, bool), np.zeros(5, bool)):
        assert math.isnan(best_temperature(SCORES, hits))
    assert math.isnan(best_temperature(np.zeros(0), np.zeros(0, bool)))


def outcomes_of(scores, hits, pictures, counts=None):
    order = np.argsort(-scores, kind="stable")
    zeros = np.zeros(len(scores), np.int64)
    return Outcomes(
        labels=zeros,
        scores=scores[order],
        pictures=pictures[order],
        owners=np.where(hits, 0, -1)[order],
        ious=zeros.astype(float),
        counts=(np.ones(len(scores), bool) if counts is None else counts)[order],
        objects=np.array([1]),
        rows=zeros,
    )


def test_the_effect_is_measured_on_pictures_that_the_temperature_has_not_seen():
    scores, hits = drawn(4000, 0.4, seed=2)
    pictures = np.random.default_rng(3).integers(0, 50, 4000)
    found = calibration(outcomes_of(scores, hits, pictures), 50, seed=4)
    half = set(np.random.default_rng(4).permutation(50)[:25].tolist())
    first = np.array([picture in half for picture in pictures])
    before = after = 0.0
    for own in (first, ~first):
        temperature = best_temperature(scores[~own], hits[~own])
        changed = tempered(scores[own], temperature)
        before += own.sum() * calibration_error(reliability(scores[own], hits[own])) / 4000
        after += own.sum() * calibration_error(reliability(changed, hits[own])) / 4000
    assert found["held_out"] == pytest.approx({"before": before, "after": after})
    assert found["temperature"] == pytest.approx(2.5, rel=0.1)
    assert after < before / 3 and found["ECE"] == pytest.approx(before, abs=0.02)


def test_detections_of_crowds_do_not_count():
    pictures, counts = np.array([0, 0, 1, 1, 1]), np.array([1, 1, 1, 0, 1], bool)
    found = calibration(outcomes_of(SCORES, HITS, pictures, counts), 2)
    assert found["bins"] == reliability(SCORES[counts], HITS[counts])


def test_nothing_found_is_no_number():
    found = calibration(outcomes_of(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64)), 4)
    assert found["bins"] == [] and math.isnan(found["ECE"]) and math.isnan(found["temperature"])
    assert all(math.isnan(value) for value in found["held_out"].values())
