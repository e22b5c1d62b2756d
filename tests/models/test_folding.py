"""Frozen batch norm folded into convolutions: the same function, the same training."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet.models.folding import FoldedConvolution, with_folded_batch_norm
from keras_retinanet.utils.model import freeze_batch_norm
from tests.backends import array

pytestmark = pytest.mark.numerics

CONVOLUTIONS = {
    "3x3": lambda: keras.layers.Conv2D(6, 3, padding="same", use_bias=False),
    "with bias, stride 2": lambda: keras.layers.Conv2D(6, 3, strides=2, padding="same"),
    "valid, dilated": lambda: keras.layers.Conv2D(6, 3, dilation_rate=2),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
    "depthwise, multiplied": lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
}


def randomise(model, seed=0):
    """Give every variable of `model` values that none starts with; variances stay above 0."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(rng.uniform(0.2, 1.5, variable.shape))


def pair(convolution, **options):
    """Return a model of a convolution and a frozen batch norm."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(epsilon=0.1, **options)(convolution(inputs))
    model = keras.Model(inputs, keras.layers.Activation("relu")(x))
    randomise(model)
    return freeze_batch_norm(model)


def kinds(model):
    return [type(layer) for layer in model.layers]


def pictures(seed=1):
    return np.random.default_rng(seed).normal(size=(2, 9, 11, 3)).astype(np.float32)


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_the_folded_model_computes_the_same(name, training):
    model = pair(CONVOLUTIONS[name]())
    folded = with_folded_batch_norm(model)
    assert FoldedConvolution in kinds(folded)
    assert keras.layers.BatchNormalization not in kinds(folded)
    expected = array(model(pictures(), training=training))
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        array(folded(pictures(), training=training)), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("option", ["center", "scale"])
def test_batch_norm_without_shift_or_scale_folds_too(option):
    model = pair(CONVOLUTIONS["3x3"](), **{option: False})
    folded = with_folded_batch_norm(model)
    np.testing.assert_allclose(
        array(folded(pictures())), array(model(pictures())), rtol=1e-5, atol=1e-5
    )


def steps_of_sgd(model, count=3):
    """Return the variables after some steps towards 0."""
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    for seed in range(count):
        images = pictures(seed)
        model.train_on_batch(images, np.zeros(model(images).shape, np.float32))
    return [array(variable) for variable in model.variables]


@pytest.mark.parametrize("name", ["3x3", "depthwise"])
def test_it_trains_the_same_variables_to_the_same_values(name):
    plain, other = pair(CONVOLUTIONS[name]()), pair(CONVOLUTIONS[name]())
    folded = with_folded_batch_norm(other)
    before = [array(variable) for variable in plain.variables]
    expected = steps_of_sgd(plain)
    steps_of_sgd(folded)
    found = [array(variable) for variable in other.variables]
    assert abs(expected[0] - before[0]).max() > 1e-3  # the kernel moved
    for one, two in zip(expected, found, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)
    assert {v.path for v in folded.trainable_variables} == {
        v.path for v in other.trainable_variables
    }


def test_later_values_of_the_variables_count():
    model = pair(CONVOLUTIONS["3x3"]())
    folded = with_folded_batch_norm(model)
    folded(pictures())
    randomise(model, seed=5)
    np.testing.assert_allclose(
        array(folded(pictures())), array(model(pictures())), rtol=1e-5, atol=1e-5
    )


def test_batch_norm_that_trains_stays():
    model = pair(CONVOLUTIONS["3x3"]())
    model.layers[2].trainable = True
    assert with_folded_batch_norm(model) is model


def test_batch_norm_thawed_later_trains_by_the_batch():
    model = pair(CONVOLUTIONS["3x3"]())
    folded = with_folded_batch_norm(model)
    model.layers[2].trainable = True
    expected = array(model(pictures(), training=True))
    randomise(model)
    np.testing.assert_allclose(
        array(folded(pictures(), training=True)), expected, rtol=1e-5, atol=1e-5
    )


def test_what_else_sees_the_convolution_keeps_it():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(3, 1)(inputs)
    tapped = keras.Model(inputs, [keras.layers.BatchNormalization()(x), x])
    assert with_folded_batch_norm(freeze_batch_norm(tapped)) is tapped
    branched = keras.Model(inputs, keras.layers.Add()([keras.layers.BatchNormalization()(x), x]))
    assert with_folded_batch_norm(freeze_batch_norm(branched)) is branched
    active = keras.layers.Conv2D(3, 1, activation="relu")(inputs)
    active = keras.Model(inputs, keras.layers.BatchNormalization()(active))
    assert with_folded_batch_norm(freeze_batch_norm(active)) is active


def test_batch_norm_without_a_convolution_before_it_stays():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    assert with_folded_batch_norm(freeze_batch_norm(model)) is model


def test_under_a_lower_policy_the_scale_is_multiplied_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = pair(CONVOLUTIONS["3x3"]())
    finally:
        keras.config.set_dtype_policy("float32")
    folded = with_folded_batch_norm(model)
    layer = next(layer for layer in folded.layers if isinstance(layer, FoldedConvolution))
    kernel, bias = layer.kernel_and_bias()
    assert keras.backend.standardize_dtype(kernel.dtype) == "float32"
    assert keras.backend.standardize_dtype(bias.dtype) == "float32"
    found = folded(pictures())
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    expected = array(ops.cast(model(pictures()), "float32"))
    np.testing.assert_allclose(
        array(ops.cast(found, "float32")), expected, rtol=0.05, atol=0.05 * expected.std()
    )
