"""What a file of keras-retinanet 0.5 to 1.0 says of its network.

Layer names and shapes tell the backbone, the classes, widths and levels; the model's
configuration, where the file holds it, tells padding, anchors and thresholds.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from keras_retinanet.models.by_name import inner_name
from keras_retinanet.models.retinanet import FEATURES
from keras_retinanet.models.senet_files import name_of_numbered
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.anchors import AnchorParameters

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
    "stage3_unit6_conv1": "seresnet34",
    "stage1_unit1_conv1": "seresnet18",
}
# the width of a layer tells alpha; the 224 of MobileNet names only ImageNet weights
TELLING_WIDTHS = {
    "conv_pw_13": {int(1024 * a): f"mobilenet224_{a}" for a in (1.0, 0.75, 0.5, 0.25)},
    "block_16_project": {
        width: f"mobilenetv2_{a}"
        for width, a in ((112, 0.35), (160, 0.5), (240, 0.75), (320, 1.0), (416, 1.3), (448, 1.4))
    },
    "block7b_project_conv": {
        width: f"EfficientNetB{number}"
        for number, width in enumerate((320, 352, 384, 448, 512, 576, 640), start=1)
    },
    "block7a_project_conv": {320: "EfficientNetB0"},  # as wide as B1, which has 7b
}
FILTER_OPTIONS = (
    "nms",
    "class_specific_filter",
    "nms_threshold",
    "score_threshold",
    "max_detections",
    "candidates",
)


@dataclass(frozen=True)
class Facts:
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


def backbone_name_of(path, weights, given):
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
    if numbered := name_of_numbered(weights):
        return numbered
    if given is None:
        raise WeightsError(
            f"{path}: its layers ({', '.join(list(weights)[:3])}, …) are of no backbone of this "
            "version. Name it with --backbone."
        )
    return given


def _with_given_rows(name, given):
    """Return `given` where it differs from `name` only in MobileNet's number of rows."""
    pattern = r"mobilenet\d+_([\d.]+)"
    found, other = re.fullmatch(pattern, name), re.fullmatch(pattern, given or "")
    return given if found and other and float(found[1]) == float(other[1]) else name


def check_is_retinanet(path, weights):
    """Raise WeightsError unless the file has a pyramid and both heads, of convolutions."""
    for layer in ("P3", *HEADS):
        arrays = list(weights.get(layer, {}).values())
        if not arrays or arrays[0].ndim != 4 or arrays[-1].ndim != 1:
            raise WeightsError(
                f"{path}: not a RetinaNet: has no {layer}. The weights of a backbone alone go to "
                "--backbone-weights, those of other networks to --weights."
            )


def _head(weights, head):
    """Return the number of outputs of a head, its hidden layers' number and width."""
    arrays, prefix = weights[head], "pyramid_" + head.removesuffix("_submodel")

    def of(inner):
        # names where they are ours, order otherwise: TensorFlow 1 numbered them anew
        return [array for name, array in arrays.items() if inner_name(name) == inner] or [
            *arrays.values()
        ]

    depth = len(arrays) // 2 - 1
    return of(prefix)[-1].shape[0], depth, of(f"{prefix}_0")[0].shape[-1] if depth else FEATURES


def _conv1_padding(weights, layers):
    """Return 3 or "same", by the layer of padding that keras-resnet 0.1 has and 0.2 has not."""
    if "padding_conv1" in weights or "conv1_relu" not in weights:
        return 3  # the latter: a file that names only layers with weights
    return "same" if "conv1" not in layers or layers["conv1"].config["padding"] == "same" else 3


def facts_of(path, weights, layers, backbone_name):
    """Return the Facts of a file."""
    features = next(iter(weights["P3"].values())).shape[-1]
    box_outputs, _, _ = _head(weights, HEADS[0])
    class_outputs, depth, width = _head(weights, HEADS[1])
    num_anchors = box_outputs // 4
    if box_outputs % 4 or not num_anchors or class_outputs % num_anchors:
        raise WeightsError(
            f"{path}: {box_outputs} outputs for boxes and {class_outputs} for classes are of no "
            "whole number of anchors; not a network of keras-retinanet."
        )
    options = {}
    if backbone_name.startswith("resnet"):
        options = {"conv1_padding": _conv1_padding(weights, layers)}
    arguments = {
        "pyramid_features": features,
        "head_features": width,
        "head_layers": depth,
        "backbone_options": options,
    }
    levels = tuple(level for level in range(2, 8) if weights.get(f"P{level}"))
    return Facts(class_outputs // num_anchors, num_anchors, levels, arguments)


def anchors_of(path, layers):
    """Return the AnchorParameters of a detector's Anchors layers, None where there are none."""
    indices = sorted(int(name[8:]) for name in layers if re.fullmatch(r"anchors_\d+", name))
    configs = [layers[f"anchors_{index}"].config for index in indices]
    if not configs:
        return None
    for config in configs:
        if any(config[key] != configs[0][key] for key in ("ratios", "scales")):
            raise WeightsError(f"{path}: ratios or scales differ between levels; they cannot here.")
    default = AnchorParameters.default
    return AnchorParameters(
        [config["size"] for config in configs],
        [config["stride"] for config in configs],
        _unrounded(configs[0]["ratios"], default.ratios),
        _unrounded(configs[0]["scales"], default.scales),
    )


def _unrounded(values, usual):
    """Return `usual` where `values` are its float32 values, as 1.0 wrote them."""
    return usual if np.array_equal(np.float32(values), np.float32(usual)) else values


def detector_facts_of(layers):
    """Return {field of the profile: value} of a detector's last layers, {} of a network."""
    found = {}
    for name in ("boxes", "filtered_detections"):  # RegressBoxes; our Detect codes boxes itself
        config = layers[name].config if name in layers else {}
        coder = config.get("coder", config)
        found |= {f"box_{key}": coder[key] for key in ("mean", "std") if key in coder}
        found |= {key: config[key] for key in FILTER_OPTIONS if key in config}
    return found
