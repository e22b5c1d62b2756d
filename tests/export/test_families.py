"""Networks of every family give in ONNX Runtime what they give in Keras, all boxes and scores."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.utils.families import FAMILIES

pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="files are written by way of TensorFlow"
    ),
]
SIZES = ((1, 131, 165), (2, 128, 96))  # pictures, height, width; the first no multiple of anything


def drawn_detector(family):
    """Return a small detector of a family whose last layers are drawn."""
    keras.utils.set_random_seed(0)
    profile = replace(
        FAMILIES[family],
        backbone="resnet18",
        classes=("a", "b", "c"),
        pyramid_features=32,
        head_features=32,
        head_layers=1,
    )
    network = models.backbone("resnet18").retinanet(3, profile=profile)
    rng = np.random.default_rng(0)
    for name, spread in (("classification", 0.1), ("regression", 0.02)):  # sides grow by e^delta
        layer = network.get_layer(f"{name}_submodel").get_layer(f"pyramid_{name}")
        layer.kernel.assign(rng.normal(0, spread, layer.kernel.shape))
    return models.convert_model(network)


@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_and_scores_are_those_of_keras(family):
    from keras_retinanet.export.dense import dense_function, tail_of
    from keras_retinanet.export.onnx_file import onnx_model

    detector = drawn_detector(family)
    content = onnx_model(detector, outputs="all-boxes").SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    for size in SIZES:
        levels = rng.integers(0, 256, (*size, 3), np.uint8)
        boxes, scores = (np.asarray(value) for value in dense_function(detector)(levels))
        if tail_of(detector).is_logits:
            scores = 1 / (1 + np.exp(-scores))
        found = session.run(["boxes", "scores"], {"images": levels})
        assert np.ptp(scores[np.isfinite(scores)]) > 0.001
        np.testing.assert_allclose(found[0], boxes, rtol=1e-3, atol=0.01)
        np.testing.assert_allclose(found[1], scores, atol=1e-4)
