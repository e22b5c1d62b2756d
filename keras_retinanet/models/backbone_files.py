"""Weight files of backbones alone: how they were trained, and loading them whole or not at all.

Files are Keras' (`.h5`, `.weights.h5`) or torch's (`.pth`, `.safetensors`). Published ImageNet
weights saw red first, but for the Caffe models; pictures are blue first here. Nothing in a file
tells, so the backbone's row decides for Keras' files, and torch's count as red first.
"""

import re
import warnings
from dataclasses import dataclass, field
from itertools import chain

from keras_retinanet.models.applications import LAST_NORM
from keras_retinanet.models.backbone_families import TORCH, find_family
from keras_retinanet.models.by_name import inner_name, match_by_name, set_all
from keras_retinanet.models.weight_files import (
    WeightsError,
    is_keras3_weights,
    read_keras2_weights,
    read_keras3_weights,
)
from keras_retinanet.utils.families import TORCH_RESNET
from keras_retinanet.utils.normalisation import Preprocessing


@dataclass(frozen=True)
class Training:
    """How the weights of a backbone were trained.

    Attributes:
        order: of the channels they saw, "rgb" or "bgr".
        preprocessing: that a network of blue-first pictures then has.
        options: of the builder.
    """

    order: str
    preprocessing: Preprocessing
    options: dict = field(default_factory=dict)


def training_of(path, family):
    """Return the `Training` of a file of a row of the table; the row's own for None."""
    if path is None or not _is_torch(path):
        return Training(family.weights_order, family.preprocessing)
    # torchvision's and timm's ResNet50 strides and pads otherwise than the Caffe models
    return Training("rgb", TORCH, TORCH_RESNET if family.weights_order == "bgr" else {})


def _is_torch(path):
    from keras_retinanet.weights.torch_backbones import is_tensor_file

    return is_tensor_file(path)


def load_backbone_file(model, path, name):
    """Load the weights of a backbone alone; layers that it does not have are left out.

    Args:
        model: what `Backbone.build` gave.
        path: `.weights.h5` of Keras 3, `.h5` of Keras 2, `.pth` or `.safetensors` of torchvision
            or timm. Keras' go by layer name, and in order where no name is ours.
        name: of the backbone, for messages.

    Raises:
        WeightsError: the file cannot be read, or does not have every weight of `model`.
    """
    if _is_torch(path):
        set_all(path, _match_torch(path, model, name))
        return
    keras3 = is_keras3_weights(path)
    stored = read_keras3_weights(path) if keras3 else read_keras2_weights(path)
    if stored is None:
        _load_as_keras_does(model, path, name)
        return
    if renamed := find_family(name)[0].renamed(stored, name):
        stored = renamed
        warnings.warn(
            f"{path}: its layers are numbered, not named; they are taken in the order of their "
            f"numbers as those of {name}, which only shapes confirm.",
            stacklevel=2,
        )
    report, pairs = match_by_name(model, named_as_ours(stored, model))
    if report.left or report.skipped:
        in_order = match_in_order(model, stored)
        if not pairs and not in_order:
            raise WeightsError(f"{path}: does not fit {name}: it is of another backbone.")
        if not in_order:
            raise WeightsError(f"{path}: does not fit {name}: {report.faults()}")
        warnings.warn(
            f"{path}: its layers are not named as those of {name}; all {len(model.layers)} took "
            "their weights in the file's order, which fits in number and shapes. See that the "
            "first losses are those of a trained backbone.",
            stacklevel=2,
        )
        pairs = in_order
    set_all(path, pairs)


def _match_torch(path, model, name):
    from keras_retinanet.weights.torch_backbones import match_torch_backbone

    if not any(layer.name == "res2a_branch2a" for layer in model.layers):
        raise WeightsError(
            f"{path}: a file of torch; of those, ResNet and its relatives are read, not {name}."
        )
    return match_torch_backbone(path, model, name)


def _plain(name):
    """Return a layer's name as Keras 3 writes what was "Conv/BatchNorm" in Keras 2.

    The last norm of ConvNeXt has a name that Keras counts on with each such layer of a process.
    """
    name = name.replace("/", "_").lower().replace("batchnorm", "bn")
    return LAST_NORM if re.fullmatch(rf"{LAST_NORM}(_\d+)?", name) else name


def named_as_ours(stored, model):
    """Return {layer name: {weight name: array}} with the names of `model` where that is clear.

    Args:
        stored: {layer name: {weight name: array}} of a file. A nested model's weights go to
            the layers in their names.
    """
    ours, found = {layer.name for layer in model.layers}, {}
    for layer, weights in stored.items():
        if layer in ours or _plain(layer) in ours:
            found[layer if layer in ours else _plain(layer)] = weights
            continue
        for weight, array in weights.items():
            inner = inner_name(weight) if isinstance(weight, str) else ""
            found.setdefault(inner if inner in ours else layer, {})[weight] = array
    return found


def match_in_order(model, stored):
    """Return [(variable, array), …] of layers in order, None unless numbers and shapes fit."""
    ours = [layer.weights for layer in model.layers if layer.weights]
    theirs = [list(weights.values()) for weights in stored.values() if weights]
    shapes = [[tuple(value.shape) for value in values] for values in ours]
    if shapes != [[tuple(value.shape) for value in values] for values in theirs]:
        return None
    return list(zip(chain.from_iterable(ours), chain.from_iterable(theirs), strict=True))


def _load_as_keras_does(model, path, name):
    """Load a `.weights.h5` that tells no layers' names: by class and number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each layer before it raises
            model.load_weights(path)
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{path}: does not fit {name}: {reason}") from error
