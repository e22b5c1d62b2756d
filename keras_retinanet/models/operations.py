"""Floating point operations of a Keras network, counted from the shapes that its layers see.

Convolutions and dense layers only, an addition and a multiplication counting as two; all else is
below one percent of a RetinaNet.
"""

import math
from contextlib import contextmanager

import keras
from keras import layers

GIGA = 1e9
TRAINING_FACTOR = 3  # forward, gradient of the input, gradient of the kernel


def _operations(layer, inputs, output):
    """Return the operations of one call: 2 x elements out x multiplications for each of them."""
    elements = math.prod(int(side) for side in output.shape)
    kernel = math.prod(layer.kernel.shape[:-1])  # window x input channels of a group
    if type(layer).__name__.startswith("Depthwise"):
        kernel = math.prod(layer.kernel.shape[:-2])  # one input channel each
    return 2 * elements * kernel


@contextmanager
def _recorded(classes):
    """Give a list that grows by (layer, operations) with each call of a layer of `classes`."""
    calls, originals = [], {kind: kind.call for kind in classes}

    def counting(original):
        def call(self, inputs, *args, **kwargs):
            output = original(self, inputs, *args, **kwargs)
            calls.append((self, _operations(self, inputs, output)))
            return output

        return call

    try:
        for kind, original in originals.items():
            kind.call = counting(original)
        yield calls
    finally:
        for kind, original in originals.items():
            kind.call = original


def layer_operations(model, height, width):
    """Return [(layer, operations)] of one image, in the order of the calls.

    Shapes are propagated without computing anything, on any backend.
    """

    class Probe(layers.Layer):
        def call(self, images):
            return model(images)

    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    owners = {next(base for base in kind.__mro__ if "call" in vars(base)) for kind in kinds}
    with _recorded(owners) as calls:
        Probe().compute_output_spec(keras.KerasTensor((1, height, width, 3), dtype="float32"))
    return calls


def forward_gflop(model, height, width):
    """Return the GFLOP of one image through `model`."""
    return sum(number for _, number in layer_operations(model, height, width)) / GIGA


def training_gflop(model, height, width, batch_size):
    """Return the GFLOP of a training step: the first layer needs no gradient of its input."""
    numbers = [number for _, number in layer_operations(model, height, width)]
    return batch_size * (TRAINING_FACTOR * sum(numbers) - numbers[0]) / GIGA
