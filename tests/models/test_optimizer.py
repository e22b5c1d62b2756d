"""Schedules, the lower rate of a pretrained backbone, and the optimizer's state in a file."""

import keras
import numpy as np
import pytest

from keras_retinanet.models.optimizer import (
    load_state,
    make_optimizer,
    save_state,
)
from keras_retinanet.models.schedules import make_schedule
from keras_retinanet.models.snapshot import SnapshotError
from tests.backends import array


def two_layers():
    """Return a model of two small layers, equal each time."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = keras.layers.Dense(4, name="slow")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="fast")(x))


X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def weights_after(model, optimizer, steps):
    model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return [array(variable) for variable in model.trainable_variables]


@pytest.mark.parametrize("kind", ["constant", "plateau"])
def test_constant_schedules_are_the_rate_itself(kind):
    assert make_schedule(kind, 0.25, 100) == 0.25


def test_the_cosine_warms_up_to_the_rate_and_ends_at_a_hundredth():
    schedule = make_schedule("cosine", 1.0, 200)
    rates = [float(array(schedule(step))) for step in range(201)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[5] == pytest.approx(0.505)  # half of 10 steps of warm-up
    assert rates[10] == pytest.approx(1.0)
    assert rates[105] == pytest.approx(0.505)  # half of 190 steps of cosine
    assert rates[200] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(1.0)


def test_a_long_run_warms_up_for_500_steps():
    schedule = make_schedule("cosine", 1.0, 100_000)
    assert float(array(schedule(500))) == pytest.approx(1.0)
    assert float(array(schedule(250))) == pytest.approx(0.505)


def test_a_run_of_one_step_has_a_rate():
    assert np.isfinite(float(array(make_schedule("cosine", 1.0, 1)(0))))


def test_named_variables_learn_at_the_lower_rate():
    """One step of SGD moves by rate times gradient, so the factor shows exactly."""
    before = [array(variable) for variable in two_layers().trainable_variables]
    plain = weights_after(two_layers(), make_optimizer("sgd", 0.01, 0), 1)
    model = two_layers()
    paths = [variable.path for variable in model.get_layer("slow").trainable_variables]
    optimizer = make_optimizer("sgd", 0.01, 0, slow_paths=paths, slow_factor=0.1)
    slowed = weights_after(model, optimizer, 1)
    for index, (start, full, less) in enumerate(zip(before, plain, slowed, strict=True)):
        factor = 0.1 if index < 2 else 1.0
        assert np.abs(full - start).max() > 1e-4
        np.testing.assert_allclose(less - start, factor * (full - start), rtol=1e-3, atol=1e-7)


def test_a_factor_of_1_changes_nothing():
    optimizer = make_optimizer("adam", 0.01, 0, slow_paths=["a"], slow_factor=1.0)
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert type(optimizer).update_step is keras.optimizers.Adam.update_step


def test_gradients_are_clipped_by_norm_unless_0():
    assert make_optimizer("adam", 0.01, 0.5).clipnorm == 0.5
    assert make_optimizer("adam", 0.01, 0).clipnorm is None


def test_float16_gets_loss_scaling():
    optimizer = make_optimizer("adamw", 0.01, 0, loss_scaling=True)
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(optimizer.inner_optimizer, keras.optimizers.AdamW)


OPTIMIZERS = {
    "adam": {},
    "sgd": {},
    "adamw with loss scaling": {"loss_scaling": True},
    "adam with a lower rate": {"slow": True},
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_training_goes_on_exactly_where_it_stopped(case, tmp_path):
    def optimizer(model):
        options = dict(OPTIMIZERS[case])
        if options.pop("slow", False):
            options["slow_paths"] = [v.path for v in model.get_layer("slow").trainable_variables]
            options["slow_factor"] = 0.5
        return make_optimizer(case.split()[0], make_schedule("cosine", 0.05, 20), 0.1, **options)

    whole = two_layers()
    expected = weights_after(whole, optimizer(whole), 6)

    first = two_layers()
    first_optimizer = optimizer(first)
    weights_after(first, first_optimizer, 3)
    save_state(first_optimizer, tmp_path / "state.npz")

    second = two_layers()
    second.set_weights(first.get_weights())
    second_optimizer = optimizer(second)
    second_optimizer.build(second.trainable_variables)
    load_state(second_optimizer, tmp_path / "state.npz")
    for found, truth in zip(weights_after(second, second_optimizer, 3), expected, strict=True):
        np.testing.assert_array_equal(found, truth)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.npz"]


def test_a_new_rate_counts_over_the_stored_one(tmp_path):
    model = two_layers()
    old = make_optimizer("adam", 0.1, 0)
    weights_after(model, old, 1)
    save_state(old, tmp_path / "state.npz")
    new = make_optimizer("adam", 0.002, 0)
    new.build(model.trainable_variables)
    load_state(new, tmp_path / "state.npz")
    assert float(array(new.learning_rate)) == pytest.approx(0.002)
    assert int(array(new.iterations)) == 1


def another_optimizer(path):
    model = two_layers()
    sgd = make_optimizer("sgd", 0.1, 0)
    sgd.build(model.trainable_variables)
    save_state(sgd, path)


BAD = {
    "text": (lambda path: path.write_text("hello\nworld"), "not an optimizer state"),
    "empty": (lambda path: path.touch(), "not an optimizer state"),
    "cut short": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(30)), "optimizer state"),
    "of another optimizer": (another_optimizer, "the state of another optimizer or network"),
}


@pytest.mark.parametrize(("write", "message"), BAD.values(), ids=BAD)
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "state.npz"
    write(path)
    optimizer = make_optimizer("adam", 0.1, 0)
    optimizer.build(two_layers().trainable_variables)
    with pytest.raises(SnapshotError) as caught:
        load_state(optimizer, path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
