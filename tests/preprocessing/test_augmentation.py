"""Policies of augmentation, and boxes under transforms."""

import numpy as np
import pytest

from keras_retinanet.preprocessing.augmentation import (
    FLIPS,
    OVERHEAD,
    RANDOM_TRANSFORM,
    SCALE_JITTER,
    Augmentation,
)
from keras_retinanet.preprocessing.visibility import clip_visible
from keras_retinanet.utils.transform import transform_aabb


def box_around_corners(matrix, box):
    """Slow reference: move the four corners one by one, take the smallest upright box."""
    x1, y1, x2, y2 = box
    corners = [matrix @ np.array([x, y, 1.0]) for x in (x1, x2) for y in (y1, y2)]
    xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
    return [min(xs), min(ys), max(xs), max(ys)]


def test_transformed_boxes_surround_the_moved_corners():
    rng = np.random.default_rng(3)
    for _ in range(50):
        matrix = RANDOM_TRANSFORM.transform(rng)
        corners = np.sort(rng.uniform(0, 300, (7, 2, 2)), axis=1)
        boxes = corners.reshape(7, 4)
        expected = [box_around_corners(matrix, box) for box in boxes]
        np.testing.assert_allclose(transform_aabb(matrix, boxes), expected, atol=1e-9)


def test_no_boxes_are_clipped_to_no_boxes():
    clipped, kept = clip_visible(np.zeros((0, 4)), 10, 10)
    assert clipped.shape == (0, 4)
    assert kept.shape == (0,)


VISIBLE = {
    "inside": ([10, 10, 20, 20], [10, 10, 20, 20], True),
    "tiny but inside": ([10, 10, 10.5, 10.2], [10, 10, 10.5, 10.2], True),
    "half left": ([-10, 10, 10, 20], [0, 10, 10, 20], True),
    "exactly a tenth left": ([-90, 10, 10, 20], [0, 10, 10, 20], True),
    "less than a tenth left": ([-91, 10, 10, 20], [0, 10, 10, 20], False),
    "less than a pixel left": ([-1, 10, 0.9, 20], [0, 10, 0.9, 20], False),
    "left of the picture": ([-31, 10, -2, 20], [0, 10, 0, 20], False),
    "below the picture": ([10, 60, 20, 70], [10, 50, 20, 50], False),
    "larger than the picture": ([-10, -10, 110, 60], [0, 0, 100, 50], True),
}


@pytest.mark.parametrize(("box", "expected", "stays"), VISIBLE.values(), ids=VISIBLE)
def test_boxes_are_clipped_and_lost_ones_dropped(box, expected, stays):
    clipped, kept = clip_visible(np.array([box], float), height=50, width=100)
    assert clipped.tolist() == [expected]
    assert kept.tolist() == [stays]


def test_the_default_policy_flips_half_the_pictures_and_does_nothing_else():
    rng = np.random.default_rng(0)
    signs = []
    for _ in range(400):
        matrix = FLIPS.transform(rng)
        signs.append(matrix[0, 0])
        np.testing.assert_array_equal(matrix, np.diag([matrix[0, 0], 1, 1]))
    assert set(signs) == {-1, 1}
    assert 160 < signs.count(-1) < 240
    assert FLIPS.effect(rng) is None


def test_the_full_policy_stays_in_its_ranges():
    rng = np.random.default_rng(0)
    matrices = np.array([RANDOM_TRANSFORM.transform(rng) for _ in range(300)])
    assert 0.08 < abs(matrices[:, :2, 2]).max() < 0.13
    determinants = abs(np.linalg.det(matrices))
    assert determinants.min() > 0.81 * np.cos(0.1)
    assert determinants.max() < 1.21
    effects = [RANDOM_TRANSFORM.effect(rng) for _ in range(300)]
    assert all(0.9 <= effect.contrast_factor <= 1.1 for effect in effects)
    assert all(-0.1 <= effect.brightness_delta <= 0.1 for effect in effects)
    assert all(-0.05 <= effect.hue_delta <= 0.05 for effect in effects)
    assert all(0.95 <= effect.saturation_factor <= 1.05 for effect in effects)


@pytest.mark.parametrize(
    ("policy", "flips_y"), [(SCALE_JITTER, {1}), (OVERHEAD, {-1, 1})], ids=["jitter", "overhead"]
)
def test_scale_jitter_zooms_both_axes_alike_and_neither_turns_nor_shears(policy, flips_y):
    rng = np.random.default_rng(0)
    matrices = np.array([policy.transform(rng) for _ in range(300)])
    zooms = abs(matrices[:, 0, 0])
    np.testing.assert_allclose(abs(matrices[:, 1, 1]), zooms)
    np.testing.assert_array_equal(matrices[:, [0, 1], [1, 0]], 0)
    assert 0.7 <= zooms.min() < 0.72
    assert 1.38 < zooms.max() <= 1.4
    assert 0.45 < (zooms < np.sqrt(0.7 * 1.4)).mean() < 0.55  # as often in as out
    assert set(np.sign(matrices[:, 0, 0])) == {-1, 1}
    assert set(np.sign(matrices[:, 1, 1])) == flips_y


def test_without_a_zoom_nothing_more_is_drawn():
    policy = Augmentation(rotation=0.5)
    rng, other = np.random.default_rng(1), np.random.default_rng(1)
    policy.transform(rng)
    other.uniform(size=1 + 2 + 1 + 2 + 2)  # rotation, translation, shear, scaling, flips
    assert rng.uniform() == other.uniform()


def test_equal_streams_draw_equal_transforms():
    policy = Augmentation(rotation=0.5)
    first = policy.transform(np.random.default_rng([4, 2]))
    np.testing.assert_array_equal(first, policy.transform(np.random.default_rng([4, 2])))
    assert not np.array_equal(first, policy.transform(np.random.default_rng([4, 3])))


def test_a_part_without_a_range_is_left_out_of_the_effect():
    effect = Augmentation(contrast=(0.5, 2)).effect(np.random.default_rng(0))
    assert 0.5 <= effect.contrast_factor <= 2
    assert effect.brightness_delta is effect.hue_delta is effect.saturation_factor is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip_x": 1.5}, "flip_x must be from 0 to 1. Received: 1.5"),
        ({"hue": -0.1}, "hue must be from 0 to 1. Received: -0.1"),
        ({"scaling": (1.2, 0.8)}, r"scaling must be \(smallest, largest\) above 0"),
        ({"zoom": (0, 1)}, r"zoom must be \(smallest, largest\) above 0"),
        ({"contrast": (0, 1)}, r"contrast must be \(smallest, largest\) above 0"),
    ],
    ids=["chance", "shift", "upside down", "no size", "zero"],
)
def test_impossible_policies_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)
