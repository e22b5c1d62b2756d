"""Channels of like ranges: the same function, other weights, and the old ones afterwards."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_retinanet.models.equalising import LARGEST_FACTOR, equalised
from tests.backends import array

pytestmark = pytest.mark.numerics


def convolved(x, filters, name, size=1):
    """Return the output of a convolution and a batch norm."""
    x = layers.Conv2D(filters, size, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_norm")(x)


def built(middle, outputs=lambda x, last: last):
    """Return a model: a convolution, `middle`, another convolution; all weights set."""
    inputs = keras.Input((8, 8, 3))
    x = middle(convolved(inputs, 4, "first", 3))
    model = keras.Model(inputs, outputs(x, layers.Conv2D(5, 1, name="last")(x)))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.uniform(0.2, 1.0, variable.shape))
    for norm in (one for one in model.layers if isinstance(one, layers.BatchNormalization)):
        norm.gamma.assign(rng.uniform(0.05, 1, 4) * np.array([0.01, 1, 1, 1]))
        norm.beta.assign(rng.uniform(-0.5, 0.5, 4))
    return model


def residual(x):
    """Return a tensor plus another of its own making, with padding and pooling."""
    other = convolved(layers.ReLU()(x), 4, "second")
    padded = layers.ZeroPadding2D(1)(layers.Add()([x, other]))
    return layers.MaxPooling2D(2)(padded)


def pictures():
    return np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)


CHANGED = {
    "linear": lambda x: x,
    "ReLU": layers.ReLU(),
    "relu": layers.Activation("relu"),
    "sums": residual,
    "ReLU6": layers.ReLU(6.0),
}


def sum_below_a_ceiling(x):
    """Return the ReLU6 of a sum, which reaches 6 where its terms do not."""
    other = convolved(layers.ReLU()(x), 4, "second")
    return layers.ReLU(6.0)(layers.Add()([x, other]))


LEFT = {
    "a sum below a ceiling": sum_below_a_ceiling,
    "swish": layers.Activation("swish"),
    "leaves at a threshold": layers.ReLU(threshold=0.1),
    "concatenated": lambda x: layers.Concatenate()([x, x]),
}


@pytest.mark.parametrize("middle", CHANGED.values(), ids=CHANGED)
def test_the_function_is_the_same_with_other_weights(middle):
    model = built(middle)
    before = [array(variable).copy() for variable in model.variables]
    expected = array(model(pictures()))
    with equalised(model, [pictures()]):
        kernel = array(model.get_layer("last").kernel)
        found = array(model(pictures()))
        ratio = before[-2] / kernel
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(np.log(ratio)).max() > 0.3
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[..., :1], ratio.shape), rtol=1e-5)
    assert max(ratio.max(), 1 / ratio.min()) <= LARGEST_FACTOR * 1.0001
    assert all(np.array_equal(a, array(b)) for a, b in zip(before, model.variables, strict=True))


@pytest.mark.parametrize("middle", LEFT.values(), ids=LEFT)
def test_what_does_not_scale_is_left(middle):
    model = built(middle)
    before = [array(variable).copy() for variable in model.variables]
    with equalised(model, [pictures()]):
        now = [array(variable) for variable in model.variables]
        assert all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))


def test_what_a_model_gives_is_left():
    model = built(lambda x: x, outputs=lambda x, last: [x, last])
    before = array(model.get_layer("first_norm").gamma).copy()
    with equalised(model, [pictures()]):
        np.testing.assert_array_equal(array(model.get_layer("first_norm").gamma), before)


def test_numbers_below_a_ceiling_fill_it_and_no_more():
    """Channel 1 reaches 3, channel 2 the ceiling of 6: they are made 6 and left."""
    inputs = keras.Input((1, 2, 2))
    x = layers.Conv2D(2, 1, use_bias=False)(inputs)
    norm = layers.BatchNormalization(epsilon=0, name="norm")
    model = keras.Model(inputs, layers.Conv2D(1, 1, name="last")(layers.ReLU(6.0)(norm(x))))
    model.layers[1].kernel.assign(np.eye(2).reshape(1, 1, 2, 2))
    images = np.array([[[[3, 1], [-1, 9]]]], np.float32)
    with equalised(model, [images]):
        np.testing.assert_allclose(array(norm.gamma), [2, 1])
    with equalised(model, [images * 0.1]):  # a channel is made three times as large, no more
        np.testing.assert_allclose(array(norm.gamma), [3, 3])


def test_weights_come_back_after_an_error():
    model = built(layers.ReLU())
    before = array(model.get_layer("last").kernel).copy()
    with pytest.raises(KeyError), equalised(model, [pictures()]):
        raise KeyError
    np.testing.assert_array_equal(array(model.get_layer("last").kernel), before)


def test_a_network_with_nothing_to_equalise_needs_no_pictures():
    inputs = keras.Input((8, 8, 3))
    with equalised(keras.Model(inputs, layers.Conv2D(2, 1)(inputs)), []):
        pass
