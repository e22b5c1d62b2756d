"""A network's weights as a `.safetensors` file in the names of torchvision's RetinaNet.

A class head for COCO's 80 classes gets its 91 outputs back, numbered by category id. The 11 that no
category has get kernels of 0 and a bias of `UNUSED_BIAS`; what they were in a file that was read is
not kept. All other tensors are equal to the last bit: read(write(network)) == network.
"""

import json
from dataclasses import replace

import keras
import numpy as np

from keras_retinanet.models.exporting import check_space
from keras_retinanet.models.resnet import TORCH
from keras_retinanet.models.snapshot import written_aside
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import TORCHVISION_TRAINED, TORCHVISION_V1, TORCHVISION_V2
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.misfits import check_fits, misfits, style_misfits
from keras_retinanet.weights.published import parts_of, tensors_of
from keras_retinanet.weights.safetensors_files import write_safetensors
from keras_retinanet.weights.torch_resnets import DEPTHS, GROUPED
from keras_retinanet.weights.torchvision import (
    CLASS_HEAD,
    STATED_CLASSES,
    STATED_FAMILY,
    module_names,
)

# the sigmoid of it is 4e-44: no score, and no gradient of the focal loss
UNUSED_BIAS = -100.0
HEAD_LAYERS = 4  # that torchvision's heads have
BACKBONES = {*DEPTHS.values(), *GROUPED.values()}
FREE = ("level_candidates",)


def _with_unused_rows(array, fill):
    """Return a class head's tensor [A * 80, ...] as [A * 91, ...], class inner."""
    by_anchor = array.reshape(-1, len(coco_classes.IDS), *array.shape[1:])
    shape = (len(by_anchor), coco_classes.OUTPUTS_BY_ID, *array.shape[1:])
    filled = np.full(shape, fill, dtype=array.dtype)
    filled[:, list(coco_classes.IDS)] = by_anchor
    return filled.reshape(-1, *array.shape[1:])


def _misfits(profile):
    """Return the misfits to the nearest of torchvision's networks."""
    rows = (TORCHVISION_V1, TORCHVISION_TRAINED, TORCHVISION_V2)

    def against(row):
        style = replace(TORCH, **row.backbone_options)
        return style_misfits(profile, style) + misfits(profile, row, FREE)

    return min(map(against, rows), key=len)


def _check(path, profile):
    """Raise WeightsError unless one of torchvision's networks computes what this one does."""
    if profile.backbone not in BACKBONES:
        kinds = "ResNet, ResNeXt or Wide ResNet"
        check_fits(path, "torchvision", [("backbone", profile.backbone, kinds)])
    found = _misfits(profile)
    for name, theirs in (("head_features", profile.pyramid_features), ("head_layers", HEAD_LAYERS)):
        if (ours := getattr(profile, name)) != theirs:
            found.append((name, ours, theirs))
    if profile.num_classes == coco_classes.OUTPUTS_BY_ID:
        found.append(("number of classes", profile.num_classes, "that of COCO's ids"))
    check_fits(path, "torchvision", found)


def torchvision_tensors(network, profile):
    """Return {torchvision's name: array} of a network's weights.

    Raises:
        WeightsError: a layer has no name there.
    """
    names = module_names(
        [layer.name for layer in network.layers], profile.head_layers, profile.head_norm == "group"
    )
    found = {}
    for part, layer in parts_of(network).items():
        if part not in names:
            raise WeightsError(f"torchvision has no name for the layer {part}")
        for variable, name, layout in tensors_of(part, layer, names[part]):
            array = layout.to_theirs(keras.ops.convert_to_numpy(variable))
            found[name] = np.ascontiguousarray(array)
    if profile.classes == coco_classes.NAMES:
        for kind, fill in (("weight", 0.0), ("bias", UNUSED_BIAS)):
            name = f"{CLASS_HEAD}.{kind}"
            found[name] = _with_unused_rows(found[name], fill)
    return found


def write_torchvision(network, profile, path):
    """Write a network's weights; see `writing.write_weights`."""
    _check(path, profile)
    tensors = torchvision_tensors(network, profile)
    stated = {
        "format": "pt",
        STATED_FAMILY: profile.family,
        STATED_CLASSES: json.dumps(profile.classes),
    }
    check_space(path, network)
    with written_aside(path) as aside:
        write_safetensors(aside, tensors, stated)
