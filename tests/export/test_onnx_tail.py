"""From scores to detections in ONNX Runtime, equal to our own layer on any backend's truth."""

import keras
import numpy as np
import pytest

from keras_retinanet.export.dense import Tail
from tests.export.tails import CASES, USUAL, assert_same_rows, layer_rows, scene

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one backend is enough for files of others"
)


def session(tail):
    from keras_retinanet.export.onnx_tail import tail_model

    model = tail_model(tail)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("is_logits", [True, False], ids=["logits", "scores"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_tail_gives_what_the_layer_gives(case, is_logits):
    """Three pictures, the middle one empty."""
    boxes, logits = scene()
    scores = 1 / (1 + np.exp(-logits))
    given = {"dense_boxes": boxes, "dense_scores": logits if is_logits else scores}
    rule = USUAL | case
    found = session(Tail(classes=5, is_logits=is_logits, **rule)).run(
        ["boxes", "scores", "labels"], given
    )
    truth = layer_rows(boxes, scores, rule)
    assert_same_rows(found, truth)
    assert (found[2][1] == -1).all() and found[2].dtype == np.int32
