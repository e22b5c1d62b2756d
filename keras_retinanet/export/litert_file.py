"""A detector as a LiteRT file (`.tflite`): uint8 pictures of one size in, detections out.

All operators are built in. The profile is an entry of the file's metadata, which is written by the
format's own schema.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from keras_retinanet.export.dense import dense_function, tail_of
from keras_retinanet.export.libraries import library, quiet
from keras_retinanet.export.litert_int8 import with_int8
from keras_retinanet.export.precision import EXACT, HALF, INT8, Precision
from keras_retinanet.models.snapshot import MEMBER, facts_of, profile_of, written_aside
from keras_retinanet.utils.resizing import resize_rule

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # bytes, of tensors in a file; what the schema asks for


@dataclass(frozen=True)
class LiteRtModel:
    """What a file is made of.

    Attributes:
        content: bytes of the file.
        size: (height, width) of its pictures.
        batch: their number.
        precision: `Precision` of its numbers.
    """

    content: bytes
    size: tuple
    batch: int
    precision: Precision = EXACT


def fixed_shape(profile, size=None, batch=None):
    """Return ((height, width), batch) of a file: those that are given, or what holds any picture.

    Raises:
        ValueError: nothing says how large pictures are.
    """
    if size is None and profile.tile:
        size = profile.tile, profile.tile
    if size is None and not profile.resize:
        raise ValueError(
            "a LiteRT file has one size, and this network takes pictures as they are; give --size"
        )
    if size is None:
        is_square = resize_rule(profile.resize_rule).moves
        side = profile.image_min_side if is_square else profile.image_max_side
        size = side, side
    return tuple(size), batch or 1


def _function(detector, size, batch, outputs, score_threshold):
    """Return the TensorFlow function of pictures to what the file gives."""
    import tensorflow as tf

    from keras_retinanet.export.litert_tail import picture_detections

    preprocessing, tail = profile_of(detector).preprocessing, tail_of(detector)
    dense = dense_function(detector)
    kind = f"uint{preprocessing.bits}"
    spec = tf.TensorSpec((batch, *size, preprocessing.channels), kind, name="images")

    def detections(images):
        boxes, scores = dense(images)
        found = [
            picture_detections(boxes[image], scores[image], tail, score_threshold)
            for image in range(batch)
        ]
        values = (tf.stack(value) for value in zip(*found, strict=True))
        return dict(zip(("boxes", "scores", "labels"), values, strict=True))

    def all_boxes(images):
        boxes, scores = dense(images)
        return {"boxes": boxes, "scores": tf.sigmoid(scores) if tail.is_logits else scores}

    call = {"detections": detections, "all-boxes": all_boxes}[outputs]
    return tf.function(call, input_signature=[spec], autograph=False)


def _converted(function, half=False):
    """Return the bytes of the file of a TensorFlow function, operators built in only.

    `half`: with its weights in float16.

    Raises:
        ValueError: one of its operators is not.
    """
    import tensorflow as tf

    with quiet():
        concrete = function.get_concrete_function()
        holder = tf.Module()
        holder.call, holder.held = function, list(concrete.variables)  # others would be zeros
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        try:
            return converter.convert()
        except Exception as error:  # the converter's own class, which is private
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"LiteRT has no built-in operators for it: {reason}") from error


class _Buffer:
    """A buffer of a file, its data on `ALIGNMENT`, which the schema's Python forgets."""

    def __init__(self, schema, data):
        self._schema = schema
        self._data = b"" if data is None else bytes(data)

    def Pack(self, builder):  # noqa: N802, the schema calls it
        offset = None
        if self._data:
            builder.StartVector(1, len(self._data), ALIGNMENT)
            builder.head -= len(self._data)
            builder.Bytes[builder.head : builder.head + len(self._data)] = self._data
            offset = builder.EndVector()
        self._schema.BufferStart(builder)
        if offset is not None:
            self._schema.BufferAddData(builder, offset)
        return self._schema.BufferEnd(builder)


def _data(buffer, content):
    """Return the data of a buffer, which may lie behind the structure of a file."""
    if buffer.offset > 1:  # 0 and 1 stand for none
        return content[buffer.offset : buffer.offset + buffer.size]
    return buffer.data


def with_metadata(content, text):
    """Return the bytes of a file with `text` as its metadata entry `MEMBER`."""
    flatbuffers = library("flatbuffers", "litert")
    schema = library("ai_edge_litert.schema_py_generated", "litert")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    entry = schema.MetadataT()
    entry.name, entry.buffer = MEMBER, len(model.buffers)
    model.metadata = [*(model.metadata or []), entry]
    data = [_data(buffer, content) for buffer in model.buffers] + [text.encode()]
    model.buffers = [_Buffer(schema, one) for one in data]
    builder = flatbuffers.Builder(len(content) + len(text))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def metadata_of(content):
    """Return the text of the metadata entry `MEMBER` of a file, or None."""
    schema = library("ai_edge_litert.schema_py_generated", "litert")
    model = schema.Model.GetRootAs(content, 0)
    for place in range(model.MetadataLength()):
        entry = model.Metadata(place)
        if entry.Name() == MEMBER.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    return None


def litert_model(
    detector,
    size=None,
    batch=None,
    outputs="detections",
    score_threshold=None,
    precision=EXACT,
):
    """Return a detector as a `LiteRtModel` with the profile in its metadata.

    Args:
        detector: of `models.convert_model`, on TensorFlow.
        size, batch: see `fixed_shape`.
        outputs: "detections", or "all-boxes" for all boxes and scores.
        score_threshold: in place of the detector's.
        precision: `Precision` of its numbers.

    Raises:
        ValueError: Keras runs on another backend than TensorFlow, a library is not installed,
            there is no size, or an operator is not built in.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "a LiteRT file is made from a TensorFlow graph, and Keras runs on "
            f"{keras.backend.backend()} here; convert in a process with KERAS_BACKEND=tensorflow"
        )
    library("ai_edge_litert.schema_py_generated", "litert")  # before minutes are spent
    profile = profile_of(detector)
    size, batch = fixed_shape(profile, size, batch)
    function = _function(detector, size, batch, outputs, score_threshold)
    content = _converted(function, half=precision.name == HALF)
    if precision.name == INT8:
        content = with_int8(content, [np.stack([one] * batch) for one in precision.calibration])
    nms = outputs != "all-boxes" and tail_of(detector).nms
    own = {"outputs": outputs, "size": list(size), "batch": batch, "precision": precision.name}
    facts = facts_of(detector, replace(profile, nms=nms)) | own
    return LiteRtModel(with_metadata(content, json.dumps(facts)), size, batch, precision)


def with_score_threshold(model, detector, score_threshold):
    """Return a model as `model`, but whose scores must be above `score_threshold`."""
    shape = model.size, model.batch
    return litert_model(
        detector, *shape, score_threshold=score_threshold, precision=model.precision
    )


def save_litert(model, path):
    """Write a `LiteRtModel` to `path`, atomically.

    Raises:
        OSError: it cannot be written.
    """
    with written_aside(path) as aside:
        Path(aside).write_bytes(model.content)
