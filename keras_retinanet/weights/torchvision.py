"""Files of torchvision's RetinaNet, version 1 and 2, on any ResNet that its builders take.

Its outputs are numbered by COCO's category ids: of 91, the 80 that mean something are kept.
torchvision sets batch norm's epsilon to 0 for the published file of version 1 alone, which the
tensors do not tell: for files of one's own training, name the family torchvision_trained.
"""

import json
import re
from dataclasses import replace

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import TORCHVISION_TRAINED, TORCHVISION_V1, TORCHVISION_V2
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.layer_names import head_names, torch_resnet_names
from keras_retinanet.weights.published import Source, class_count, select_rows, shape_of
from keras_retinanet.weights.torch_resnets import resnet_of

BODY, FPN = "backbone.body.", "backbone.fpn."
CLASS_HEAD = "head.classification_head.cls_logits"
BOX_HEAD = "head.regression_head.bbox_reg"
# what `.safetensors` of ours say beside the tensors
STATED_FAMILY, STATED_CLASSES = "keras_retinanet.family", "keras_retinanet.classes"
# names that files of before torchvision 0.12 have, and what became of them
_OLDER = (
    (
        re.compile(r"(head\.\w+_head\.conv)\.(\d+)\.(weight|bias)"),
        lambda m: f"{m[1]}.{int(m[2]) // 2}.0.{m[3]}",
    ),
    (
        re.compile(r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)"),
        lambda m: f"{m[1]}.0.{m[2]}",
    ),
)


def is_torchvision(tensors):
    """Return whether the tensors are named as torchvision does."""
    return f"{CLASS_HEAD}.weight" in tensors and f"{BODY}conv1.weight" in tensors


def _newer(name):
    for pattern, change in _OLDER:
        if match := pattern.fullmatch(name):
            return change(match)
    return name


def module_names(layer_names, depth, norm):
    """Return {our part: torchvision's module} of a network.

    Args:
        layer_names: of our network.
        depth: number of hidden layers of a head.
        norm: whether a norm stands behind each of them.
    """
    names = torch_resnet_names(layer_names, BODY)
    for place, level in enumerate((3, 4, 5)):
        names[f"C{level}_reduced"] = f"{FPN}inner_blocks.{place}.0"
        names[f"P{level}"] = f"{FPN}layer_blocks.{place}.0"
    names |= {f"P{level}": f"{FPN}extra_blocks.p{level}" for level in (6, 7)}
    for kind, last in (("classification", CLASS_HEAD), ("regression", BOX_HEAD)):
        stem = f"head.{kind}_head.conv."
        norms = (lambda place, stem=stem: f"{stem}{place}.1") if norm else None
        names |= head_names(kind, lambda place, stem=stem: f"{stem}{place}.0", norms, last, depth)
    return names


def _classes(file, outputs):
    """Return the names of a head's classes, where they are known."""
    if outputs == coco_classes.OUTPUTS_BY_ID:
        return coco_classes.NAMES
    try:
        names = json.loads(file.meta.get(STATED_CLASSES, "[]"))
    except ValueError:
        names = []
    usable = isinstance(names, list) and len(names) == outputs
    return tuple(map(str, names)) if usable else ("",) * outputs


def _check_anchors(path, tensors, anchors):
    """Raise WeightsError unless the box head has `anchors` to a cell."""
    name = f"{BOX_HEAD}.bias"
    if name not in tensors or tensors[name].shape != (4 * anchors,):
        found = f"is {list(tensors[name].shape)}" if name in tensors else "is missing"
        raise WeightsError(
            f"{path}: {name} {found}, expected [{4 * anchors}] for {anchors} anchors a cell."
        )


def _row(path, family, norm):
    """Return the row of `FAMILIES` of a file by whether its heads have norms."""
    fitting = (TORCHVISION_V2,) if norm else (TORCHVISION_V1, TORCHVISION_TRAINED)
    rows = {row.family: row for row in fitting}
    if family is None:
        return fitting[0]
    if family not in rows:
        heads = "with" if norm else "without"
        raise WeightsError(
            f"{path}: its heads are {heads} group norm, so that it is not {family}; name "
            f"{' or '.join(rows)}, or leave --family out."
        )
    return rows[family]


def read_torchvision(path, file, family=None):
    """Return the `Source` of a file; arguments as in `readers.Reader.read`."""
    tensors = {_newer(name): array for name, array in file.tensors.items()}
    anchors = TORCHVISION_V1.anchors.num_anchors()
    _check_anchors(path, tensors, anchors)
    norm = "head.classification_head.conv.0.1.weight" in tensors
    depth = sum(
        re.fullmatch(r"head\.classification_head\.conv\.\d+\.0\.weight", name) is not None
        for name in tensors
    )
    outputs = class_count(path, tensors, CLASS_HEAD, anchors)
    if outputs == coco_classes.OUTPUTS_BY_ID:
        names = dict.fromkeys((f"{CLASS_HEAD}.weight", f"{CLASS_HEAD}.bias"), anchors * outputs)
        tensors = select_rows(path, tensors, names, outputs, coco_classes.IDS)
    hidden = "head.classification_head.conv.0.0"
    profile = replace(
        _row(path, family or file.meta.get(STATED_FAMILY), norm),
        backbone=resnet_of(path, tensors, BODY),
        classes=_classes(file, outputs),
        head_layers=depth,
        **shape_of(tensors, f"{FPN}layer_blocks.0.0", hidden, f"{FPN}extra_blocks.p6"),
    )
    return Source(profile, lambda layers: module_names(layers, depth, norm), tensors)
