"""The temperature of a model: scores told, thresholds given and stored, the order kept."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.snapshot import attach_profile, profile_of, save_snapshot
from keras_retinanet.predict import Detector
from keras_retinanet.utils.profile import Profile
from keras_retinanet.utils.temperature import tempered
from tests.models.tiny import tiny_network

PICTURE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


def finding(**changes):
    """Return a network whose scores in noise differ, with a changed profile."""
    network = tiny_network()
    rng = np.random.default_rng(0)
    layer = network.get_layer("classification_submodel").get_layer("pyramid_classification")
    layer.kernel.assign(rng.normal(0, 20, layer.kernel.shape))
    return attach_profile(network, replace(profile_of(network), **changes))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_scores_are_those_of_divided_logits(temperature):
    scores = np.array([0.0, 1e-6, 0.2, 0.5, 0.9, 1.0])
    inner = [1 / (1 + math.exp(-math.log(s / (1 - s)) / temperature)) for s in scores[1:-1]]
    expected = [0.0, *inner, 1.0]
    found = tempered(scores, temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(tempered(found, 1 / temperature), scores, rtol=1e-9)
    assert tempered(np.float32([-1.0, 0.3]), temperature)[0] == -1.0
    assert tempered(scores.astype(np.float32), temperature).dtype == np.float32


def test_predictions_keep_their_order_and_boxes():
    own = Detector(finding(), threshold=0.0, resize=False).predict(PICTURE)[0]
    told = Detector(finding(temperature=2.0), threshold=0.0, resize=False).predict(PICTURE)[0]
    assert len(own) > 20
    np.testing.assert_array_equal(told.boxes, own.boxes)
    np.testing.assert_array_equal(told.labels, own.labels)
    np.testing.assert_allclose(told.scores, tempered(own.scores, 2.0), rtol=1e-6)


def test_a_threshold_that_is_given_is_of_the_scores_told():
    network = finding(temperature=2.0)
    every = Detector(network, threshold=0.0, resize=False).predict(PICTURE)[0]
    middle = float(np.median(every.scores))
    some = Detector(network, threshold=middle, resize=False).predict(PICTURE)[0]
    assert 0 < len(some) < len(every)
    np.testing.assert_allclose(some.scores, every.scores[every.scores > middle], atol=1e-6)


def test_thresholds_stored_earlier_keep_the_same_detections():
    advised = {"advised_thresholds": (0.45, 0.6)}
    before = Detector(finding(**advised), resize=False).predict(PICTURE)[0]
    after = Detector(finding(temperature=0.4, **advised), resize=False)
    assert after.options.thresholds["square"] == pytest.approx(float(tempered(0.45, 0.4)))
    assert len(before) > 3
    np.testing.assert_array_equal(after.predict(PICTURE)[0].boxes, before.boxes)


def test_a_snapshot_carries_it_and_training_on_forgets_it(tmp_path):
    from keras_retinanet.models.snapshot import trained_profile

    save_snapshot(finding(temperature=2.0), tmp_path / "a.keras")
    network = models.load_model(tmp_path / "a.keras")
    assert profile_of(network).temperature == 2.0
    assert trained_profile(network).temperature == 1.0
    low = Detector(tmp_path / "a.keras", threshold=0.2, resize=False).predict(PICTURE)[0]
    own = Detector(network, threshold=0.2, resize=False).predict(PICTURE)[0]
    np.testing.assert_allclose(low.scores, own.scores, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        Profile(temperature=value)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by way of TensorFlow")
def test_an_exported_file_carries_it(tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    from keras_retinanet.export.proven import export

    detector = models.convert_model(finding(temperature=2.0), score_threshold=0.1)
    export(detector, tmp_path / "a.onnx")
    options = {"threshold": 0.4, "resize": False}
    both = (tmp_path / "a.onnx", detector)
    file, own = (Detector(model, **options).predict(PICTURE)[0] for model in both)
    assert len(own) > 3
    np.testing.assert_allclose(file.scores, own.scores, atol=1e-3)
