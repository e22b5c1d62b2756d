"""Each resize rule equals the library it is named after, where that runs here; sides by hand."""

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.utils.image import resize_image
from keras_retinanet.utils.profile import CHOICES
from keras_retinanet.utils.resizing import RESIZE_RULES, resize_rule

# Wide, upright, a line, a point, sides that need no change, thin, and much smaller than they were.
SHAPES = [(43, 64), (64, 43), (1, 7), (1, 1), (40, 60), (100, 5), (230, 171)]
SIDES = (40, 67)


def noise(shape, channels=3, dtype=np.uint8, seed=0):
    most = np.iinfo(dtype).max
    rng = np.random.default_rng(seed)
    return rng.integers(0, most + 1, (*shape, channels)).astype(dtype)


def test_a_profile_may_name_every_rule():
    assert set(CHOICES["resize_rule"]) == set(RESIZE_RULES)


def test_an_unknown_rule_ends_with_the_known_ones():
    with pytest.raises(ValueError, match="one of opencv, torchvision.* Received: 'nearest'"):
        resize_rule("nearest")


# (height, width): (height, width) for the sides 800 and 1333. Where rules disagree:
# 800 * 800/600 = 1066.7 and 1080 * 1333/1920 = 749.8 are cut by torchvision and ODTK. 333 * 800/333
# is 800 as a double, and would be 799.99999 with a float32 factor.
BY_HAND = {
    "opencv": {(333, 500): (800, 1201), (600, 800): (800, 1067), (1080, 1920): (750, 1333)},
    "torchvision": {(333, 500): (800, 1201), (600, 800): (800, 1066), (1080, 1920): (749, 1333)},
    "pillow": {(333, 500): (800, 1201), (600, 800): (800, 1067), (1080, 1920): (750, 1333)},
    "mmdetection": {(333, 500): (800, 1201), (600, 800): (800, 1067), (1080, 1920): (750, 1333)},
    "odtk": {(333, 500): (800, 1201), (600, 800): (800, 1066), (1080, 1920): (749, 1333)},
    "letterbox": {(333, 500): (800, 800), (600, 800): (800, 800), (1080, 1920): (800, 800)},
}
FOR_ALL = {(1, 7): (190, 1333), (800, 1333): (800, 1333), (3000, 2): (1333, 1)}  # but letterbox


@pytest.mark.parametrize("name", RESIZE_RULES)
def test_sides_by_hand(name):
    for (height, width), (new_height, new_width) in BY_HAND[name].items():
        for turned in (False, True):  # upright pictures have the same sides the other way round
            shape = (width, height) if turned else (height, width)
            expected = (new_width, new_height) if turned else (new_height, new_width)
            found, _ = RESIZE_RULES[name](np.zeros((*shape, 3), np.uint8), 800, 1333)
            assert found.shape == (*expected, 3), shape
    for shape, expected in FOR_ALL.items():
        found, _ = RESIZE_RULES[name](np.zeros((*shape, 3), np.uint8), 800, 1333)
        assert found.shape[:2] == ((800, 800) if name == "letterbox" else expected), shape


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_opencv_is_1_0_bit_for_bit_and_keeps_its_single_factor(shape):
    image = noise(shape)
    found, scale = RESIZE_RULES["opencv"](image, *SIDES)
    expected, factor = resize_image(image, *SIDES)
    assert found.dtype == np.uint8 and found.tobytes() == expected.tobytes()
    assert isinstance(scale, (int, float)) and scale == factor


@pytest.mark.parametrize("shape", [*SHAPES, (427, 640)], ids=str)
def test_torchvision_equals_torchs_interpolation(shape):
    torch = pytest.importorskip("torch")
    image = noise(shape)
    sides = (800, 1333) if shape == (427, 640) else SIDES
    factor = min(sides[0] / min(shape), sides[1] / max(shape))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None],
        scale_factor=factor,
        mode="bilinear",
        align_corners=False,
        antialias=False,
        recompute_scale_factor=True,
    )
    expected = expected[0].permute(1, 2, 0).numpy()
    found, scale = RESIZE_RULES["torchvision"](image, *sides)
    assert found.shape == expected.shape
    assert np.abs(found.astype(np.float32) - expected).max() <= 1e-3  # levels
    down, across = expected.shape[0] / shape[0], expected.shape[1] / shape[1]
    assert scale.tolist() == [across, down, across, down]


@pytest.mark.parametrize("name", ["pillow", "odtk"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pillow_and_odtk_equal_pillows_bilinear(name, shape):
    image = noise(shape)
    found, scale = RESIZE_RULES[name](image, *SIDES)
    expected = Image.fromarray(image).resize(found.shape[1::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found, np.asarray(expected))
    assert found.dtype == np.uint8
    assert scale.tolist() == 2 * [found.shape[1] / shape[1], found.shape[0] / shape[0]]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mmdetection_equals_opencv_told_the_size(shape):
    image = noise(shape)
    found, scale = RESIZE_RULES["mmdetection"](image, *SIDES)
    np.testing.assert_array_equal(found, cv2.resize(image, found.shape[1::-1]))
    assert scale.tolist() == 2 * [found.shape[1] / shape[1], found.shape[0] / shape[0]]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_letterbox_equals_keras_padding_to_the_aspect_ratio(shape):
    import keras

    image = noise(shape)
    expected = keras.ops.image.resize(
        image[None].astype(np.float32),
        (40, 40),
        interpolation="bilinear",
        pad_to_aspect_ratio=True,
        data_format="channels_last",
    )[0]
    found, _ = RESIZE_RULES["letterbox"](image, *SIDES)
    assert np.abs(found - keras.ops.convert_to_numpy(expected)).max() < 0.01  # levels


def test_a_letterbox_adds_half_the_difference_of_the_sides_in_whole_pixels():
    image = np.full((4, 7, 3), 200, np.uint8)
    found, scale = RESIZE_RULES["letterbox"](image, 12, 12)
    # 1 row above and below: 6 x 7 become 12 x 12
    assert RESIZE_RULES["letterbox"].margin((4, 7)).tolist() == [0, 1, 0, 1]
    assert scale.tolist() == [12 / 7, 2, 12 / 7, 2]
    # rows of the result lie at (row + 0.5) / 2 - 0.5 of the padded picture: -0.25, 0.25, 0.75, …
    np.testing.assert_allclose(found[:, 5, 0], [0, 50, 150, *6 * [200], 150, 50, 0])


@pytest.mark.parametrize("name", RESIZE_RULES)
@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (83, 31)], ids=str)
def test_boxes_lie_where_the_picture_went(name, shape):
    """A white box on black: the picture's levels, summed along an axis, are the box's sides."""
    image = np.zeros((*shape, 3), np.uint8)
    box = np.array([10, 30, 25, 70])
    image[30:70, 10:25] = 255
    rule = RESIZE_RULES[name]
    found, scale = rule(image, 80, 120)
    x1, y1, x2, y2 = (box + rule.margin(shape)) * scale
    across, down = (found[..., 0].max(axis=axis) / 255.0 for axis in (0, 1))
    assert across.sum() == pytest.approx(x2 - x1, abs=0.6)
    assert down.sum() == pytest.approx(y2 - y1, abs=0.6)
    centres = [(line * (np.arange(len(line)) + 0.5)).sum() / line.sum() for line in (across, down)]
    assert centres == pytest.approx([(x1 + x2) / 2, (y1 + y2) / 2], abs=0.3)


@pytest.mark.parametrize("name", RESIZE_RULES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_each_channel_is_resized_as_if_alone(name, dtype, channels):
    image = noise((30, 50), channels, dtype)
    found, _ = RESIZE_RULES[name](image, 40, 60)
    for channel in range(channels):
        alone, _ = RESIZE_RULES[name](image[..., channel : channel + 1], 40, 60)
        np.testing.assert_allclose(
            found.reshape(*found.shape[:2], channels)[..., channel],
            alone.reshape(found.shape[:2]),
            rtol=0,
            atol=float(dtype == np.uint16),  # OpenCV rounds halves of 16 bits by channel count
        )


@pytest.mark.parametrize("name", RESIZE_RULES)
def test_a_rule_leaves_its_argument_alone_and_a_right_size_equal(name):
    image = noise((40, 40))
    before = image.copy()
    found, scale = RESIZE_RULES[name](image, 40, 60)
    np.testing.assert_array_equal(found, before)
    assert (np.asarray(scale) == 1).all()
    RESIZE_RULES[name](image, 20, 30)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", RESIZE_RULES)
def test_the_factor_is_about_the_scale(name):
    _, scale = RESIZE_RULES[name](noise((90, 160)), 80, 120)
    assert RESIZE_RULES[name].factor((90, 160), 80, 120) == pytest.approx(np.min(scale), rel=0.5)
