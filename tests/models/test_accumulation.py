"""Several steps to an update are as one step on all their pictures, with every part of ours."""

import keras
import numpy as np
import pytest

from keras_retinanet.models.optimizer import make_optimizer
from tests.backends import array

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)
CASES = {
    "sgd": {"name": "sgd", "clipnorm": 0},
    "clipped": {"name": "sgd", "clipnorm": 0.05},
    "adam with a lower rate": {"name": "adam", "clipnorm": 1.0, "slow": True},
    "loss scaling": {"name": "adam", "clipnorm": 1.0, "loss_scaling": True},
    "decay": {"name": "sgd", "clipnorm": 0, "decay": 0.1},
}


def model_of(options, accumulate):
    """Return a compiled model of two layers, equal each time."""
    keras.utils.set_random_seed(0)
    options = dict(options)
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(1)(keras.layers.Dense(4, name="slow")(inputs))
    model = keras.Model(inputs, outputs)
    if options.pop("slow", False):
        slow = model.get_layer("slow").trainable_variables
        options |= {"slow_paths": [variable.path for variable in slow], "slow_factor": 0.1}
    settings = {
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
        "weight_decay": options.pop("decay", None),
    }
    optimizer = make_optimizer(rate=0.05, settings=settings, **options)
    model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
    return model


@pytest.mark.parametrize("case", CASES)
def test_four_steps_of_two_rows_are_as_one_of_eight(case):
    whole, parts = model_of(CASES[case], 1), model_of(CASES[case], 4)
    start = [array(variable) for variable in parts.trainable_variables]
    for _ in range(3):
        whole.train_on_batch(X, Y)
        for place in range(0, 8, 2):
            parts.train_on_batch(X[place : place + 2], Y[place : place + 2])
    pairs = zip(start, whole.trainable_variables, parts.trainable_variables, strict=True)
    for before, one, other in pairs:
        assert np.abs(array(one) - before).max() > 1e-4
        np.testing.assert_allclose(array(one), array(other), atol=2e-6)


def test_weights_wait_for_the_last_step_of_an_update():
    model = model_of(CASES["sgd"], 2)
    before = [array(variable) for variable in model.trainable_variables]
    model.train_on_batch(X, Y)
    for value, variable in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(value, array(variable))


def test_decay_takes_its_share_of_kernels_and_leaves_biases():
    """At a loss without gradient: w - w * decay * rate."""
    optimizer = make_optimizer("sgd", 0.5, 0, settings={"weight_decay": 0.1, "momentum": 0.0})
    layer = keras.layers.Dense(2, bias_initializer="ones")
    layer.build((None, 3))
    kernel = array(layer.kernel)
    zeros = [np.zeros(variable.shape, np.float32) for variable in layer.trainable_variables]
    optimizer.build(layer.trainable_variables)
    optimizer.apply([keras.ops.convert_to_tensor(zero) for zero in zeros])
    np.testing.assert_allclose(array(layer.kernel), kernel * 0.95, rtol=1e-6)
    np.testing.assert_array_equal(array(layer.bias), 1.0)
