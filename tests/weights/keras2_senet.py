"""SE networks as the library image-classifiers stored them: layers by number.

Its grouped convolutions are one layer a group.
"""

import keras
import numpy as np

from tests.backends import array

STEM = [name for i in ("1", "2", "3") for name in (f"conv{i}", f"bn_conv{i}")]


def _names(model):
    """Return {name: layer} of ours that have weights, in the order in which that library made them.

    Blocks one after the other: three branches, the shortcut, the excitation.
    """
    blocks = [layer.name[:-5] for layer in model.layers if layer.name.endswith("_relu")]
    names = list(STEM)
    for block in [name for name in blocks if name.startswith("res") and "branch" not in name]:
        parts = ("2a", "2b", "2c", "1")
        names += [f"{kind}{block[3:]}_branch{part}" for part in parts for kind in ("res", "bn")]
        names += [f"{block}_se_reduce", f"{block}_se_expand"]
    gates = [layer.name for layer in model.layers if "_unit" in layer.name]  # of the smaller ones
    names += [name for name in gates if name.endswith(("_se_reduce", "_se_expand"))]
    present = {layer.name: layer for layer in model.layers}
    return {name: present[name] for name in names if name in present}


def numbered(model, start=7):
    """Return {layer: {weight: array}} of the layers of `model` that the library numbered.

    Args:
        model: an SE network of ours, or a RetinaNet on one.
        start: the first number; Keras counted on with each network of a process.
    """
    stored, numbers = {}, {"conv2d": start, "batch_normalization": start}

    def add(kind, weights):
        name = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
        stored[name] = {f"{name}/{index}:0": weight for index, weight in enumerate(weights)}

    for layer in _names(model).values():
        weights, groups = [array(weight) for weight in layer.weights], getattr(layer, "groups", 1)
        if isinstance(layer, keras.layers.BatchNormalization):
            add("batch_normalization", weights)
        elif groups > 1:
            for kernel in np.split(weights[0], groups, axis=3):
                add("conv2d", [kernel])
        else:
            add("conv2d", weights)
    # the order in a file is no order of numbers
    return dict(sorted(stored.items(), key=lambda item: item[0][::-1]))


def numbered_names(model):
    """Return the names of our layers that the library numbered."""
    return set(_names(model))
