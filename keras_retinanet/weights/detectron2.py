"""Files of Detectron2's RetinaNet: its model zoo's `.pkl`, and the `.pth` of one's own training."""

from dataclasses import replace

from keras_retinanet.utils.families import DETECTRON2
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.layer_names import head_names, resnet_names
from keras_retinanet.weights.published import Source, class_count, hidden_layers
from keras_retinanet.weights.torch_resnets import resnet_of

BODY = "backbone.bottom_up."
CLASS_HEAD, BOX_HEAD = "head.cls_score", "head.bbox_pred"
HIDDEN = {"classification": "head.cls_subnet.", "regression": "head.bbox_subnet."}
SPARE = ("pixel_mean", "pixel_std", "anchor_generator.")
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


def read_detectron2(path, file, family=None):
    """Return the `Source` of a file; arguments as in `published.Reader.read`."""
    tensors = file.tensors
    depth = hidden_layers(tensors, HIDDEN["classification"])
    number = class_count(path, tensors, CLASS_HEAD, DETECTRON2.anchors.num_anchors())
    named = number == len(coco_classes.NAMES)
    profile = replace(
        DETECTRON2,
        backbone=resnet_of(path, tensors, BODY, r"res(\d)", "res2"),
        classes=coco_classes.NAMES if named else ("",) * number,
        head_layers=depth,
    )
    return Source(profile, lambda layers: _names(layers, depth), tensors, SPARE)
