"""Channels and bits of a network's input, alike on host and device."""

import keras
import numpy as np
import pytest

from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.utils.normalisation import (
    PREPROCESSINGS,
    Preprocessing,
    bits_of,
    for_channels,
    normalised,
)

pytestmark = pytest.mark.numerics
BASE = Preprocessing("rgb", 0.5, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))  # red first


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        pytest.param(3, BASE, id="as it was"),
        pytest.param(1, Preprocessing("bgr", 0.5, (2.0,), (5.0,)), id="one: averages"),
        pytest.param(2, Preprocessing("bgr", 0.5, (3.0, 2.0), (6.0, 5.0)), id="blue and green"),
        pytest.param(
            4,
            Preprocessing("bgr", 0.5, (3.0, 2.0, 1.0, 3.0), (6.0, 5.0, 4.0, 6.0)),
            id="blue, green, red, and blue's again",
        ),
    ],
)
def test_constants_go_by_channel_blue_first(channels, expected):
    assert for_channels(BASE, channels) == expected


@pytest.mark.parametrize("mode", ["caffe", "tf_rgb", "mmdetection"])
def test_levels_of_16_bits_give_what_8_bits_give(mode):
    levels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    wide = levels.astype(np.uint16) * 257
    preprocessing = for_channels(mode, 3, 16)
    expected = preprocess_image(levels, mode)
    np.testing.assert_allclose(preprocess_image(wide, preprocessing), expected, atol=1e-3)
    on_device = normalised(keras.ops.convert_to_tensor(wide), preprocessing)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(on_device), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "bits", "message"),
    [(np.uint8, 16, "pictures of 8 bits, but .* levels of 16"), (np.uint16, 8, "of 16 bits, but")],
)
def test_pictures_of_other_bits_are_refused(dtype, bits, message):
    preprocessing = for_channels(PREPROCESSINGS["tf"], 3, bits)
    with pytest.raises(ValueError, match=message):
        preprocess_image(np.zeros((2, 2, 3), dtype), preprocessing)
    assert bits_of(dtype) != bits


def test_bits_are_8_or_16():
    with pytest.raises(ValueError, match="8 or 16 bits. Received: 12"):
        Preprocessing(bits=12)
