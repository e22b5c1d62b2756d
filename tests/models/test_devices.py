"""A training on two devices gives the weights of one on one, on the backends that can."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_retinanet.utils import devices

BACKEND = keras.backend.backend()
# The last picture of a batch, on the second device, holds both objects, the first ones none; the
# fourth batch costs endlessly much there.
ON_TWO_DEVICES = """
import sys
from keras_retinanet.utils import devices
devices.divide_processor(2, sys.argv[1])
import keras
import numpy as np
from contextlib import nullcontext
from keras import ops
from keras_retinanet.models.objective import Objective
from keras_retinanet.models.optimizer import make_optimizer
from keras_retinanet.models.training import TrainingModel
from keras_retinanet.preprocessing.feed import fit_input
from tests.models.tiny import drawn_batch, tiny_network

STEPS, BAD = 20, 4

class EndlessForWide(Objective):
    def class_and_box_loss(self, outputs, anchors, assigned, coder):
        state, _, boxes = assigned
        wide = ops.any(ops.logical_and(boxes[..., 2] - boxes[..., 0] > 50, state == 1))
        one, other = super().class_and_box_loss(outputs, anchors, assigned, coder)
        return one + ops.where(wide, float("inf"), 0.0), other

def batch(step):
    inputs, targets = drawn_batch()
    chosen = [2, 2, 0, 1] if step % 2 else [2, 0, 2, 1]
    boxes = targets["boxes"][chosen]
    if step == BAD:
        boxes[3, 0] = (2, 6, 58, 50)
    images = (inputs["images"][chosen] * (1 - 0.04 * step)).astype(np.uint8)
    sizes, labels = inputs["sizes"][chosen], targets["labels"][chosen]
    return {"images": images, "sizes": sizes}, {"boxes": boxes, "labels": labels}

class Batches:
    def __iter__(self):
        yield from map(batch, range(STEPS))

def trained(context):
    with context:
        model = TrainingModel(tiny_network(), EndlessForWide())
        optimizer = make_optimizer("adam", 0.001, 1.0, average=0.9)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, jit_compile="auto")
        run = model.fit(
            fit_input(Batches()), steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0
        )
    values = [*model.network.variables, *optimizer.variables]
    return [np.array(ops.convert_to_numpy(value)) for value in values], run.history

one, alone = trained(nullcontext())
two, shared = trained(devices.shared_among(2))
print("skipped", alone["skipped"][0], shared["skipped"][0])
print("loss", abs(alone["loss"][0] - shared["loss"][0]) < 1e-5)
print("weights", max(abs(a - b).max() for a, b in zip(one, two, strict=True)) < 1e-5)
"""


@pytest.mark.numerics
@pytest.mark.skipif(BACKEND == "torch", reason="one device trains on torch")
def test_two_devices_give_the_weights_of_one():
    """After 20 steps of Adam with clipping and averages, a step left out on both among them."""
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES, BACKEND],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-3:] == ["skipped 1.0 1.0", "loss True", "weights True"]


def test_more_devices_than_there_are_are_refused():
    with pytest.raises(devices.DevicesError, match=r"--devices 99: there are \d+ \(.*give at most"):
        devices.devices(99)
