"""Grouped convolution equals one convolution a group, forward and backward."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import GroupedConv2D
from keras_retinanet.layers.grouped import BLOCK, block_kernels, grouped_conv
from tests.backends import array, gradient

pytestmark = pytest.mark.numerics

# id: channels in, filters, groups
CASES = {
    "ResNeXt 32x4d": (128, 128, 32),
    "32x8d": (256, 256, 32),
    "64x4d": (256, 256, 64),
    "groups wider than a block": (2 * BLOCK + 8, 8, 2),
    "one filter a group": (8, 4, 4),
    "an odd number of groups": (15, 10, 5),
    "one group": (8, 6, 1),
}


def one_by_one(x, kernel, groups, **options):
    """Return the concatenated convolutions of each group alone."""
    inputs, kernels = ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1)
    found = [ops.conv(*pair, **options) for pair in zip(inputs, kernels, strict=True)]
    return ops.concatenate(found, axis=-1)


@pytest.fixture(params=CASES.values(), ids=CASES)
def problem(request):
    channels, filters, groups = request.param
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 6, channels)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels // groups, filters)).astype(np.float32)
    return x, kernel, groups


@pytest.mark.parametrize("strides", [1, 2])
def test_blocks_give_what_single_groups_give(problem, strides):
    x, kernel, groups = problem
    options = {"strides": strides, "padding": "valid"}
    found, expected = (
        array(convolve(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel), groups, **options))
        for convolve in (grouped_conv, one_by_one)
    )
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("of", ["inputs", "kernel"])
def test_gradients_are_those_of_single_groups(problem, of):
    x, kernel, groups = problem

    def loss(convolve):
        def function(value):
            other = ops.convert_to_tensor(kernel if of == "inputs" else x)
            pair = (value, other) if of == "inputs" else (other, value)
            return ops.sum(ops.sin(convolve(*pair, groups, padding="same")))

        return function

    at = x if of == "inputs" else kernel
    found, expected = (gradient(loss(convolve), at) for convolve in (grouped_conv, one_by_one))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_blocks_are_few_and_hold_zeros_between_groups():
    kernel = ops.ones((3, 3, 4, 128))
    blocks = block_kernels(kernel, 32)
    assert [tuple(block.shape) for block in blocks] == [(3, 3, BLOCK, BLOCK)] * 4
    expected = np.kron(np.eye(BLOCK // 4), np.ones((4, 4)))
    np.testing.assert_array_equal(array(blocks[1])[2, 0], expected)


def test_the_layer_has_the_weights_of_a_grouped_conv2d():
    layer = GroupedConv2D(16, 3, groups=4, use_bias=True)
    layer.build((None, None, None, 8))
    assert [tuple(weight.shape) for weight in layer.weights] == [(3, 3, 2, 16), (16,)]
    plain = keras.layers.Conv2D(16, 3, groups=4)
    plain.build((None, None, None, 8))
    plain.set_weights(layer.get_weights())
    x = np.random.default_rng(0).normal(size=(1, 6, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(array(layer(x)), array(plain(x)), atol=1e-5)
