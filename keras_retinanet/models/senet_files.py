"""Weight files of the library image-classifiers, whose layers Keras numbered.

Convolutions and norms are taken in the order of their numbers, which is the order in which that
library made them; its grouped convolutions are one layer a group.
"""

import re

import numpy as np

from keras_retinanet.models.senet import PREACTIVATED, SENETS, block_names

NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")


def _numbered(stored, kind):
    """Return [(layer, {weight: array}), …] of the layers of a kind, by their numbers."""
    found = []
    for name, weights in stored.items():
        match = NUMBERED.fullmatch(name)
        if match and match[1] == kind and weights:
            found.append((int(match[2] or 0), (name, weights)))
    return [layer for _, layer in sorted(found, key=lambda item: item[0])]


def _excitations(prefix):
    return [f"{prefix}_se_reduce", f"{prefix}_se_expand"]


def _order(member):
    """Return (convolutions, norms) of a network of bottlenecks in the order of that library."""
    count = range(1, len(member.stem) + 1)
    convolutions, norms = [f"conv{i}" for i in count], [f"bn_conv{i}" for i in count]
    for block, _, _ in block_names(member.blocks):
        branches = ["2a", "2b", "2c", *(["1"] if block.endswith("a") else [])]
        convolutions += [f"res{block}_branch{branch}" for branch in branches]
        convolutions += _excitations(f"res{block}")
        norms += [f"bn{block}_branch{branch}" for branch in branches]
    return convolutions, norms


def _joined(layers, groups):
    """Return the layers of single groups as one: kernels [h, w, in, out] side by side."""
    kernels = [next(iter(weights.values())) for weights in layers]
    return {"kernel": np.concatenate(kernels, axis=3)} if len(kernels) == groups else {}


def _take(names, layers, groups):
    """Return {our layer: weights}, in order, as far as there are layers; spare ones keep names."""
    found, place = {}, 0
    for name in names:
        step = groups if name.endswith("branch2b") else 1
        if place >= len(layers):
            break
        taken = [weights for _, weights in layers[place : place + step]]
        found[name] = taken[0] if step == 1 else _joined(taken, step)
        place += step
    return found | dict(layers[place:])


def name_of_numbered(stored):
    """Return the key of `SENETS` that has as many numbered layers as a file, or None."""
    found = [len(_numbered(stored, kind)) for kind in ("conv2d", "batch_normalization")]
    for name, member in SENETS.items():
        ours, norms = _order(member)
        count = sum(member.groups if layer.endswith("branch2b") else 1 for layer in ours)
        if found == [count, len(norms)]:
            return name
    return None


def numbered_as_ours(stored, name):
    """Return {our layer: {weight: array}}, or None where no layer is numbered.

    Layers that have names of their own keep them.

    Args:
        stored: {layer: {weight: array}} of a file.
        name: of the backbone, a key of `SENETS` or `PREACTIVATED`.
    """
    convolutions = _numbered(stored, "conv2d")
    if not convolutions:
        return None
    named = {layer: weights for layer, weights in stored.items() if not NUMBERED.fullmatch(layer)}
    if name in PREACTIVATED:
        units = [
            f"stage{stage}_unit{unit}"
            for stage, count in enumerate(PREACTIVATED[name], start=1)
            for unit in range(1, count + 1)
        ]
        names = [layer for unit in units for layer in _excitations(unit)]
        return {**named, **_take(names, convolutions, 1)}
    ours, norms = _order(SENETS[name])
    taken = _take(ours, convolutions, SENETS[name].groups)
    return {**named, **taken, **_take(norms, _numbered(stored, "batch_normalization"), 1)}
