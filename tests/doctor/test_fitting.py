"""Fitted anchors: what the search is worth, and that it finds what was planted."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from keras_retinanet.doctor import fitting
from keras_retinanet.doctor.coverage import Resize
from keras_retinanet.doctor.fitting import fit_anchors, make_target
from keras_retinanet.doctor.reach import Grid, best_overlaps, reached
from keras_retinanet.preprocessing.samples import Samples
from keras_retinanet.utils.anchors import AnchorParameters

GRID = Grid(AnchorParameters((16, 32, 64), (8, 16, 32), (0.5, 1, 2), (1, 1.5)), (3, 4, 5))
OWN_SIZE = Resize(None, None)


def boxes_like(ratio, count=200, size=(200, 300), seed=2):
    """Return (Samples, sizes) of boxes with height / width near `ratio`, of all sizes."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(rng.uniform(np.log(16), np.log(90), count))
    ratios = ratio * np.exp(rng.normal(0, 0.08, count))
    sides = np.stack([lengths / np.sqrt(ratios), lengths * np.sqrt(ratios)], axis=1)
    corners = rng.uniform(0, 1, (count, 2)) * (np.array(size)[::-1] - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1)
    names = [str(place) for place in range(count)]
    return Samples.from_rows(names, range(count), boxes, [0] * count), [size] * count


def test_the_searchs_overlaps_are_those_of_the_nearest_anchors():
    samples, sizes = boxes_like(0.6)
    params = GRID.anchors
    found = make_target(samples, sizes, GRID).overlaps(params.ratios, params.scales)
    expected = best_overlaps(samples.boxes, np.array(sizes), GRID)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_picture_without_a_cell_of_a_level_has_no_anchor_of_it():
    samples = Samples.from_rows(["a"], [0], [(0, 0, 14, 14)], [0])  # no cell of 32 pixels
    found = make_target(samples, [(14, 14)], GRID).overlaps((1,), (0.25, 1))
    grid = replace(GRID, anchors=replace(GRID.anchors, ratios=(1,), scales=(0.25, 1)))
    expected = best_overlaps(samples.boxes, np.array([(14, 14)]), grid)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_long_boxes_get_long_anchors():
    samples, sizes = boxes_like(5)
    fit = fit_anchors(samples, sizes, GRID, OWN_SIZE)
    assert fit.before < 0.1 and fit.after > 0.9
    assert fit.mean_after > fit.mean_before
    params = fit.grid.anchors
    assert (len(params.ratios), len(params.scales)) == (3, 2)
    assert (params.sizes, params.strides) == (GRID.anchors.sizes, GRID.anchors.strides)
    assert all(2.5 < ratio < 9 for ratio in params.ratios)
    # the share is that of the very assignment
    trained, _ = reached(samples, np.array(sizes), fit.grid)
    assert trained.mean() == fit.after
    assert fit_anchors(samples, sizes, GRID, OWN_SIZE) == fit  # repeatable


def test_numbers_are_fixed_or_chosen(monkeypatch):
    monkeypatch.setattr(fitting, "COUNTS", (1, 3))  # fewer trials, for the time they take
    monkeypatch.setattr(fitting, "SCALE_COUNTS", (1, 2))
    samples, sizes = boxes_like(3, count=200)
    fixed = fit_anchors(samples, sizes, GRID, OWN_SIZE, num_ratios=2, num_scales=1)
    assert fixed.grid.anchors.num_anchors() == 2
    chosen = fit_anchors(samples, sizes, GRID, OWN_SIZE, num_ratios=0, num_scales=0)
    assert chosen.grid.anchors.num_anchors() < GRID.anchors.num_anchors()
    assert chosen.after > 0.97  # boxes of one shape need few anchors


def test_nothing_to_fit_to_and_no_scipy_are_one_line(monkeypatch):
    with pytest.raises(ValueError, match="there is no box to fit anchors to"):
        fit_anchors(Samples.from_rows(["a"], [], [], []), [(9, 9)], GRID, OWN_SIZE)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ValueError, match="needs SciPy. Install it: pip install scipy"):
        fit_anchors(*boxes_like(1, count=3), GRID, OWN_SIZE)
