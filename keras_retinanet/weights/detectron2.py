"""Files of Detectron2's RetinaNet: its model zoo's `.pkl`, and the `.pth` of one's own training."""

from dataclasses import replace

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import DETECTRON2, TORCH_RESNET
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.layer_names import head_names, resnet_names
from keras_retinanet.weights.published import (
    Source,
    check_boxes,
    class_count,
    hidden_layers,
    shape_of,
)
from keras_retinanet.weights.torch_resnets import resnet_of

BODY = "backbone.bottom_up."
CLASS_HEAD, BOX_HEAD = "head.cls_score", "head.bbox_pred"
HIDDEN = {"classification": "head.cls_subnet.", "regression": "head.bbox_subnet."}
ANCHORS = "anchor_generator."
SPARE = ("pixel_mean", "pixel_std", ANCHORS)
MOST_ANCHOR_DIFFERENCE = 0.01  # pixels; float32 sides of 800 differ by 0.0001
STEP = 2  # between hidden convolutions: ReLUs have numbers, too


def is_detectron2(tensors):
    """Return whether the tensors are named as Detectron2 does."""
    return f"{CLASS_HEAD}.weight" in tensors and f"{BODY}stem.conv1.weight" in tensors


def _conv_name(module, kind):
    return module if kind == "conv" else f"{module}.norm"


def _names(layer_names, depth):
    names = resnet_names(
        layer_names,
        {"conv1": f"{BODY}stem.conv1", "bn_conv1": f"{BODY}stem.conv1.norm"},
        lambda stage, block, kind, number: _conv_name(
            f"{BODY}res{stage}.{block}.conv{number}", kind
        ),
        lambda stage, block, kind: _conv_name(f"{BODY}res{stage}.{block}.shortcut", kind),
    )
    for level in (3, 4, 5):
        names[f"C{level}_reduced"] = f"backbone.fpn_lateral{level}"
        names[f"P{level}"] = f"backbone.fpn_output{level}"
    names |= {f"P{level}": f"backbone.top_block.p{level}" for level in (6, 7)}
    for kind, last in (("classification", CLASS_HEAD), ("regression", BOX_HEAD)):
        stem = HIDDEN[kind]
        names |= head_names(
            kind, lambda place, stem=stem: f"{stem}{STEP * place}", None, last, depth
        )
    return names


def _preprocessing(tensors):
    """Return what a file's `pixel_mean` and `pixel_std` say; the model zoo's where there are none.

    ImageNet's mean is highest in red, so a mean that falls is of red first.
    """
    usual = DETECTRON2.preprocessing
    mean, std = (
        tuple(float(value) for value in np.asarray(tensors[name]).ravel())
        if name in tensors
        else getattr(usual, name.removeprefix("pixel_"))
        for name in ("pixel_mean", "pixel_std")
    )
    if len(mean) != len(std):
        return usual
    order = "rgb" if len(mean) == 3 and mean[0] > mean[2] else "bgr"
    return replace(usual, order=order, mean=mean, std=std)


def _backbone_options(preprocessing):
    """Return where bottlenecks have their stride.

    Detectron2's reference of options: the 1x1 in the original MSRA ResNets, whose first
    convolution has the deviation inside, so that theirs is 1; the 3x3 in all others.
    """
    msra = set(preprocessing.std) == {1.0}
    return DETECTRON2.backbone_options if msra else TORCH_RESNET


def _check_anchors(path, tensors):
    """Raise WeightsError where a file states other anchors than the default."""
    for level in range(len(DETECTRON2.anchors.sizes)):
        stated = tensors.get(f"{ANCHORS}cell_anchors.{level}")
        usual = DETECTRON2.anchors.cell(level)
        if stated is None or (
            stated.shape == usual.shape and np.allclose(stated, usual, atol=MOST_ANCHOR_DIFFERENCE)
        ):
            continue
        raise WeightsError(
            f"{path}: {ANCHORS}cell_anchors.{level} are not those that Detectron2 starts with "
            f"(the first is {np.round(stated.ravel()[:4], 2).tolist()}); only these are read."
        )


def read_detectron2(path, file, family=None):
    """Return the `Source` of a file; arguments as in `readers.Reader.read`."""
    tensors = file.tensors
    _check_anchors(path, tensors)
    depth = hidden_layers(tensors, HIDDEN["classification"])
    anchors = DETECTRON2.anchors.num_anchors()
    number = class_count(path, tensors, CLASS_HEAD, anchors)
    check_boxes(path, tensors, BOX_HEAD, anchors)
    named = number == len(coco_classes.NAMES)
    preprocessing = _preprocessing(tensors)
    profile = replace(
        DETECTRON2,
        backbone=resnet_of(path, tensors, BODY, r"res(\d)", "res2"),
        backbone_options=_backbone_options(preprocessing),
        classes=coco_classes.NAMES if named else ("",) * number,
        preprocessing=preprocessing,
        head_layers=depth,
        **shape_of(
            tensors,
            "backbone.fpn_output3",
            f"{HIDDEN['classification']}0",
            "backbone.top_block.p6",
        ),
    )
    return Source(profile, lambda layers: _names(layers, depth), tensors, SPARE)
