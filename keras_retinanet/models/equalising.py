"""Channels of a network brought to like ranges, its outputs as they were: what int8 asks for.

One step serves all channels of a tensor, so that a channel with small numbers keeps few levels
where another has large ones, and so do the weights that take it in. Between a batch norm and the
convolutions that take from it, each channel can be divided by c and their kernels multiplied, since
c goes through sums, padding, pooling and ReLU unchanged (Nagel et al. 2019, "Data-free quantization
through weight equalization and bias correction", section 4.1). It goes through a ReLU with a
ceiling, too, where numbers stay below: those channels are made as large as it allows.
"""

import contextlib
from collections import Counter
from dataclasses import dataclass

import keras
import numpy as np

TINY = 1e-12  # in place of nothing
LARGEST_FACTOR = 3.0  # OpenVINO computed something else with 10, where ONNX Runtime did not
LINEAR = (
    *(keras.layers.Add, keras.layers.ZeroPadding2D, keras.layers.Dropout),
    *(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.UpSampling2D),
)


class _Sets:
    """Disjoint sets of places."""

    def __init__(self):
        self._parent = {}

    def of(self, place):
        """Return what stands for the set of a place."""
        while self._parent.setdefault(place, place) != place:
            place = self._parent[place]
        return place

    def join(self, tensors):
        """Make one set of those of `tensors`."""
        first, *others = (id(tensor) for tensor in tensors)
        for other in others:
            self._parent[self.of(other)] = self.of(first)


def _is_scaling(layer):
    """Return whether c times its input gives c times its output, below a ceiling, for c > 0."""
    if isinstance(layer, keras.layers.ReLU):
        return not layer.threshold
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.relu, keras.activations.linear)
    return isinstance(layer, LINEAR)


def _takes(layer):
    """Return whether it is a convolution whose kernel can take a factor of its input's channels."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _gives(layer):
    """Return whether it is a batch norm whose output can take a factor."""
    is_norm = isinstance(layer, keras.layers.BatchNormalization)
    return is_norm and layer.scale and layer.center and layer.axis in (-1, 3)


@dataclass(frozen=True)
class _Group:
    """Tensors whose channels have the same factors.

    Attributes:
        norms: batch norms that give them.
        convolutions: that take them.
        ceiling: of the numbers after a ReLU among them, or None.
    """

    norms: tuple
    convolutions: tuple
    ceiling: float | None


def _groups(model):
    """Yield the `_Group`s of a functional model whose channels can have factors."""
    sets, fixed, sums, givers, takers, ceilings = _Sets(), set(), set(), {}, {}, {}
    nodes = [node for of_depth in model._nodes_by_depth.values() for node in of_depth]
    calls = Counter(id(node.operation) for node in nodes)
    for node in nodes:
        layer, inputs, outputs = node.operation, node.input_tensors, node.outputs
        is_once = calls[id(layer)] == 1
        if is_once and _gives(layer):
            givers[id(outputs[0])] = layer
            fixed.update(map(id, inputs))
        elif is_once and _takes(layer):
            takers.setdefault(id(inputs[0]), []).append(layer)
            fixed.update(map(id, outputs))
        elif _is_scaling(layer):
            sets.join([*inputs, *outputs])
            if isinstance(layer, keras.layers.Add):
                sums.add(id(outputs[0]))
            if getattr(layer, "max_value", None) is not None:
                ceilings[id(outputs[0])] = float(layer.max_value)
        else:
            fixed.update(map(id, [*inputs, *outputs]))
    fixed.update(map(id, [*model.inputs, *model.outputs]))
    members = {}
    for node in nodes:
        for tensor in node.outputs:
            members.setdefault(sets.of(id(tensor)), []).append(id(tensor))
    for places in members.values():
        norms = tuple(givers[place] for place in places if place in givers)
        convolutions = tuple(layer for place in places for layer in takers.get(place, ()))
        ceiling = min((ceilings[place] for place in places if place in ceilings), default=None)
        if ceiling is not None and sums & set(places):
            continue  # a sum may reach the ceiling where none of its terms does
        if norms and convolutions and not fixed & set(places):
            yield _Group(norms, convolutions, ceiling)


def _largest(network, groups, batches):
    """Return {name of a batch norm: [C] largest size of its numbers} over batches of images."""
    norms = [norm for group in groups for norm in group.norms]
    (pictures,) = network.inputs
    numbers = keras.Model(pictures, [norm.output for norm in norms])
    largest = {norm.name: 0.0 for norm in norms}
    for images in batches:
        values = keras.tree.flatten(numbers(images, training=False))  # one alone is no list
        for norm, value in zip(norms, values, strict=True):
            size = np.abs(keras.ops.convert_to_numpy(value)).max(axis=(0, 1, 2))
            largest[norm.name] = np.maximum(largest[norm.name], size)
    return largest


def _spread(kernel):
    """Return [channels in]: how large the weights of a kernel [H, W, in, out] are in each."""
    square = np.square(kernel.astype(np.float64))
    of_outputs = square.mean(axis=(0, 1, 2)) + TINY
    return np.sqrt((square / of_outputs).mean(axis=(0, 1, 3)))


def _factors(group, largest):
    """Return [C]: by what each channel is divided.

    Numbers and weights then spread alike; below a ceiling, numbers alone do.
    """
    span = np.max([largest[norm.name] for norm in group.norms], axis=0) + TINY
    if group.ceiling is not None:
        factors = np.minimum(span / group.ceiling, 1)
    else:
        kernels = [np.asarray(convolution.kernel) for convolution in group.convolutions]
        factors = np.sqrt(span / (np.max([_spread(kernel) for kernel in kernels], axis=0) + TINY))
        factors /= np.exp(np.log(factors).mean())
    return np.clip(factors, 1 / LARGEST_FACTOR, LARGEST_FACTOR).astype(np.float32)


@contextlib.contextmanager
def equalised(network, batches):
    """Give the channels of `network` like ranges for as long as the context lasts.

    What it computes is the same but for rounding, and but for numbers below a ceiling that are
    larger than any in `batches`, which the ceiling then cuts. Weights are as before afterwards.

    Args:
        network: functional, of one input, channels last; what is in submodels stays as it is.
        batches: preprocessed images [B, H, W, C].
    """
    kept = []

    def change(variable, factors):
        value = np.asarray(variable)
        kept.append((variable, value))
        variable.assign(value * factors)

    groups = list(_groups(network))
    largest = _largest(network, groups, batches) if groups else {}
    try:
        for group in groups:
            factors = _factors(group, largest)
            for norm in group.norms:
                change(norm.gamma, 1 / factors)
                change(norm.beta, 1 / factors)
            for convolution in group.convolutions:
                change(convolution.kernel, factors[:, None])
        yield
    finally:
        for variable, value in reversed(kept):
            variable.assign(value)
