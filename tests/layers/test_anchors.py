"""The anchors layer lays the grid of `utils.anchors` on the device."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet.backend import shift as device_shift
from keras_retinanet.layers import Anchors
from keras_retinanet.utils.anchors import AnchorParameters, anchors_for_shape, shift
from tests.backends import array

pytestmark = pytest.mark.numerics

PARAMS = AnchorParameters((20,), (8,), (0.5, 1, 2), (1, 1.3))


def test_the_layer_equals_the_host_for_each_image_of_a_batch():
    layer = Anchors(20, 8, ratios=[0.5, 1, 2], scales=[1, 1.3])
    found = layer(ops.zeros((2, 3, 5, 7)))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = anchors_for_shape((24, 40), (3,), PARAMS)
    for image in array(found):
        np.testing.assert_allclose(image, expected, rtol=1e-6, atol=1e-5)


def test_ratios_and_scales_default_to_the_papers():
    params = AnchorParameters((32,), (8,))
    np.testing.assert_allclose(
        array(Anchors(32, 8)(ops.zeros((1, 2, 2, 1))))[0],
        anchors_for_shape((16, 16), (3,), params),
        rtol=1e-6,
        atol=1e-5,
    )


def test_the_old_backend_shift_equals_the_hosts():
    cell = np.array([[-1, -2, 1, 2], [-3, -3, 3, 3.0]])
    np.testing.assert_allclose(array(device_shift((2, 3), 8, cell)), shift((2, 3), 8, cell))


@pytest.mark.parametrize(
    ("rows", "number"), [(3, 90), (None, None)], ids=["known size", "open size"]
)
def test_the_shape_is_known_where_the_size_is(rows, number):
    layer = Anchors(20, 8, ratios=[0.5, 1, 2], scales=[1, 1.3])
    assert layer.compute_output_shape((None, rows, 5, 7)) == (None, number, 4)
    assert layer(keras.KerasTensor((None, rows, 5, 7))).shape == (None, number, 4)


def test_anchors_stay_float32_under_a_lower_policy():
    exact = array(Anchors(20, 8)(ops.zeros((1, 3, 4, 1))))
    found = Anchors(20, 8, dtype="mixed_bfloat16")(ops.zeros((1, 3, 4, 1), dtype="bfloat16"))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(array(found), exact)
