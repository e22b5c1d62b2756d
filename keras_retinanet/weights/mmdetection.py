"""Files of MMDetection's RetinaNet on ResNet and ResNeXt, in pytorch and in caffe style.

The style, and whatever departs from the family's row, stands in the configuration that such a file
carries; for one without, name the family mmdetection_caffe where it is that.
"""

from dataclasses import replace

from keras_retinanet.utils.families import MMDETECTION, MMDETECTION_CAFFE
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.layer_names import head_names, torch_resnet_names
from keras_retinanet.weights.mmdet_config import is_caffe_style, read_config, with_config
from keras_retinanet.weights.published import (
    Source,
    check_boxes,
    class_count,
    hidden_layers,
    shape_of,
)
from keras_retinanet.weights.torch_resnets import resnet_of

BODY = "backbone."
CLASS_HEAD, BOX_HEAD = "bbox_head.retina_cls", "bbox_head.retina_reg"
HIDDEN = {"classification": "bbox_head.cls_convs.", "regression": "bbox_head.reg_convs."}
SPARE = ("backbone.fc.", "data_preprocessor.")


def is_mmdetection(tensors):
    """Return whether the tensors are named as MMDetection does."""
    return f"{CLASS_HEAD}.weight" in tensors and "neck.lateral_convs.0.conv.weight" in tensors


def _names(layer_names, depth):
    names = torch_resnet_names(layer_names, BODY)
    for place, level in enumerate((3, 4, 5)):
        names[f"C{level}_reduced"] = f"neck.lateral_convs.{place}.conv"
    names |= {
        f"P{level}": f"neck.fpn_convs.{place}.conv" for place, level in enumerate(range(3, 8))
    }
    for kind, last in (("classification", CLASS_HEAD), ("regression", BOX_HEAD)):
        stem = HIDDEN[kind]
        names |= head_names(kind, lambda place, stem=stem: f"{stem}{place}.conv", None, last, depth)
    return names


def _meta(file):
    """Return what a file says of itself, {} where it says nothing."""
    meta = file.meta.get("meta", {})
    return meta if isinstance(meta, dict) else {}


def _classes(meta, number):
    """Return the names that a file has, COCO's where it has none of 80."""
    own = meta.get("dataset_meta", meta)
    names = own.get("CLASSES", own.get("classes", ())) if isinstance(own, dict) else ()
    if isinstance(names, (list, tuple)) and len(names) == number:
        return tuple(str(name) for name in names)
    return coco_classes.NAMES if number == len(coco_classes.NAMES) else ("",) * number


def read_mmdetection(path, file, family=None):
    """Return the `Source` of a file; arguments as in `readers.Reader.read`."""
    tensors, meta = file.tensors, _meta(file)
    config = read_config(path, meta)
    caffe = is_caffe_style(config) if family is None else family == MMDETECTION_CAFFE.family
    row = with_config(path, MMDETECTION_CAFFE if caffe else MMDETECTION, config)
    depth = hidden_layers(tensors, HIDDEN["classification"])
    number = class_count(path, tensors, CLASS_HEAD, row.anchors.num_anchors())
    check_boxes(path, tensors, BOX_HEAD, row.anchors.num_anchors())
    hidden = f"{HIDDEN['classification']}0.conv"
    profile = replace(
        row,
        backbone=resnet_of(path, tensors, BODY),
        classes=_classes(meta, number),
        head_layers=depth,
        **shape_of(tensors, "neck.fpn_convs.0.conv", hidden, "neck.fpn_convs.3.conv"),
    )
    return Source(profile, lambda layers: _names(layers, depth), tensors, SPARE)
