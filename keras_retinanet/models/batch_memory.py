"""How many pictures a step fit into memory, and the state of a training to go back to.

On an accelerator real steps are tried. On a CPU, where a process that takes too much is killed by
the system, what they would take is worked out from the sizes of the layers' outputs.
"""

import gc
import math
from dataclasses import dataclass

import keras
import numpy as np

from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils import memory

GIB = 1024**3
SHARE = 0.8  # of what is available; the rest is for the loader and for other programs
# Bytes a weight: itself, gradient, two moments of Adam.
PER_WEIGHT = 16
# Bytes held for a byte of the layers' outputs. Measured with MobileNetV2 at 384 x 512, between
# batches of 2 and of 10: 0.47 on TensorFlow, 1.06 on torch; recomputed 0.28 and 0.82.
COPIES = 1.2
COPIES_RECOMPUTED = 0.9
# TensorFlow, the pictures that the loader has ready
PROGRAM = GIB


@dataclass(frozen=True)
class State:
    """The weights of a training and the state of its optimizer at the start of an epoch.

    Attributes:
        epoch: epochs that are done.
        weights, moments: host arrays.
    """

    epoch: int
    weights: list
    moments: list

    @classmethod
    def of(cls, model, epoch):
        """Return the state of a compiled `model`; later steps do not change it."""
        _ = model.trainable_variables  # JAX: bring the weights back from the epoch's state
        return cls(epoch, _copies(model.network.variables), _copies(_moments(model.optimizer)))

    def restore(self, model, longer, accumulate):
        """Give `model` this state; it has made `longer` times as many steps.

        Args:
            model: compiled, of the same network and kind of optimizer.
            longer: steps of an epoch now, by those before.
            accumulate: steps to an update now.
        """
        for variable, value in zip(model.network.variables, self.weights, strict=True):
            variable.assign(value)
        for variable, value in zip(_moments(model.optimizer), self.moments, strict=True):
            if variable.path.endswith("iteration"):
                value = round(value * longer / accumulate) * accumulate  # an update's first step
            variable.assign(value)


def _copies(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _moments(optimizer):
    """Return the optimizer's variables less the gradients that wait for an update."""
    return [v for v in optimizer.variables if "gradient_accumulator" not in v.path]


def largest(fits, most):
    """Return the largest number up to `most` for which `fits(number)`, 1 if there is none.

    Args:
        fits: f(number) -> whether it does; what fits, fits with less.
        most: at least 1.
    """
    low, high = 1, 2
    while high <= most and fits(high):
        low, high = high, 2 * high
    high = min(high, most + 1)  # the least number that is known not to fit, or not allowed
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def output_bytes(network, size):
    """Return the bytes of all layers' outputs of one picture.

    Args:
        network: functional.
        size: (height, width).
    """
    sizes = []

    def record(layer):
        def call(*args, **kwargs):
            output = layer.compute_output_spec(*args, **kwargs)
            for tensor in keras.tree.flatten(output):
                width = 2 if "16" in str(tensor.dtype) else 4
                sizes.append(width * math.prod(side or 1 for side in tensor.shape))
            return output

        return call

    models = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    inside = {id(model) for model in models}

    def run(model, inputs):
        return model._run_through_graph(
            inputs,
            operation_fn=lambda layer: (
                (lambda *given, **_: run(layer, given[0])) if id(layer) in inside else record(layer)
            ),
        )

    channels = network.input.shape[-1]
    run(network, keras.KerasTensor((1, *size, channels), dtype="float32"))
    return sum(sizes)


def estimate(network, size, batch, remat=False):
    """Return about how many bytes a training takes on a CPU with `batch` pictures a step."""
    copies = COPIES_RECOMPUTED if remat else COPIES
    kept = copies * output_bytes(network, size)
    return PROGRAM + PER_WEIGHT * network.count_params() + batch * kept


def largest_batch(network, size, most, remat=False, try_steps=None):
    """Return (pictures a step that fit into memory, why so many as text).

    Args:
        network: with its profile.
        size: (height, width) of the largest canvas.
        most: the largest batch to think of.
        remat: whether parts are computed again.
        try_steps: f(batch) of two real steps, which raises where memory runs out.
    """
    if memory.peak_of_device() is not None:
        return largest(lambda batch: _runs(try_steps, batch), most), "tried on the device"
    free = memory.available()
    if free is None:
        return 1, "this system does not say how much memory is free"
    fixed, one = (estimate(network, size, batch, remat) for batch in (0, 1))
    batch = largest(lambda n: fixed + n * (one - fixed) <= SHARE * free, most)
    return batch, f"{(one - fixed) / GIB:.2f} GiB a picture, {free / GIB:.1f} GiB free"


def _runs(try_steps, batch):
    """Return whether `try_steps(batch)` has memory enough."""
    try:
        try_steps(batch)
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        return False
    finally:
        gc.collect()
    return True


def drawn_pictures(network, size, batch):
    """Return the inputs and targets of a step, on the largest canvas, an object in each picture."""
    preprocessing = profile_of(network).preprocessing
    height, width = size
    images = np.zeros((batch, height, width, preprocessing.channels), f"uint{preprocessing.bits}")
    sizes = np.tile(np.float32([size]), (batch, 1))
    boxes = np.tile(np.float32([[[0, 0, width / 2, height / 2]]]), (batch, 1, 1))
    labels = np.zeros((batch, 1), np.int32)
    return {"images": images, "sizes": sizes}, {"boxes": boxes, "labels": labels}


def try_on(model, batch):
    """Make two steps of a compiled `TrainingModel`, the second with its optimizer's moments there.

    The weights are afterwards as before, also where memory runs out.
    """
    weights = model.network.weights
    before = _copies(weights)
    try:
        for _ in range(2):
            model.train_on_batch(*batch)
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
