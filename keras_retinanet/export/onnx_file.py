"""A detector as an ONNX file: uint8 pictures in, detections out.

The network is converted by tf2onnx from a TensorFlow graph; the way from scores to detections is
our own text (`onnx_tail`), because tf2onnx turns nested loops into graphs that do not load.
"""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import keras

from keras_retinanet.export.dense import dense_function, tail_of
from keras_retinanet.export.libraries import library
from keras_retinanet.export.onnx_tail import OPSET, tail_model, thresholds
from keras_retinanet.export.precision import EXACT
from keras_retinanet.export.small_weights import with_small_weights
from keras_retinanet.models.snapshot import MEMBER, facts_of, profile_of, written_aside

INPUT = "images"
DENSE = ("dense_boxes", "dense_scores")
LARGEST = 2**31 - 1  # bytes of a file in protobuf's form
# TensorRT's own operator; it takes logits and boxes by corners
TRT_OPERATOR, TRT_DOMAIN = "EfficientNMS_TRT", "TRT"
TRT_OUTPUTS = {
    "num_detections": ("INT32", ("batch", 1)),
    "detection_boxes": ("FLOAT", ("batch", "limit", 4)),
    "detection_scores": ("FLOAT", ("batch", "limit")),
    "detection_classes": ("INT32", ("batch", "limit")),
}


def dense_model(detector, size=None, batch=None):
    """Return the `onnx.ModelProto` of uint8 pictures to `DENSE`.

    Args:
        detector: of `models.convert_model`, on TensorFlow.
        size: (height, width) of all pictures; None for any.
        batch: number of pictures; None for any.
    """
    import tensorflow as tf

    preprocessing = profile_of(detector).preprocessing
    shape = (batch, *(size or (None, None)), preprocessing.channels)
    spec = tf.TensorSpec(shape, f"uint{preprocessing.bits}", name=INPUT)
    dense = dense_function(detector)

    def call(images):
        return dict(zip(DENSE, dense(images), strict=True))

    convert = library("tf2onnx", "onnx").convert
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        function = tf.function(call, input_signature=[spec], autograph=False)
        model, _ = convert.from_function(function, input_signature=[spec], opset=OPSET)
    finally:
        logging.disable(before)
    return model


def _joined(network, tail):
    """Return the model of `network` and then `tail`."""
    compose = library("onnx.compose", "onnx")
    network.ir_version = tail.ir_version = min(network.ir_version, tail.ir_version)
    return compose.merge_models(network, tail, io_map=[(name, name) for name in DENSE])


def trt_model(tail):
    """Return the `onnx.ModelProto` of TensorRT's operator for a `dense.Tail`.

    Raises:
        ValueError: the operator cannot do what the detector does.
    """
    if not tail.class_specific_filter:
        raise ValueError("EfficientNMS_TRT counts every class of a box; leave --trt out")
    helper, types = library("onnx.helper", "onnx"), library("onnx", "onnx").TensorProto
    node = helper.make_node(
        TRT_OPERATOR,
        DENSE,
        list(TRT_OUTPUTS),
        domain=TRT_DOMAIN,
        plugin_version="1",
        background_class=-1,
        max_output_boxes=tail.max_detections,
        score_threshold=float(tail.score_threshold),
        iou_threshold=float(tail.nms_threshold),
        score_activation=int(tail.is_logits),
        class_agnostic=int(tail.nms_within == "all"),
        box_coding=0,
    )
    sides = {"limit": tail.max_detections}
    outputs = [
        helper.make_tensor_value_info(
            name, getattr(types, kind), [sides.get(side, side) for side in shape]
        )
        for name, (kind, shape) in TRT_OUTPUTS.items()
    ]
    shapes = ["batch", "N", 4], ["batch", "N", tail.classes]
    inputs = [
        helper.make_tensor_value_info(name, types.FLOAT, shape)
        for name, shape in zip(DENSE, shapes, strict=True)
    ]
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TRT_DOMAIN, 1)]
    graph = helper.make_graph([node], "tail", inputs, outputs)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def without_operator(model):
    """Return a copy of a model of `trt_model` that gives all boxes and scores, logits made scores.

    It is what TensorRT's operator is given, for runtimes that do not have it.
    """
    onnx = library("onnx", "onnx")
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    last = cut.graph.node[-1]
    activation = "Sigmoid" if _attributes(last)["score_activation"] else "Identity"
    boxes, scores = last.input
    cut.graph.node.pop()
    cut.graph.node.append(onnx.helper.make_node("Identity", [boxes], ["boxes"]))
    cut.graph.node.append(onnx.helper.make_node(activation, [scores], ["scores"]))
    del cut.graph.output[:]
    for name in ("boxes", "scores"):
        kind = onnx.TensorProto.FLOAT
        cut.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, [None] * 3))
    for entry in cut.metadata_props:
        if entry.key == MEMBER:
            entry.value = json.dumps(json.loads(entry.value) | {"outputs": "all-boxes"})
    return cut


def _attributes(node):
    """Return {name: value} of the attributes of a node."""
    get = library("onnx.helper", "onnx").get_attribute_value
    return {one.name: get(one) for one in node.attribute}


def numbers_of_operator(model):
    """Return how the operator of `trt_model` suppresses, as arguments of `FilterDetections`."""
    values = _attributes(model.graph.node[-1])
    return {
        "nms_threshold": values["iou_threshold"],
        "max_detections": values["max_output_boxes"],
        "nms_within": "all" if values["class_agnostic"] else "class",
    }


def all_boxes_model(tail):
    """Return the `onnx.ModelProto` of boxes [B, N, 4] and scores [B, N, K] as they are."""
    activation = "Sigmoid" if tail.is_logits else "Identity"
    text = (
        f'<ir_version: 10, opset_import: ["" : {OPSET}]>\n'
        f"tail (float[batch, N, 4] dense_boxes, float[batch, N, {tail.classes}] dense_scores) => "
        f"(float[batch, N, 4] boxes, float[batch, N, {tail.classes}] scores) "
        f"{{ boxes = Identity(dense_boxes) scores = {activation}(dense_scores) }}"
    )
    return library("onnx.parser", "onnx").parse_model(text)


TAILS = {"detections": tail_model, "trt": trt_model, "all-boxes": all_boxes_model}


def onnx_model(detector, size=None, batch=None, outputs="detections", precision=EXACT):
    """Return a detector as an `onnx.ModelProto` with the profile in its metadata.

    Args:
        detector, size, batch: see `dense_model`.
        outputs: key of `TAILS`: detections; those of TensorRT's operator; all boxes and scores.
        precision: `Precision` that it will be written in, which its metadata tell.

    Raises:
        ValueError: Keras runs on another backend than TensorFlow, a library is not installed, or
            the outputs do not go.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "an ONNX file is made from a TensorFlow graph, and Keras runs on "
            f"{keras.backend.backend()} here; convert in a process with KERAS_BACKEND=tensorflow"
        )
    tail = tail_of(detector)
    model = _joined(dense_model(detector, size, batch), TAILS[outputs](tail))
    profile = profile_of(detector)
    facts = facts_of(detector, replace(profile, nms=outputs != "all-boxes" and tail.nms)) | {
        "outputs": outputs,
        "opset": OPSET,
        "size": size and list(size),
        "batch": batch,
        "precision": precision.name,
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = MEMBER, json.dumps(facts)
    return model


def with_score_threshold(model, detector, score_threshold):
    """Return a copy of a model of detections whose scores must be above `score_threshold`."""
    import numpy as np

    onnx = library("onnx", "onnx")
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    values = thresholds(tail_of(detector), score_threshold)
    for tensor in changed.graph.initializer:
        if tensor.name in ("threshold", "score_threshold"):
            value = np.asarray(values[tensor.name], np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    return changed


def save_onnx(model, path, precision=EXACT):
    """Write an `onnx.ModelProto` to `path`, atomically, its weights as `precision` says.

    Raises:
        ValueError: it is larger than the format allows.
        OSError: it cannot be written.
    """
    model = with_small_weights(model, precision.name)
    if model.ByteSize() > LARGEST:
        size = math.ceil(model.ByteSize() / 2**30)
        raise ValueError(f"{path}: {size} GiB do not fit into one ONNX file, whose limit is 2 GiB")
    with written_aside(path) as aside:
        Path(aside).write_bytes(model.SerializeToString())
