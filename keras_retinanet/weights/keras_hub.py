"""Presets of KerasHub's RetinaNet on ResNet.

KerasHub made its presets of COCO from torchvision's files, in a network that departs from
torchvision's: in the padding of P6 and P7, in epsilons, in decoding and suppression. A preset with
COCO's 91 outputs is therefore read as torchvision's network, which its weights were trained for;
the families keras_hub and keras_hub_v2 follow KerasHub's own, as presets of other classes do,
which were trained in it.
"""

from dataclasses import replace

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils import families
from keras_retinanet.utils.normalisation import PREPROCESSINGS, Preprocessing
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.keras_hub_presets import CONFIG, PREPROCESSOR, TASK
from keras_retinanet.weights.layer_names import head_names, resnet_names
from keras_retinanet.weights.published import FEATURES, KERAS_LAYOUTS, Source, select_rows
from keras_retinanet.weights.torch_resnets import DEPTHS

TORCHVISION = ("torchvision", "torchvision_trained", "torchvision_v2")
PLAIN = ("torchvision", "torchvision_trained", "keras_hub")
NORMED = ("torchvision_v2", "keras_hub_v2")
HEADS = {"classification": "classification_head", "regression": "box_head"}
LAST = "logits_layer"
BLOCKS = {"basic_block": False, "bottleneck_block": True}
# what an encoder's configuration has to say, so that it is a ResNet that is built here
ENCODER = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_strides": [1, 2, 2, 2],
    "use_pre_activation": False,
}
BODY = {"min_level": 3, "max_level": 7, "use_fpn_batch_norm": False}
CODING = {"encoding_format": "center_xywh"}
CONVERTER = {"crop_to_aspect_ratio": False, "pad_to_aspect_ratio": True}


def is_keras_hub(tensors):
    """Return whether the tensors are those of a preset of KerasHub's RetinaNet."""
    return "fpn/lateral_conv_P3.kernel" in tensors


def _check(path, what, config, wanted):
    """Raise WeightsError unless `config` says what is `wanted`."""
    for key, value in wanted.items():
        if (found := config.get(key, value)) != value:
            raise WeightsError(f"{path}: {what} has {key} {found}; only {value} is read.")


def _inner(path, config, key, kind):
    """Return the configuration of the object `key` of a configuration, which is of class `kind`."""
    value = config.get(key)
    value = value if isinstance(value, dict) else {}
    if value.get("class_name") != kind or not isinstance(value.get("config"), dict):
        raise WeightsError(
            f"{path}: its {key} is {value.get('class_name')}; only {kind} is read here."
        )
    return value["config"]


def _resnet(path, body):
    """Return the name of our ResNet of a RetinaNetBackbone's configuration."""
    encoder = _inner(path, body, "image_encoder", "ResNetBackbone")
    _check(path, "its ResNetBackbone", encoder, ENCODER)
    kind, blocks = encoder.get("block_type"), tuple(encoder.get("stackwise_num_blocks", ()))
    if (BLOCKS.get(kind), blocks) not in DEPTHS:
        raise WeightsError(
            f"{path}: its ResNetBackbone has stages of {list(blocks)} {kind}; known here are "
            f"{', '.join(DEPTHS.values())}."
        )
    return DEPTHS[BLOCKS[kind], blocks]


def _names(layer_names, depth, norm):
    body = "backbone/stack"
    names = resnet_names(
        layer_names,
        {"conv1": "backbone/conv1_conv", "bn_conv1": "backbone/conv1_bn"},
        lambda stage, block, kind, number: f"{body}{stage - 2}_block{block}_{number}_{kind}",
        lambda stage, block, kind: f"{body}{stage - 2}_block{block}_0_{kind}",
    )
    for level in (3, 4, 5):
        names[f"C{level}_reduced"] = f"fpn/lateral_conv_P{level}"
        names[f"P{level}"] = f"fpn/output_conv_P{level}"
    names |= {f"P{level}": f"fpn/coarser_P{level}" for level in (6, 7)}
    for kind, head in HEADS.items():
        norms = (lambda place, head=head: f"{head}/group_norm_{place}") if norm else None
        names |= head_names(
            kind, lambda place, head=head: f"{head}/conv2d_{place}", norms, f"{head}/{LAST}", depth
        )
    return names


def _family(path, task, family):
    """Return the row of `FAMILIES` that a preset is read as."""
    norm = bool(task.get("use_prediction_head_norm"))
    fitting = NORMED if norm else PLAIN
    if family is None:
        of_coco = task.get("num_classes") == coco_classes.OUTPUTS_BY_ID
        family = fitting[0] if of_coco else fitting[-1]
    if family not in fitting:
        heads = "with" if norm else "without"
        raise WeightsError(
            f"{path}: its heads are {heads} group norm, so that it is not {family}; name "
            f"{' or '.join(fitting)}, or leave --family out."
        )
    return families.FAMILIES[family]


def _constants(value, default):
    """Return three numbers of a converter's scale or offset: None, a number or a list."""
    return np.broadcast_to(np.float64(default if value is None else value), (3,))


def _preprocessing(config):
    """Return the `Preprocessing` of a converter: levels * scale + offset, red first."""
    scale = _constants(config.get("scale"), 1.0)
    mean = -_constants(config.get("offset"), 0.0) / scale
    usual = PREPROCESSINGS["torch_rgb"]
    found = Preprocessing("rgb", usual.scale, mean * usual.scale, usual.scale / scale)
    close = np.allclose([found.mean, found.std], [usual.mean, usual.std], rtol=1e-5)
    return usual if close else found


def _pictures(path, preprocessor):
    """Return the fields of the profile that a preset's image converter tells."""
    if preprocessor is None:
        return {}
    converter = _inner(path, preprocessor["config"], "image_converter", "RetinaNetImageConverter")
    _check(path, "its image converter", converter, CONVERTER)
    height, width = converter.get("image_size") or (800, 800)
    if height != width:
        raise WeightsError(f"{path}: its pictures are {height} by {width}; only squares are read.")
    sides = {"image_min_side": height, "image_max_side": height}
    return {"preprocessing": _preprocessing(converter), **sides}


def _check_bias(path, tensors, head, outputs):
    """Raise WeightsError unless a head's last layer has `outputs`, as the configuration says."""
    name = f"{head}/{LAST}.bias"
    found = f"is {list(tensors[name].shape)}" if name in tensors else "is missing"
    if name not in tensors or tensors[name].shape != (outputs,):
        raise WeightsError(f"{path}: {name} {found}, expected [{outputs}] by its {TASK}.")


def _check_heads(path, tensors, task):
    """Raise WeightsError unless the heads' weights are as many as the configuration says.

    A network is built by the configuration, and must not be larger than its weights.
    """
    grid = _inner(path, task, "anchor_generator", "AnchorGenerator")
    anchors = int(grid["num_scales"]) * len(grid["aspect_ratios"])
    _check_bias(path, tensors, HEADS["regression"], 4 * anchors)
    _check_bias(path, tensors, HEADS["classification"], anchors * int(task["num_classes"]))
    stem = f"{HEADS['classification']}/conv2d_"
    hidden = sum(name.startswith(stem) and name.endswith(".kernel") for name in tensors)
    if hidden != task["pre_logits_num_conv_layers"]:
        raise WeightsError(
            f"{path}: has {hidden} hidden layers of heads, expected "
            f"{task['pre_logits_num_conv_layers']} by its {TASK}."
        )


def _anchors(path, task, row):
    """Return the anchors of a task's configuration."""
    grid = _inner(path, task, "anchor_generator", "AnchorGenerator")
    size, scales = float(grid["anchor_size"]), int(grid["num_scales"])
    return replace(
        row,
        sizes=tuple(size * 2**level for level in range(3, 8)),
        ratios=tuple(grid["aspect_ratios"]),
        scales=tuple(2 ** (place / scales) for place in range(scales)),
    )


def _detector(path, task):
    """Return the fields of the profile that a task's decoder tells."""
    decoder = _inner(path, task, "prediction_decoder", "NonMaxSuppression")
    return {
        "score_threshold": decoder["confidence_threshold"],
        "nms_threshold": decoder["iou_threshold"],
        "max_detections": decoder["max_detections"],
    }


def _own(path, meta, task, row):
    """Return `row` with all that a preset says of KerasHub's own network."""
    coder = _inner(path, task, "label_encoder", "RetinaNetLabelEncoder")
    _check(path, "its label encoder", coder, CODING)
    return replace(
        row,
        box_std=tuple(coder.get("box_variance", row.box_std)),
        **_pictures(path, meta.get(PREPROCESSOR)),
        **_detector(path, task),
    )


def _classes(path, tensors, outputs, anchors):
    """Return (tensors with COCO's rows only, names of the classes)."""
    if outputs != coco_classes.OUTPUTS_BY_ID:
        return tensors, ("",) * outputs
    head = f"{HEADS['classification']}/{LAST}"
    names = dict.fromkeys((f"{head}.kernel", f"{head}.bias"), anchors * outputs)
    rows = coco_classes.IDS
    return select_rows(path, tensors, names, outputs, rows, axis=-1), coco_classes.NAMES


def read_keras_hub(path, file, family=None):
    """Return the `Source` of a preset; arguments as in `published.Reader.read`."""
    task, body = file.meta[TASK]["config"], file.meta[CONFIG]["config"]
    _check(path, "its RetinaNetBackbone", body, BODY)
    _check_heads(path, file.tensors, task)
    row = _family(path, task, family)
    anchors = _anchors(path, task, row.anchors)
    if row.family not in TORCHVISION:
        row = _own(path, file.meta, task, row)
    tensors, classes = _classes(path, file.tensors, task["num_classes"], anchors.num_anchors())
    p6 = tensors.get("fpn/coarser_P6.kernel")
    depth = task["pre_logits_num_conv_layers"]
    profile = replace(
        row,
        backbone=_resnet(path, body),
        classes=classes,
        anchors=anchors,
        head_layers=depth,
        # use_p5 says the contrary of what the network does, so the tensor decides
        p6_from="P5" if p6 is not None and p6.shape[-2:-1] == (FEATURES,) else "C5",
    )
    norm = profile.head_norm == "group"
    return Source(
        profile, lambda layers: _names(layers, depth, norm), tensors, layouts=KERAS_LAYOUTS
    )
