"""How many pictures a step fit into memory, and going back to the start of an epoch."""

import keras
import numpy as np
import pytest

from keras_retinanet.models import batch_memory
from keras_retinanet.models.batch_memory import State, largest, largest_batch, output_bytes
from keras_retinanet.models.optimizer import make_optimizer
from keras_retinanet.models.training import TrainingModel
from keras_retinanet.utils import memory
from tests.backends import array, out_of_memory
from tests.models.tiny import drawn_batch, tiny_network


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8, 64])
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 8, 11, 63, 64, 100])
def test_the_largest_that_fits_is_found_in_few_tries(limit, most):
    tried = []

    def fits(number):
        tried.append(number)
        return number <= limit

    assert largest(fits, most) == max(1, min(limit, most))
    assert len(tried) <= 12 and all(number <= most for number in tried)


def test_the_outputs_of_all_layers_count():
    """By hand: 4 bytes of [8, 8, 5], of the head's [8, 8, 3] and [8, 8, 2], of two inputs."""
    inner = keras.Input((None, None, 5))
    x = keras.layers.Conv2D(3, 3, padding="same")(inner)
    head = keras.Model(inner, keras.layers.Conv2D(2, 1)(x), name="head")
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, head(keras.layers.Conv2D(5, 3, padding="same")(inputs)))
    assert output_bytes(model, (8, 8)) == 4 * 64 * (5 + 3 + 2)


def test_a_cpu_takes_what_its_free_memory_allows(monkeypatch):
    network = tiny_network()
    fixed, one = (batch_memory.estimate(network, (64, 64), n) for n in (0, 1))
    assert one - fixed == pytest.approx(batch_memory.COPIES * output_bytes(network, (64, 64)))
    monkeypatch.setattr(memory, "peak_of_device", lambda: None)
    for pictures in (0, 1, 5, 12):
        free = (fixed + (pictures + 0.5) * (one - fixed)) / batch_memory.SHARE
        monkeypatch.setattr(memory, "available", lambda free=free: free)
        batch, why = largest_batch(network, (64, 64), 64)
        assert batch == max(1, pictures) and "GiB free" in why
    monkeypatch.setattr(memory, "available", lambda: None)
    assert largest_batch(network, (64, 64), 64)[0] == 1


def test_a_device_is_tried_with_real_steps(monkeypatch):
    monkeypatch.setattr(memory, "peak_of_device", lambda: 1)

    def steps(batch):
        if batch > 6:
            raise out_of_memory()

    assert largest_batch(tiny_network(), (64, 64), 64, try_steps=steps)[0] == 6
    with pytest.raises(ZeroDivisionError):
        largest_batch(tiny_network(), (64, 64), 64, try_steps=lambda batch: 1 / 0)


def compiled(network, accumulate=1):
    settings = {"gradient_accumulation_steps": accumulate if accumulate > 1 else None}
    model = TrainingModel(network)
    optimizer = make_optimizer("adam", 0.01, 1.0, settings=settings)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer)
    return model


def test_trying_leaves_the_weights_as_they_were():
    network = tiny_network()
    before = [array(weight) for weight in network.weights]
    pictures = batch_memory.drawn_pictures(network, (64, 96), 2)
    assert pictures[0]["images"].shape == (2, 64, 96, 3)
    batch_memory.try_on(compiled(network), pictures)
    for value, weight in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(value, array(weight))


def test_a_state_goes_back_over_other_steps_to_an_update():
    network = tiny_network()
    model = compiled(network)
    for _ in range(3):
        model.train_on_batch(*drawn_batch())
    state = State.of(model, 1)
    weights = [array(weight) for weight in network.weights]
    model.train_on_batch(*drawn_batch())
    again = compiled(network, accumulate=2)
    state.restore(again, 2.0, 2)
    for value, weight in zip(weights, network.weights, strict=True):
        np.testing.assert_array_equal(value, array(weight))
    assert int(array(again.optimizer.iterations)) == 3  # updates, of six steps
    moments = [v for v in again.optimizer.variables if "momentum" in v.path]
    assert moments and all(np.abs(array(moment)).max() > 0 for moment in moments[:2])
    again.train_on_batch(*drawn_batch())
    for value, weight in zip(weights, network.weights, strict=True):
        np.testing.assert_array_equal(value, array(weight))  # half an update
