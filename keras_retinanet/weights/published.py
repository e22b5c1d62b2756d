"""Detectors of other projects: from their files' tensors to a network of ours, with its profile.

A reader (a module of this folder for each project) recognises its files by the names of their
tensors and says what the network is and which of our layers is which module; all the rest is
here. A file is loaded whole or not at all: every tensor is matched, compared and looked at before
the first weight is set.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from keras_retinanet import models
from keras_retinanet.models.heads import FEATURES
from keras_retinanet.models.snapshot import attach_profile, profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.model import freeze_batch_norm
from keras_retinanet.utils.profile import Profile

MOST_FAULTS = 3  # in a message
# of batch norm while it trains, and of detectors' own bookkeeping
UNUSED = ("num_batches_tracked",)


@dataclass(frozen=True)
class Layout:
    """How one of our arrays lies in files of torch: to_ours(to_theirs(array)) == array."""

    to_ours: Callable
    to_theirs: Callable


KERNEL = Layout(
    lambda array: array.transpose(2, 3, 1, 0), lambda array: array.transpose(3, 2, 0, 1)
)
SAME = Layout(lambda array: array, lambda array: array)
_SCALE_AND_SHIFT = (("weight", SAME), ("bias", SAME))
# {kind of layer: ((tensor of the module, its layout), …)}, in the order of our weights; grouped
# convolutions have fewer input channels in both
TORCH_LAYOUTS = {
    keras.layers.Conv2D: (("weight", KERNEL), ("bias", SAME)),
    keras.layers.GroupNormalization: _SCALE_AND_SHIFT,
    keras.layers.BatchNormalization: (
        *_SCALE_AND_SHIFT,
        ("running_mean", SAME),
        ("running_var", SAME),
    ),
}
KERAS_LAYOUTS = {
    keras.layers.Conv2D: (("kernel", SAME), ("bias", SAME)),
    keras.layers.GroupNormalization: (("gamma", SAME), ("beta", SAME)),
    keras.layers.BatchNormalization: (
        ("gamma", SAME),
        ("beta", SAME),
        ("moving_mean", SAME),
        ("moving_variance", SAME),
    ),
}


@dataclass(frozen=True)
class Source:
    """What a reader says of a file.

    Attributes:
        profile: of the network, with its backbone and classes.
        names: f(our network's layer names) -> {part: module}, see `layer_names`.
        tensors: {name: array}, the class head's rows those of `profile.classes`.
        spare: beginnings of the names of tensors that a network does not need.
        layouts: what a layer's tensors are called and how they lie, as `TORCH_LAYOUTS`.
    """

    profile: Profile
    names: Callable
    tensors: dict
    spare: tuple = ()
    layouts: dict = field(default_factory=lambda: TORCH_LAYOUTS)


def parts_of(network):
    """Return {part: layer} of all layers with weights, those of heads as "head/layer"."""
    found = {}
    for layer in network.layers:
        inner = layer.layers if isinstance(layer, keras.Model) else ()
        found |= {f"{layer.name}/{one.name}": one for one in inner if one.weights}
        if layer.weights and not inner:
            found[layer.name] = layer
    return found


def tensors_of(part, layer, module, layouts=TORCH_LAYOUTS):
    """Return [(our variable, name of its tensor, layout), …] of a layer."""
    layout = next((rows for kind, rows in layouts.items() if isinstance(layer, kind)), ())
    if len(layout) < len(layer.weights):
        raise WeightsError(f"{part}: a {type(layer).__name__} has no place in published files")
    pairs = zip(layer.weights, layout, strict=False)
    return [(variable, f"{module}.{tensor}", layout) for variable, (tensor, layout) in pairs]


def match(network, names, tensors, spare=(), layouts=TORCH_LAYOUTS):
    """Return [(variable, array), …] and the faults as lines of text.

    Args:
        network: ours.
        names: {part: module}.
        tensors: {name: array}.
        spare: beginnings of names that may be left over.
        layouts: as in `Source`.
    """
    pairs, faults, used = [], [], set()
    for part, layer in parts_of(network).items():
        if part not in names:
            faults.append(f"there is no name for our layer {part}")
            continue
        for variable, name, layout in tensors_of(part, layer, names[part], layouts):
            used.add(name)
            faults += _fault(variable, name, layout, tensors)
            if name in tensors and not _fault(variable, name, layout, tensors):
                pairs.append((variable, layout.to_ours(tensors[name])))
    left = [name for name in tensors if name not in used]
    left = [name for name in left if not name.startswith(spare) and not name.endswith(UNUSED)]
    faults += [f"{name} {list(tensors[name].shape)} is no part of the network" for name in left]
    return pairs, faults


def _fault(variable, name, layout, tensors):
    """Return [what is wrong with a tensor] or []."""
    wanted = layout.to_theirs(np.broadcast_to(0, variable.shape)).shape
    if name not in tensors:
        return [f"{name} {list(wanted)} is missing"]
    array = tensors[name]
    if tuple(array.shape) != wanted:
        return [f"{name} is {list(array.shape)}, expected {list(wanted)}"]
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        return [f"{name} holds values that are no finite numbers"]
    return []


def load_source(path, source):
    """Return the network of a file, batch norm frozen, with its profile.

    Raises:
        WeightsError: the file does not hold exactly this network.
    """
    profile = source.profile
    network = models.backbone(profile.backbone).retinanet(profile.num_classes or 1, profile=profile)
    names = source.names([layer.name for layer in network.layers])
    pairs, faults = match(network, names, source.tensors, source.spare, source.layouts)
    if faults:
        more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
        raise WeightsError(
            f"{path}: not wholly a {profile.family} RetinaNet on {profile.backbone}: "
            f"{'; '.join(faults[:MOST_FAULTS])}{more}. Nothing was loaded."
        )
    for variable, array in pairs:
        variable.assign(array)
    freeze_batch_norm(network)
    return attach_profile(network, replace(profile_of(network), classes=profile.classes))


def _select(array, outputs, rows, axis):
    first = np.moveaxis(array, axis, 0)
    by_anchor = first.reshape(-1, outputs, *first.shape[1:])[:, list(rows)]
    return np.ascontiguousarray(np.moveaxis(by_anchor.reshape(-1, *first.shape[1:]), 0, axis))


def select_rows(path, tensors, names, outputs, rows, axis=0):
    """Return the tensors, those of the class head with only some classes' rows.

    Args:
        path: for messages.
        tensors: {name: array}.
        names: {tensor of the class head: length of its axis}.
        outputs: number of classes in the file, the inner part of that axis.
        rows: which of them to keep, in their new order.
        axis: of the outputs in these tensors.

    Raises:
        WeightsError: one of them is not of that length.
    """
    changed = dict(tensors)
    for name, length in names.items():
        if name not in tensors:  # the comparison with the network tells
            continue
        shape = tensors[name].shape
        if not shape or shape[axis] != length:
            raise WeightsError(
                f"{path}: {name} is {list(shape)}, expected {length} outputs. Nothing was loaded."
            )
        changed[name] = _select(tensors[name], outputs, rows, axis)
    return changed


def hidden_layers(tensors, stem):
    """Return how many convolutions have names that begin with `stem`."""
    return sum(
        name.startswith(stem) and name.endswith(".weight") and array.ndim == 4
        for name, array in tensors.items()
    )


def check_boxes(path, tensors, module, anchors):
    """Raise WeightsError unless a box head, whose last convolution is `module`, has 4 A outputs."""
    kernel = tensors.get(f"{module}.weight")
    shape = () if kernel is None else kernel.shape
    if shape[:1] != (4 * anchors,):
        raise WeightsError(
            f"{path}: {module}.weight is {list(shape)}, expected [{4 * anchors}, {FEATURES}, 3, 3] "
            f"for {anchors} anchors a cell. Only upright boxes are read, on the anchors that the "
            "file states or that its project starts with."
        )


def class_count(path, tensors, module, anchors):
    """Return K of a class head whose last convolution is `module`, `anchors` to a cell.

    Raises:
        WeightsError: it has no whole number of classes.
    """
    kernel = tensors.get(f"{module}.weight")
    shape = () if kernel is None else kernel.shape
    if len(shape) != 4 or not shape[0] or shape[0] % anchors:
        raise WeightsError(
            f"{path}: {module}.weight is {list(shape)}, expected [{anchors} * classes, {FEATURES}, "
            f"3, 3] for {anchors} anchors a cell."
        )
    return shape[0] // anchors


def shape_of(tensors, finest, hidden, top):
    """Return the fields of a profile that tell the width of pyramid and heads, and P6's source.

    Args:
        tensors: {name: array}.
        finest, hidden, top: modules that make P3, the first hidden layer of a head, and P6.
    """

    def side(module, axis, usual):
        kernel = tensors.get(f"{module}.weight")
        return usual if kernel is None or kernel.ndim != 4 else kernel.shape[axis]

    width = side(finest, 0, FEATURES)
    return {
        "pyramid_features": width,
        "head_features": side(hidden, 0, width),
        "p6_from": "P5" if side(top, 1, None) == width else "C5",
    }
