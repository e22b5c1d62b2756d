"""Preprocessing, resizing, warping and colour changes, against values by hand and slow truths."""

import colorsys

import cv2
import numpy as np
import pytest

from keras_retinanet.utils import image as im
from keras_retinanet.utils.normalisation import preprocessing_of
from keras_retinanet.utils.transform import rotation, scaling, transform_aabb, translation

SOURCES = [np.random.default_rng, np.random.RandomState]


def noise(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param("caffe", [10 - 103.939, 100 - 116.779, 200 - 123.68], id="caffe"),
        pytest.param("tf", [10 / 127.5 - 1, 100 / 127.5 - 1, 200 / 127.5 - 1], id="tf"),
        pytest.param(
            "torch",
            [(10 / 255 - 0.406) / 0.225, (100 / 255 - 0.456) / 0.224, (200 / 255 - 0.485) / 0.229],
            id="torch: ImageNet's blue, green, red",
        ),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (2, 4, 3), (5, 2, 4, 3), (0, 4, 3)])
def test_preprocess_image_normalises_each_channel(mode, expected, dtype, shape):
    levels = np.broadcast_to(np.array([10, 100, 200], dtype), shape)
    found = im.preprocess_image(levels, mode)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(expected, shape), rtol=1e-5)
    scale, mean, std = preprocessing_of(mode).constants()
    np.testing.assert_allclose(found, (levels * scale - mean) / std, rtol=1e-5)


def test_preprocess_image_is_caffe_by_default_and_leaves_its_argument():
    levels = noise().astype(np.float32)
    before = levels.copy()
    np.testing.assert_array_equal(im.preprocess_image(levels), im.preprocess_image(levels, "caffe"))
    np.testing.assert_array_equal(levels, before)


def test_an_unknown_preprocessing_mode_is_quoted():
    with pytest.raises(ValueError, match=r"'pytorch'.*caffe, tf, torch"):
        im.preprocess_image(noise(), "pytorch")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param((480, 640, 3), 800 / 480, id="shorter side to 800"),
        pytest.param((640, 480), 800 / 480, id="upright"),
        pytest.param((600, 1200, 3), 1333 / 1200, id="longer side would pass 1333"),
        pytest.param((800, 1333, 3), 1.0, id="as it should be"),
        pytest.param((2000, 2000, 3), 0.4, id="smaller"),
    ],
)
def test_compute_resize_scale_by_hand(shape, expected):
    assert im.compute_resize_scale(shape) == pytest.approx(expected)


def test_resize_image_interpolates_between_pixel_centres():
    columns = np.repeat(np.array([[[0], [100]]], np.uint8), 3, axis=2).repeat(2, axis=0)
    resized, scale = im.resize_image(columns, min_side=4, max_side=8)
    assert scale == 2
    np.testing.assert_array_equal(resized[:, :, 0], [[0, 25, 75, 100]] * 4)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param((480, 640), (800, 1067), id="scaled up"),
        pytest.param((300, 3000), (133, 1333), id="long"),
        pytest.param((1, 5000), (1, 1333), id="a line stays one pixel wide"),
    ],
)
def test_resize_image_keeps_proportions(shape, expected):
    resized, scale = im.resize_image(np.zeros((*shape, 3), np.uint8))
    assert resized.shape == (*expected, 3)
    assert scale == im.compute_resize_scale(shape)


def test_resize_image_does_not_copy_at_scale_one():
    picture = noise(20, 30)
    resized, scale = im.resize_image(picture, min_side=20, max_side=30)
    assert resized is picture
    assert scale == 1


def test_adjust_transform_for_image_acts_about_the_centre_and_leaves_its_argument():
    turn = translation((0.1, -0.5)) @ rotation(np.pi / 2)
    before = turn.copy()
    # about (15, 10): x' = -(y - 10) + 15 + 3, y' = (x - 15) + 10 - 10
    expected = [[0, -1, 28], [1, 0, -15], [0, 0, 1]]
    found = im.adjust_transform_for_image(turn, noise(), relative_translation=True)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(turn, before)
    found = im.adjust_transform_for_image(turn, noise(), relative_translation=False)
    np.testing.assert_allclose(found, [[0, -1, 25.1], [1, 0, -5.5], [0, 0, 1]], atol=1e-12)


FLIP_X, FLIP_Y = scaling((-1, 1)), scaling((1, -1))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        pytest.param(np.eye(3), lambda p: p, id="identity"),
        pytest.param(FLIP_X, lambda p: p[:, ::-1], id="left-right"),
        pytest.param(FLIP_Y, lambda p: p[::-1], id="top-bottom"),
        pytest.param(FLIP_X @ FLIP_Y, lambda p: p[::-1, ::-1], id="half turn by flips"),
        pytest.param(rotation(np.pi), lambda p: p[::-1, ::-1], id="half turn, warped"),
        pytest.param(rotation(np.pi / 2), lambda p: np.rot90(p, -1), id="quarter turn, warped"),
    ],
)
@pytest.mark.parametrize("shape", [(30, 30), (31, 31)])
def test_apply_transform_moves_whole_pixels_where_the_matrix_does(matrix, expected, shape):
    picture = noise(*shape)
    about_centre = im.adjust_transform_for_image(matrix, picture, True)
    moved = im.apply_transform(about_centre, picture, im.TransformParameters())
    np.testing.assert_array_equal(moved, expected(picture))
    assert moved.flags.c_contiguous
    assert not np.shares_memory(moved, picture)


@pytest.mark.parametrize(
    ("fill_mode", "cval", "expected"),
    [
        pytest.param("nearest", 0, [1, 1, 1, 2, 3, 4], id="nearest"),
        pytest.param("reflect", 0, [3, 2, 1, 2, 3, 4], id="reflect"),
        pytest.param("wrap", 0, [5, 6, 1, 2, 3, 4], id="wrap"),
        pytest.param("constant", 9, [9, 9, 1, 2, 3, 4], id="constant, in all channels"),
    ],
)
def test_apply_transform_fills_what_comes_from_outside(fill_mode, cval, expected):
    row = np.arange(1, 7, dtype=np.uint8)
    picture = np.broadcast_to(row[None, :, None], (4, 6, 3)).copy()
    params = im.TransformParameters(fill_mode=fill_mode, cval=cval)
    moved = im.apply_transform(translation((2, 0)), picture, params)
    np.testing.assert_array_equal(moved, np.broadcast_to(np.c_[expected][None], (4, 6, 3)))


@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_box_stays_under_its_transformed_box(seed):
    rng = np.random.default_rng(seed)
    picture = np.zeros((200, 300, 3), np.uint8)
    box = np.array([100, 80, 180, 120])
    picture[80:120, 100:180] = 255
    matrix = scaling(rng.choice([-1, 1], 2) * rng.uniform(0.8, 1.2, 2))
    matrix = translation(rng.uniform(-0.1, 0.1, 2)) @ matrix
    matrix = im.adjust_transform_for_image(matrix, picture, True)
    moved = im.apply_transform(matrix, picture, im.TransformParameters()) / 255
    x1, y1, x2, y2 = transform_aabb(matrix, box)
    # the sum of a row's coverage is the box's width; its first moment is the box's centre
    columns, rows = moved[:, :, 0].max(axis=0), moved[:, :, 0].max(axis=1)
    centres = np.arange(300) + 0.5
    assert columns.sum() == pytest.approx(x2 - x1, abs=0.25)
    assert rows.sum() == pytest.approx(y2 - y1, abs=0.25)
    assert (columns * centres).sum() / columns.sum() == pytest.approx((x1 + x2) / 2, abs=0.15)
    assert (rows * centres[:200]).sum() / rows.sum() == pytest.approx((y1 + y2) / 2, abs=0.15)


@pytest.mark.parametrize("name", ["fill_mode", "interpolation"])
def test_transform_parameters_refuse_unknown_words(name):
    with pytest.raises(ValueError, match=f"unknown {name} 'mirror'. Choose one of: .*nearest"):
        im.TransformParameters(**{name: "mirror"})


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area", "lanczos4"])
def test_every_interpolation_warps(interpolation):
    params = im.TransformParameters(interpolation=interpolation)
    flat = np.full((20, 30, 3), 77, np.uint8)
    np.testing.assert_array_equal(im.apply_transform(rotation(0.1), flat, params), flat)


def slow_contrast(picture, factor):
    mean = picture.astype(np.float64).mean(axis=(0, 1))
    return np.floor(np.clip((picture - mean) * factor + mean, 0, 255))


def close(found, expected):
    """Check equality but for decimals that float noise tips over: at most 1 level, 1 in 1000."""
    off = np.abs(found.astype(int) - expected)
    return off.max() <= 1 and (off > 0).mean() <= 1e-3


@pytest.mark.parametrize("factor", [0.5, 0.93, 1.0, 1.1, 3.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_adjust_contrast_stretches_levels_about_the_channels_mean(factor, dtype):
    picture = noise()
    found = im.adjust_contrast(picture.astype(dtype), factor)
    assert found.dtype == np.uint8
    assert close(found, slow_contrast(picture, factor))


@pytest.mark.parametrize("delta", [-1, -0.07, 0, 0.1, 1])
def test_adjust_brightness_adds_a_share_of_255(delta):
    picture = noise()
    expected = np.floor(np.clip(picture + delta * 255.0, 0, 255))
    assert close(im.adjust_brightness(picture, delta), expected)


@pytest.mark.parametrize("delta", [-0.5, -0.05, 0, 0.03, 0.5])
def test_adjust_hue_turns_the_hue_alone(delta):
    hsv = noise() % [180, 256, 256]
    expected = hsv.astype(float)
    expected[..., 0] = np.floor((expected[..., 0] + delta * 180) % 180)
    found = im.adjust_hue(hsv.astype(np.uint8), delta)
    assert found[..., 0].max() < 180
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("factor", [0, 0.95, 1, 1.3])
def test_adjust_saturation_scales_the_saturation_alone(factor):
    hsv = noise()
    expected = hsv.astype(float)
    expected[..., 1] = np.floor(np.clip(expected[..., 1] * factor + 1e-9, 0, 255))
    np.testing.assert_array_equal(im.adjust_saturation(hsv, factor), expected)


def test_effects_leave_their_argument():
    picture = noise()
    before = picture.copy()
    im.VisualEffect(1.2, 0.1, 0.1, 1.1)(picture)
    im.adjust_hue(picture, 0.1)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("seed", range(4))
def test_a_visual_effect_equals_its_parts_one_after_the_other(seed):
    effect = next(im.random_visual_effect_generator(prng=np.random.default_rng(seed)))
    picture = noise(seed=seed)
    expected = im.adjust_contrast(picture, effect.contrast_factor)
    expected = im.adjust_brightness(expected, effect.brightness_delta)
    expected = cv2.cvtColor(expected, cv2.COLOR_BGR2HSV)
    expected = im.adjust_hue(expected, effect.hue_delta)
    expected = im.adjust_saturation(expected, effect.saturation_factor)
    expected = cv2.cvtColor(expected, cv2.COLOR_HSV2BGR)
    np.testing.assert_array_equal(effect(picture), expected)


def test_a_visual_effect_turns_red_into_green():
    red = np.array([[[0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(im.VisualEffect(0, 0, 1 / 3, 0)(red), [[[0, 255, 0]]])


def test_a_visual_effect_agrees_with_the_standard_librarys_hsv():
    picture = noise(8, 8)
    found = im.VisualEffect(None, None, 0.1, 0.9)(picture)
    for pixel, result in zip(picture.reshape(-1, 3), found.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel[::-1] / 255))
        expected = colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation * 0.9, value)
        # uint8 hue has steps of 2 degrees: 255 * 2 / 60 levels, once for each rounding
        np.testing.assert_allclose(result[::-1], np.array(expected) * 255, atol=13)


def test_a_visual_effect_of_nothing_changes_nothing():
    picture = noise()
    np.testing.assert_array_equal(im.VisualEffect(None, 0, None, 0)(picture), picture)


def test_a_visual_effect_takes_float_levels():
    picture = noise()
    effect = im.VisualEffect(1.1, 0.1, 0.1, 1.1)
    np.testing.assert_array_equal(effect(picture.astype(np.float64)), effect(picture))


@pytest.mark.parametrize("source", SOURCES)
def test_random_visual_effects_stay_in_their_ranges_and_repeat_under_a_seed(source):
    def draw():
        generator = im.random_visual_effect_generator(
            (0.5, 0.6), (0.1, 0.2), (-0.2, -0.1), (2, 3), prng=source(3)
        )
        return [next(generator) for _ in range(50)]

    effects = draw()
    assert all(0.5 <= effect.contrast_factor < 0.6 for effect in effects)
    assert all(0.1 <= effect.brightness_delta < 0.2 for effect in effects)
    assert all(-0.2 <= effect.hue_delta < -0.1 for effect in effects)
    assert all(2 <= effect.saturation_factor < 3 for effect in effects)
    assert effects == draw()
    assert effects[0] != effects[1]


@pytest.mark.parametrize(
    "ranges",
    [
        pytest.param({"contrast_range": (-0.1, 1)}, id="negative contrast"),
        pytest.param({"contrast_range": (1.1, 0.9)}, id="upside down"),
        pytest.param({"brightness_range": (-1.1, 0)}, id="brightness below -1"),
        pytest.param({"hue_range": (0, 1.1)}, id="hue over 1"),
        pytest.param({"saturation_range": (-1, 1)}, id="negative saturation"),
        pytest.param({"saturation_range": (1,)}, id="one number"),
    ],
)
def test_random_visual_effects_refuse_impossible_ranges_at_once(ranges):
    (name,) = ranges
    with pytest.raises(ValueError, match=f"{name} must be"):
        im.random_visual_effect_generator(**ranges)
