"""The runner gives what `predict_on_batch` of its detector gives, for any sizes."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.predict.runner import Runner
from tests.models.tiny import tiny_network

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def detector():
    return models.convert_model(tiny_network(), score_threshold=0.001, max_detections=20)


def images(height, width, number=1):
    rng = np.random.default_rng(height)
    return rng.normal(size=(number, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("freeze", [False, True], ids=["variables", "frozen"])
def test_detections_are_the_detectors_for_sizes_in_any_order(detector, freeze):
    runner = Runner(detector, freeze=freeze)
    for size in ((64, 64), (37, 90), (65, 33), (64, 64, 3)):
        batch = images(*size)
        found = runner.predict_on_batch(batch)
        assert all(isinstance(value, np.ndarray) for value in found)
        for one, truth in zip(found, detector.predict_on_batch(batch), strict=True):
            np.testing.assert_allclose(one, truth, rtol=1e-4, atol=1e-3)


def test_float64_pictures_are_taken(detector):
    batch = images(64, 64)
    for one, truth in zip(
        Runner(detector).predict_on_batch(batch.astype(np.float64)),
        Runner(detector).predict_on_batch(batch),
        strict=True,
    ):
        np.testing.assert_allclose(one, truth, rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="freezing is TensorFlow's")
def test_later_weights_count_unless_frozen(detector):
    network = tiny_network(seed=3)
    changing = models.convert_model(network, score_threshold=0.001, max_detections=20)
    batch = images(64, 64)
    live, frozen = Runner(changing), Runner(changing, freeze=True)
    before = live.predict_on_batch(batch)
    network.set_weights([weight * 1.5 for weight in network.get_weights()])
    assert not np.allclose(live.predict_on_batch(batch)[1], before[1], rtol=1e-3)
    for one, truth in zip(frozen.predict_on_batch(batch), before, strict=True):
        np.testing.assert_allclose(one, truth, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="tracing is TensorFlow's")
def test_one_graph_serves_all_sizes(detector, monkeypatch):
    traces, call = [], type(detector).__call__

    def counted(self, *args, **kwargs):
        if self is detector:
            traces.append(1)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(type(detector), "__call__", counted)
    runner = Runner(detector)
    for size in (64, 65, 96):
        runner.predict_on_batch(images(size, size))
    assert len(traces) == 1
