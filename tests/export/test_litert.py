"""LiteRT files: from scores to detections as our own layer, built-in operators, metadata."""

import keras
import numpy as np
import pytest

from keras_retinanet.export.dense import Tail
from tests.export.tails import CASES, USUAL, assert_same_rows, layer_rows, scene

interpreter = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="the extra litert is not installed"
)
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files are written by way of TensorFlow"
)


def tail_file(rule, is_logits):
    """Return the bytes of a file of the tail alone, of one picture of `scene`."""
    import tensorflow as tf

    from keras_retinanet.export.litert_file import _converted
    from keras_retinanet.export.litert_tail import picture_detections

    tail = Tail(classes=5, is_logits=is_logits, **rule)
    specs = [tf.TensorSpec((300, 4), name="given_boxes"), tf.TensorSpec((300, 5), name="given")]

    def call(given_boxes, given):
        found = picture_detections(given_boxes, given, tail)
        return dict(zip(("boxes", "scores", "labels"), found, strict=True))

    return _converted(tf.function(call, input_signature=specs, autograph=False))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_tail_gives_what_the_layer_gives(case):
    """Three pictures, the middle one empty; scores in place of logits in one case."""
    rule, is_logits = USUAL | case, case != {}
    boxes, logits = scene()
    scores = 1 / (1 + np.exp(-logits))
    opened = interpreter.Interpreter(model_content=tail_file(rule, is_logits))
    assert not any("Flex" in one["op_name"] for one in opened._get_ops_details())
    run = opened.get_signature_runner()
    given = logits if is_logits else scores
    rows = [run(given_boxes=boxes[image], given=given[image]) for image in range(3)]
    found = [np.stack([row[name] for row in rows]) for name in ("boxes", "scores", "labels")]
    assert_same_rows(found, layer_rows(boxes, scores, rule))
    assert (found[2][1] == -1).all() and found[2].dtype == np.int32


def test_metadata_is_read_back_and_leaves_tensors_aligned():
    from ai_edge_litert import schema_py_generated as schema

    from keras_retinanet.export.litert_file import ALIGNMENT, metadata_of, with_metadata

    content = tail_file(USUAL, True)
    assert metadata_of(content) is None
    changed = with_metadata(content, '{"name": "Äpfel"}')
    assert metadata_of(changed) == '{"name": "Äpfel"}'
    old, new = (schema.Model.GetRootAs(one, 0) for one in (content, changed))
    for place in range(old.BuffersLength()):
        first, second = old.Buffers(place), new.Buffers(place)
        assert first.DataLength() == second.DataLength()
        if first.DataLength():
            assert first.DataAsNumpy().tobytes() == second.DataAsNumpy().tobytes()
            offset = second._tab.Vector(second._tab.Offset(4))
            assert offset % ALIGNMENT == 0


def test_files_of_others_are_refused(tmp_path):
    from keras_retinanet.predict import Detector

    (tmp_path / "o.tflite").write_bytes(b"no flatbuffer")
    with pytest.raises(ValueError, match=r"o\.tflite: LiteRT cannot open it: it is no model"):
        Detector(tmp_path / "o.tflite")
    (tmp_path / "o.tflite").write_bytes(tail_file(USUAL, True))
    with pytest.raises(ValueError, match=r"o\.tflite: has no profile of keras_retinanet"):
        Detector(tmp_path / "o.tflite")


def test_a_file_without_a_size_takes_what_holds_any_picture():
    from dataclasses import replace

    from keras_retinanet.export.litert_file import fixed_shape
    from tests.models.tiny import PROFILE

    asked = replace(PROFILE, image_min_side=96, image_max_side=128)
    assert fixed_shape(asked) == ((128, 128), 1)
    assert fixed_shape(asked, (64, 96), 2) == ((64, 96), 2)
    assert fixed_shape(replace(asked, resize_rule="letterbox")) == ((96, 96), 1)
    with pytest.raises(ValueError, match="give --size"):
        fixed_shape(replace(asked, resize=False))
