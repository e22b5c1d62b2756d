"""Files of NVIDIA's ODTK (retinanet-examples) on ResNet."""

import re
from dataclasses import replace

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import ODTK
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.layer_names import head_names, torch_resnet_names
from keras_retinanet.weights.published import (
    Source,
    check_boxes,
    class_count,
    hidden_layers,
    shape_of,
)
from keras_retinanet.weights.torch_resnets import resnet_of

HEADS = {"classification": "cls_head.", "regression": "box_head."}
STEP = 2  # between convolutions of a head: ReLUs have numbers, too
_BACKBONE = re.compile(r"(backbones\.\w+\.)(features\.)?conv1\.weight")


def _bodies(tensors):
    """Return [(prefix of pyramid and backbone, prefix of the backbone alone), …]."""
    found = [match for name in tensors if (match := _BACKBONE.fullmatch(name))]
    return [(match[1], match[1] + (match[2] or "")) for match in found]


def is_odtk(tensors):
    """Return whether the tensors are named as ODTK does."""
    return "cls_head.0.weight" in tensors and bool(_bodies(tensors))


def _names(layer_names, pyramid, body, depth):
    names = torch_resnet_names(layer_names, body)
    for level in (3, 4, 5):
        names[f"C{level}_reduced"] = f"{pyramid}lateral{level}"
        names[f"P{level}"] = f"{pyramid}smooth{level}"
    names |= {f"P{level}": f"{pyramid}pyramid{level}" for level in (6, 7)}
    for kind, stem in HEADS.items():
        last = f"{stem}{STEP * depth}"
        names |= head_names(
            kind, lambda place, stem=stem: f"{stem}{STEP * place}", None, last, depth
        )
    return names


def _anchors(path, meta):
    """Return the anchors of a file: the ratios and scales that it states, else the family's."""
    stated = {name: meta[name] for name in ("ratios", "scales") if isinstance(meta.get(name), list)}
    try:
        return replace(ODTK.anchors, **stated)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{path}: states ratios or scales that cannot be: {error}") from error


def read_odtk(path, file, family=None):
    """Return the `Source` of a file; arguments as in `readers.Reader.read`."""
    tensors, bodies = file.tensors, _bodies(file.tensors)
    if len(bodies) > 1:
        raise WeightsError(f"{path}: has {len(bodies)} backbones; only files of one are read.")
    pyramid, body = bodies[0]
    depth = hidden_layers(tensors, HEADS["classification"]) - 1  # the last one is the output
    anchors = _anchors(path, file.meta)
    last = f"{HEADS['classification']}{STEP * depth}"
    number = class_count(path, tensors, last, anchors.num_anchors())
    check_boxes(path, tensors, f"{HEADS['regression']}{STEP * depth}", anchors.num_anchors())
    stated = file.meta.get("classes", number)
    if isinstance(stated, int) and stated != number:
        raise WeightsError(f"{path}: states {stated} classes, but its head has {number}.")
    named = number == len(coco_classes.NAMES)
    profile = replace(
        ODTK,
        backbone=resnet_of(path, tensors, body),
        classes=coco_classes.NAMES if named else ("",) * number,
        anchors=anchors,
        head_layers=depth,
        **shape_of(
            tensors, f"{pyramid}smooth3", f"{HEADS['classification']}0", f"{pyramid}pyramid6"
        ),
    )
    return Source(
        profile, lambda layers: _names(layers, pyramid, body, depth), tensors, (f"{body}fc.",)
    )
