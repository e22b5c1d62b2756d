"""Files of keras-retinanet 0.5 to 1.0: `.h5` of Keras 2, training or inference models.

Nothing has to be told: backbone, classes, widths and levels follow from layer names and shapes,
and where the file holds the model's configuration, anchors, thresholds and padding from that.
A file is loaded whole or not at all.
"""

import re
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from keras_retinanet import models
from keras_retinanet.models.by_name import (
    WeightsError,
    inner_name,
    match_by_name,
    open_h5,
    read_keras2_weights,
    read_model_config,
)
from keras_retinanet.models.retinanet import FEATURES, retinanet_bbox
from keras_retinanet.models.snapshot import attach_profile
from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters
from keras_retinanet.utils.model import freeze_batch_norm
from keras_retinanet.weights.keras2_config import check_same_arithmetic, configured_layers

HEADS = ("regression_submodel", "classification_submodel")
# a layer that only this backbone has, or its deeper relatives, which stand before it
TELLING_LAYERS = {
    "res4b35_branch2a": "resnet152",
    "res4b22_branch2a": "resnet101",
    "res4f_branch2a": "resnet50",
    "block5_conv4": "vgg19",
    "block5_conv3": "vgg16",
    "conv4_block48_1_conv": "densenet201",
    "conv4_block32_1_conv": "densenet169",
    "conv4_block24_1_conv": "densenet121",
}
# the width of a layer tells alpha; the 224 of MobileNet names only ImageNet weights
TELLING_WIDTHS = {
    "conv_pw_13": {int(1024 * a): f"mobilenet224_{a}" for a in (1.0, 0.75, 0.5, 0.25)},
    "block_16_project": {
        width: f"mobilenetv2_{a}"
        for width, a in ((112, 0.35), (160, 0.5), (240, 0.75), (320, 1.0), (416, 1.3), (448, 1.4))
    },
}
UNSUPPORTED_LAYERS = {
    r"block1a_\w+": "EfficientNet",
    r"stage1_unit1_\w+|conv2d(_\d+)?": "an SE network",
}
UNSUPPORTED_NAMES = r"(efficientnet|seres|senet).*"


@dataclass(frozen=True)
class _Facts:
    """What a file says of its network.

    Attributes:
        num_classes, num_anchors: K and A.
        levels: of the pyramid.
        arguments: of `Backbone.retinanet`: widths, depth, the backbone's options.
    """

    num_classes: int
    num_anchors: int
    levels: tuple
    arguments: dict = field(default_factory=dict)


def _unsupported(path, what):
    return WeightsError(
        f"{path}: its backbone is {what}, which this version does not have yet; it has "
        "ResNet, VGG, DenseNet and MobileNet."
    )


def _backbone_name(path, weights, given):
    """Return the name of the file's backbone; `given` where layers do not tell."""
    for layer, name in TELLING_LAYERS.items():
        if weights.get(layer):
            return name
    for layer, names in TELLING_WIDTHS.items():
        if weights.get(layer):
            width = next(iter(weights[layer].values())).shape[-1]
            if width not in names:
                raise WeightsError(
                    f"{path}: {layer} is {width} wide; this version knows {sorted(names)}."
                )
            return _with_given_rows(names[width], given)
    for pattern, what in UNSUPPORTED_LAYERS.items():
        if any(re.fullmatch(pattern, layer) for layer in weights):
            raise _unsupported(path, what)
    if given is None:
        raise WeightsError(
            f"{path}: its layers ({', '.join(list(weights)[:3])}, …) are of no backbone of this "
            "version. Name it with --backbone."
        )
    if re.fullmatch(UNSUPPORTED_NAMES, given, re.IGNORECASE):
        raise _unsupported(path, given)
    return given


def _with_given_rows(name, given):
    """Return `given` where it differs from `name` only in MobileNet's number of rows."""
    pattern = r"mobilenet\d+_([\d.]+)"
    found, other = re.fullmatch(pattern, name), re.fullmatch(pattern, given or "")
    return given if found and other and float(found[1]) == float(other[1]) else name


def _shape(path, weights, layer, axes):
    """Return the shape of the first array of `layer`, which has `axes` axes."""
    arrays = list(weights.get(layer, {}).values())
    if not arrays or arrays[0].ndim != axes:
        raise WeightsError(
            f"{path}: not a RetinaNet: has no {layer}. The weights of a backbone alone go to "
            "--backbone-weights, those of other networks to --weights."
        )
    return arrays[0].shape


def _head_outputs(path, weights, head):
    """Return the number of outputs of a head, its hidden layers' number and width."""
    _shape(path, weights, head, axes=4)
    arrays = weights[head]
    last = head.replace("_submodel", "")
    named = [a for name, a in arrays.items() if inner_name(name) == f"pyramid_{last}"]
    outputs = (named or list(arrays.values()))[-1].shape[0]
    depth = len(arrays) // 2 - 1
    width = next(iter(arrays.values())).shape[-1] if depth else FEATURES
    return outputs, depth, width


def _conv1_padding(path, weights, layers):
    """Return 3 or "same", by the layer of padding that keras-resnet 0.1 has and 0.2 has not."""
    if "padding_conv1" in weights or "conv1_relu" not in weights:
        return 3
    conv1 = layers.get("conv1")
    return "same" if conv1 is None else {"same": "same"}.get(conv1.config["padding"], 3)


def _facts(path, weights, layers, backbone_name):
    """Return the `_Facts` of a file."""
    features = _shape(path, weights, "P3", axes=4)[-1]
    box_outputs, _, _ = _head_outputs(path, weights, HEADS[0])
    class_outputs, depth, width = _head_outputs(path, weights, HEADS[1])
    num_anchors = box_outputs // 4
    if box_outputs % 4 or not num_anchors or class_outputs % num_anchors:
        raise WeightsError(
            f"{path}: {box_outputs} outputs for boxes and {class_outputs} for classes are of no "
            "whole number of anchors; not a network of keras-retinanet."
        )
    options = {}
    if backbone_name.startswith("resnet"):
        options = {"conv1_padding": _conv1_padding(path, weights, layers)}
    arguments = {
        "pyramid_features": features,
        "head_features": width,
        "head_layers": depth,
        "backbone_options": options,
    }
    levels = tuple(level for level in range(2, 8) if weights.get(f"P{level}"))
    return _Facts(class_outputs // num_anchors, num_anchors, levels, arguments)


def _anchors_in_file(path, layers):
    """Return the AnchorParameters of a detector's Anchors layers, None where there are none."""
    indices = sorted(int(name[8:]) for name in layers if re.fullmatch(r"anchors_\d+", name))
    configs = [layers[f"anchors_{index}"].config for index in indices]
    if not configs:
        return None
    default = AnchorParameters.default
    shapes = [
        [np.float32(config.get(key) or getattr(default, key)) for key in ("ratios", "scales")]
        for config in configs
    ]
    if any(not np.array_equal(mine, first) for s in shapes for mine, first in zip(s, shapes[0])):
        raise WeightsError(f"{path}: ratios or scales differ between levels; they cannot here.")
    return AnchorParameters(
        [config["size"] for config in configs],
        [config["stride"] for config in configs],
        *(
            # the file holds float32 values of what the defaults write in full
            usual if np.array_equal(np.float32(usual), own) else own
            for own, usual in zip(shapes[0], (default.ratios, default.scales), strict=True)
        ),
    )
