"""A training that goes on from a checkpoint is the one that was never interrupted."""

from contextlib import suppress

import keras
import numpy as np
import pytest

from keras_retinanet.callbacks.checkpoints import Checkpoints, Place, Resumed, RunEnded
from keras_retinanet.models import load_model
from keras_retinanet.models.checkpoint import (
    checkpoints,
    damage,
    load_model_state,
    load_optimizer_state,
)
from keras_retinanet.models.optimizer import make_optimizer
from keras_retinanet.models.schedules import make_schedule
from keras_retinanet.models.snapshot import read_facts
from keras_retinanet.models.training import TrainingModel
from keras_retinanet.preprocessing.feed import fit_input
from tests.backends import array
from tests.models.tiny import drawn_batch, tiny_network

pytestmark = pytest.mark.numerics
STEPS, EPOCHS = 3, 2


class Batches:
    """The drawn batch, mirrored or not, darker with each step."""

    def __init__(self, first):
        self.first = first

    def __iter__(self):
        inputs, targets = drawn_batch()
        step = self.first
        while True:
            images = (inputs["images"] * (1 - 0.1 * step)).astype(np.uint8)
            yield inputs | {"images": images}, targets
            step += 1


class EndsAfter:
    """Ends a training after so many questions; None never."""

    at_once = False

    def __init__(self, count):
        self.count = count

    def __call__(self):
        if self.count is None:
            return None
        self.count -= 1
        return RunEnded("over") if self.count <= 0 else None


def train(folder, ends=None, path=None):
    """Train from the start, or from a checkpoint; return the logs of the epochs seen."""
    network = (
        tiny_network(first=keras.layers.Dropout(0.3, seed=5)) if path is None else load_model(path)
    )
    facts = {"epoch": 0, "step": 0} if path is None else read_facts(path)
    model = TrainingModel(network)
    optimizer = make_optimizer("adam", make_schedule("cosine", 0.01, 6), 1.0, average=0.9)
    optimizer.build(model.trainable_variables)
    if path is not None:
        load_optimizer_state(path, model, optimizer)
    model.compile(optimizer=optimizer, jit_compile="auto")
    if path is not None:
        load_model_state(path, model)
    seen = []
    log = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    place = Place(facts["epoch"], facts["step"], STEPS)
    first = Checkpoints(network, folder, place, {}, lambda steps, time: steps >= 2, EndsAfter(ends))
    first.others = [log]
    last = [] if path is None else [Resumed(path, facts, [log])]
    with suppress(RunEnded):
        model.fit(
            fit_input(Batches(place.done)),
            steps_per_epoch=STEPS,
            initial_epoch=place.epoch,
            epochs=EPOCHS,
            callbacks=[first, log, *last],
            shuffle=False,
            verbose=0,
        )
    return seen


def state(path):
    """Return the weights and all other arrays of a checkpoint."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".npy"))
        others = [archive.read(name) for name in names]
    weights = [array(variable).tobytes() for variable in load_model(path).variables]
    return [*weights, *others]


def test_going_on_from_checkpoints_changes_nothing(tmp_path):
    """Steps, moments, averages, schedule, dropout's random state, and the means of the epochs.

    The run is cut inside the first epoch, at its end and inside the second, one after another.
    """
    whole = train(tmp_path / "whole")
    seen = train(tmp_path / "cut", 1)
    for steps, ends in ((1, 2), (3, 1), (4, None)):
        path = checkpoints(tmp_path / "cut")[0]
        assert read_facts(path)["epoch"] * STEPS + read_facts(path)["step"] == steps
        seen += train(tmp_path / "cut", ends, path)
    ended = [checkpoints(tmp_path / name)[0] for name in ("whole", "cut")]
    assert [path.name for path in ended] == ["step-000000006.keras"] * 2
    assert state(ended[0]) == state(ended[1])
    assert len(whole) == EPOCHS and seen == whole


def test_a_damaged_checkpoint_is_seen(tmp_path):
    train(tmp_path, 1)
    path = checkpoints(tmp_path)[0]
    assert damage(path) is None
    whole = path.read_bytes()
    for place in (0.3, 0.6, 0.9):
        changed = bytearray(whole)
        changed[int(place * len(whole))] ^= 255
        path.write_bytes(changed)
        assert damage(path)
    path.write_bytes(whole[: len(whole) // 2])
    assert damage(path)
    path.write_bytes(b"")
    assert damage(path)
