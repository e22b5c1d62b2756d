"""A step whose loss or gradient is not finite changes nothing, on any backend."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet.models.guard import FiniteMean
from keras_retinanet.models.objective import Objective
from keras_retinanet.models.optimizer import make_optimizer, swap_averages
from keras_retinanet.models.training import TrainingModel
from tests.backends import array
from tests.models.tiny import drawn_batch, tiny_network

pytestmark = pytest.mark.numerics
COMPILED = "auto" if keras.backend.backend() == "jax" else False


def training_model(optimizer):
    network = tiny_network(first=keras.layers.BatchNormalization(name="norm"))
    model = TrainingModel(network, EndlessForDiscs())
    model.compile(optimizer=optimizer, jit_compile=COMPILED)
    optimizer.build(model.trainable_variables)
    return model


def state(model):
    variables = [*model.network.variables, *model.optimizer.variables]
    return [array(variable).copy() for variable in variables]


def float_batch():
    """Return a batch of squares alone, its pictures float32, so that a pixel can be nan."""
    inputs, targets = drawn_batch()
    labels = np.minimum(targets["labels"], 0)
    return inputs | {"images": inputs["images"].astype(np.float32)}, targets | {"labels": labels}


def bad(kind):
    """Return a batch with a pixel that is nan, or with a disc, whose loss is endless here."""
    inputs, targets = float_batch()
    if kind == "pixel":
        inputs["images"][1, 10, 10, 1] = np.nan
        return inputs, targets
    return inputs, targets | {"labels": drawn_batch()[1]["labels"]}


class EndlessForDiscs(Objective):
    """The usual losses, that of the classes inf where an anchor has a disc."""

    def class_and_box_loss(self, outputs, anchors, assigned, coder):
        """Return both losses."""
        state, labels, _ = assigned
        classification, regression = super().class_and_box_loss(outputs, anchors, assigned, coder)
        disc = ops.any(ops.logical_and(labels == 1, state == 1))
        return classification + ops.where(disc, float("inf"), 0.0), regression


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ["pixel", "disc"])
def test_a_batch_that_gives_nan_changes_nothing(name, kind):
    model = training_model(make_optimizer(name, 0.01, 1.0, average=0.9))
    good = float_batch()
    model.train_on_batch(*good)
    before = state(model)
    logs = model.train_on_batch(*bad(kind), return_dict=True)
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(logs["skipped"]) == 1
    assert np.isnan(float(logs["loss"]))  # the mean of no batch
    model.train_on_batch(*good)
    after = state(model)
    assert all(np.isfinite(value).all() for value in after)
    changed = [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert np.mean(changed) > 0.9


def test_an_undisturbed_training_is_the_same_with_a_bad_batch_in_between():
    runs = []
    for batches in ((float_batch(),) * 3, (float_batch(), bad("pixel"), *(float_batch(),) * 2)):
        model = training_model(make_optimizer("adam", 0.01, 1.0))
        for batch in batches:
            model.train_on_batch(*batch)
        runs.append(state(model))
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batch_norm_learns_from_good_batches():
    model = training_model(make_optimizer("sgd", 0.01, 1.0))
    norm = model.network.get_layer("norm")
    before = array(norm.moving_mean).copy()
    model.train_on_batch(*float_batch())
    assert np.abs(array(norm.moving_mean) - before).min() > 0


def test_float16_leaves_a_bad_batch_out_too():
    model = training_model(make_optimizer("adam", 0.01, 1.0, loss_scaling=True))
    before = [array(variable).copy() for variable in model.network.variables]
    model.train_on_batch(*bad("pixel"))
    for old, new in zip(before, model.network.variables, strict=True):
        np.testing.assert_array_equal(old, array(new))


@pytest.mark.parametrize(
    ("values", "mean"),
    [([], np.nan), ([np.nan], np.nan), ([2.0], 2.0), ([1.0, np.inf, 2.0, np.nan], 1.5)],
    ids=["none", "nan alone", "one", "between"],
)
def test_the_mean_is_of_the_finite_values(values, mean):
    metric = FiniteMean()
    for value in values:
        metric.update_state(keras.ops.convert_to_tensor(np.float32(value)))
    assert float(array(metric.result())) == pytest.approx(mean, nan_ok=True)


def test_averages_follow_the_decay_and_swap_to_the_last_bit():
    """average_1 = w_1, then average_n = 0.75 average_(n-1) + 0.25 w_n."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = make_optimizer("sgd", 0.1, 0, average=0.75)
    model.compile(optimizer=optimizer, loss="mse", jit_compile=COMPILED)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    seen = []
    for _ in range(3):
        model.train_on_batch(x, x[:, :2])
        seen.append(array(model.trainable_variables[0]).copy())
    expected = 0.75 * (0.75 * seen[0] + 0.25 * seen[1]) + 0.25 * seen[2]
    swap_averages(optimizer)
    np.testing.assert_allclose(array(model.trainable_variables[0]), expected, rtol=1e-5)
    swap_averages(optimizer)
    np.testing.assert_array_equal(array(model.trainable_variables[0]), seen[2])
