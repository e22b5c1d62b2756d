"""From scores to detections in ONNX Runtime, equal to our own layer on any backend's truth."""

import keras
import numpy as np
import pytest

from keras_retinanet.export.dense import Tail
from keras_retinanet.layers import FilterDetections

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one backend is enough for files of others"
)
USUAL = {
    "score_threshold": 0.3,
    "max_detections": 20,
    "nms": True,
    "nms_threshold": 0.5,
    "nms_within": "class",
    "class_specific_filter": True,
}
CASES = {
    "usual": {},
    "a box suppresses other classes": {"nms_within": "all"},
    "the best class of a box": {"class_specific_filter": False},
    "no suppression": {"nms": False},
    "nothing above the threshold": {"score_threshold": 0.9999},
    "more slots than detections": {"max_detections": 900},
}


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
    rng = np.random.default_rng(0)
    centres, sides = rng.uniform(0, 100, (3, 300, 2)), rng.uniform(5, 40, (3, 300, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], -1).astype(np.float32)
    logits = rng.normal(-2, 1.5, (3, 300, 5)).astype(np.float32)
    logits[1] -= 20
    logits[2] += 2  # its best outnumber those of the first, whose slots they must not take
    scores = 1 / (1 + np.exp(-logits))
    given = {"dense_boxes": boxes, "dense_scores": logits if is_logits else scores}
    rule = USUAL | case
    found = session(Tail(classes=5, is_logits=is_logits, **rule)).run(
        ["boxes", "scores", "labels"], given
    )
    truth = [
        keras.ops.convert_to_numpy(value) for value in FilterDetections(**rule)([boxes, scores])
    ]
    np.testing.assert_array_equal(found[2], truth[2])
    np.testing.assert_allclose(found[1], truth[1], atol=1e-6)
    np.testing.assert_allclose(found[0], truth[0], atol=1e-4)
    assert (found[2][1] == -1).all() and found[2].dtype == np.int32
