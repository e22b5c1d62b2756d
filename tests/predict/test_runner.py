"""The runner gives what `predict_on_batch` of its detector gives, for any sizes."""

import threading
from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.retinanet import retinanet_bbox
from keras_retinanet.predict import runner as module
from keras_retinanet.predict.runner import Runner
from keras_retinanet.utils.normalisation import preprocessing_of
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
    runner.settle()
    assert runner.is_frozen == (freeze and ON_TENSORFLOW)
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


@pytest.mark.parametrize("freeze", [False, True], ids=["variables", "frozen"])
def test_a_detector_of_pictures_and_sizes_clips_to_each_picture(freeze):
    detector = retinanet_bbox(
        tiny_network(), score_threshold=0.001, max_detections=20, sizes=keras.Input((2,))
    )
    runner = Runner(detector, freeze=freeze)
    runner.settle()
    batch, sizes = images(64, 96, 2), np.array([[64, 96], [40, 50]])
    found = runner.predict_on_batch(batch, sizes)
    truth = detector.predict_on_batch([batch, sizes.astype(np.float32)])
    for one, other in zip(found, truth, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    assert found[0][1, :, [0, 2]].max() <= 49 and found[0][1, :, [1, 3]].max() <= 39


@pytest.mark.numerics
@pytest.mark.parametrize("takes_sizes", [False, True], ids=["images", "images and sizes"])
@pytest.mark.parametrize("pad_multiple", [1, 32])
def test_levels_are_detected_as_preprocessed_pictures_are(pad_multiple, takes_sizes):
    """By hand: red first, scaled, zero beyond the picture where the network pads."""
    network = tiny_network()
    preprocessing = preprocessing_of("torch_rgb")
    more = {"preprocessing": preprocessing, "pad_multiple": pad_multiple}
    profile = replace(models.snapshot.profile_of(network), **more)
    inputs = {"sizes": keras.Input((2,))} if takes_sizes else {}
    options = {"score_threshold": 0.001, "max_detections": 20, **inputs}
    detector = retinanet_bbox(network, **options)
    levels = np.random.default_rng(1).integers(0, 256, (2, 64, 96, 3), np.uint8)
    sizes = np.array([[64, 96], [40, 50]])
    images = (levels[..., ::-1] / 255 - preprocessing.mean) / preprocessing.std
    if pad_multiple > 1:
        images[1, 40:], images[1, :, 50:] = 0, 0
    images = images.astype(np.float32)
    given = [images, sizes.astype(np.float32)] if takes_sizes else images
    found = Runner(detector, profile=profile).predict_on_batch(levels, sizes)
    for one, truth in zip(found, detector.predict_on_batch(given), strict=True):
        np.testing.assert_allclose(one, truth, rtol=1e-4, atol=1e-3)
    assert (found[1] > 0).sum() > 10


@pytest.mark.skipif(not ON_TENSORFLOW, reason="freezing is TensorFlow's")
def test_weights_count_until_they_are_frozen():
    network = tiny_network(seed=3)
    changing = models.convert_model(network, score_threshold=0.001, max_detections=20)
    batch = images(64, 64)
    live, frozen = Runner(changing), Runner(changing, freeze=True)
    before = live.predict_on_batch(batch)
    frozen.settle()
    network.set_weights([weight * 1.5 for weight in network.get_weights()])
    assert not np.allclose(live.predict_on_batch(batch)[1], before[1], rtol=1e-3)
    for one, truth in zip(frozen.predict_on_batch(batch), before, strict=True):
        np.testing.assert_allclose(one, truth, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="freezing is TensorFlow's")
def test_no_answer_waits_for_freezing(detector, monkeypatch):
    batch, may_end = images(64, 64), threading.Event()
    make = module._frozen_function

    def slowly(*arguments):
        assert may_end.wait(60)
        return make(*arguments)

    monkeypatch.setattr(module, "_frozen_function", slowly)
    runner = Runner(detector, freeze=True)
    answers = [runner.predict_on_batch(batch) for _ in range(module.FREEZE_AFTER + 2)]
    assert not runner.is_frozen
    may_end.set()
    runner.settle()
    assert runner.is_frozen
    for one, truth in zip(runner.predict_on_batch(batch), answers[-1], strict=True):
        np.testing.assert_allclose(one, truth, rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="freezing is TensorFlow's")
def test_where_freezing_fails_answers_go_on_and_settle_says_why(detector, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no")

    monkeypatch.setattr(module, "_frozen_function", fail)
    runner = Runner(detector, freeze=True)
    with pytest.raises(RuntimeError, match="no"):
        runner.settle()
    assert len(runner.predict_on_batch(images(64, 64))) == 3 and not runner.is_frozen


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
