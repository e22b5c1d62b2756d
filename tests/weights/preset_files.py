"""Preset folders as KerasHub 0.32 writes them, on ResNet-18, laid out by hand."""

import json

import h5py
import numpy as np

NORM = 4  # weights of a batch norm


def _object(name, **config):
    return {"class_name": name, "config": config}


def config(**changes):
    """Return the content of config.json."""
    encoder = _object(
        "ResNetBackbone",
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[2, 2, 2, 2],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        use_pre_activation=False,
    )
    fields = {"image_encoder": encoder, "min_level": 3, "max_level": 7, "use_p5": False}
    return _object("RetinaNetBackbone", **{**fields, **changes})


def task(**changes):
    """Return the content of task.json, of two classes of one's own."""
    grid = _object("AnchorGenerator", num_scales=3, aspect_ratios=[0.5, 1.0, 2.0], anchor_size=4)
    coder = _object(
        "RetinaNetLabelEncoder", encoding_format="center_xywh", box_variance=[0.1, 0.1, 0.2, 0.2]
    )
    decoder = _object(
        "NonMaxSuppression", iou_threshold=0.4, confidence_threshold=0.3, max_detections=50
    )
    fields = {
        "num_classes": 2,
        "use_prediction_head_norm": False,
        "pre_logits_num_conv_layers": 4,
        "anchor_generator": grid,
        "label_encoder": coder,
        "prediction_decoder": decoder,
    }
    return _object("RetinaNetObjectDetector", **{**fields, **changes})


def preprocessor(**changes):
    """Return the content of preprocessor.json."""
    fields = {
        "image_size": [512, 512],
        "scale": 1 / 127.5,
        "offset": -1.0,
        "crop_to_aspect_ratio": False,
        "pad_to_aspect_ratio": True,
    }
    converter = _object("RetinaNetImageConverter", **{**fields, **changes})
    return _object("RetinaNetObjectDetectorPreprocessor", image_converter=converter)


def body():
    """Return {path of a layer in model.weights.h5: (name, shapes)} on ResNet-18, P6 of P5."""
    convolutions = {"conv1_conv": (7, 7, 3, 64)}
    norms = {"conv1_bn": 64}
    before = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stem = f"stack{stage}_block{block}_"
            places = {1: (3, 3, before, width), 2: (3, 3, width, width)}
            if before != width:
                places[0] = (1, 1, before, width)
            for place, shape in places.items():
                convolutions[f"{stem}{place}_conv"] = shape
                norms[f"{stem}{place}_bn"] = width
            before = width
    found = {}
    for number, (name, shape) in enumerate(convolutions.items()):
        found[f"layers/functional/layers/conv2d_{number}"] = (name, [shape])
    for number, (name, width) in enumerate(norms.items()):
        key = f"layers/functional/layers/batch_normalization_{number}"
        found[key] = (name, NORM * [(width,)])
    fpn = "layers/feature_pyramid/"
    for number, width in enumerate((128, 256, 512)):
        name = f"lateral_conv_P{number + 3}"
        found[f"{fpn}lateral_conv_layers/conv2d_{number}"] = (name, [(1, 1, width, 256), (256,)])
    outputs = [f"output_conv_P{level}" for level in (3, 4, 5)] + ["coarser_P6", "coarser_P7"]
    for number, name in enumerate(outputs):
        found[f"{fpn}output_conv_layers/conv2d_{number}"] = (name, [(3, 3, 256, 256), (256,)])
    return found | {"layers/functional": ("backbone", []), "layers/feature_pyramid": ("fpn", [])}


def heads(classes=2, anchors=9):
    """Return {path of a layer in task.weights.h5: (name, shapes)}."""
    found = {"optimizer": ("adam", [()])}
    rows = (("", "box_head", 4), ("_1", "classification_head", classes))
    for suffix, head, outputs in rows:
        owner = f"layers/prediction_head{suffix}"
        found[owner] = (head, [])
        for number in range(4):
            shapes = [(3, 3, 256, 256), (256,)]
            found[f"{owner}/conv_layers/conv2d_{number}"] = (f"conv2d_{number}", shapes)
        last = anchors * outputs
        found[f"{owner}/prediction_layer"] = ("logits_layer", [(3, 3, 256, last), (last,)])
    return found


def write_weights(path, layers, value=0.5):
    """Write a `.weights.h5` of {path of a layer: (name or None, shapes)}."""
    with h5py.File(path, "w") as file:
        for place, (name, shapes) in layers.items():
            group = file.create_group(f"{place}/vars")
            if name is not None:
                group.attrs["name"] = name
            for index, shape in enumerate(shapes):
                group[str(index)] = np.full(shape, value, np.float32)
    return path


def write_json(path, content):
    """Write JSON."""
    path.write_text(json.dumps(content))
    return path


def write(folder, **parts):
    """Write a preset, its files' contents replaced by `parts`, None leaving one out; return it."""
    contents = {
        "config": config(),
        "task": task(),
        "preprocessor": preprocessor(),
        "body": body(),
        "heads": heads(),
        **parts,
    }
    folder.mkdir(exist_ok=True)
    for name in ("config", "task", "preprocessor"):
        if contents[name] is not None:
            write_json(folder / f"{name}.json", contents[name])
    for name, file in (("body", "model.weights.h5"), ("heads", "task.weights.h5")):
        if contents[name] is not None:
            write_weights(folder / file, contents[name])
    return folder
