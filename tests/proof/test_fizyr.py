"""Files that Keras 2 itself wrote give the same outputs here as there.

Needs tf_keras beside TensorFlow (requirements-proof.txt).
"""

import importlib.util

import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from tests.proof.comparison import Detections, agreement, relative_difference
from tests.proof.sides import TOLERANCE, our_outputs

pytestmark = [
    pytest.mark.proof,
    pytest.mark.filterwarnings("ignore"),  # Keras 2's own
    pytest.mark.skipif(
        importlib.util.find_spec("tf_keras") is None,
        reason="tf_keras is not installed: pip install --no-deps -r requirements-proof.txt",
    ),
]
CASES = [
    pytest.param("mobilenet", {"alpha": 0.25}, "mobilenet224_0.25", "tf", id="mobilenet 0.25"),
    pytest.param("mobilenet", {"alpha": 0.75}, "mobilenet224_0.75", "tf", id="mobilenet 0.75"),
    pytest.param("resnet50", {}, "resnet50", "caffe", id="resnet50, keras-resnet 0.1"),
    pytest.param("resnet50", {"conv1_padding": "same"}, "resnet50", "caffe", id="resnet50, 0.2"),
    pytest.param("densenet121", {}, "densenet121", "tf", id="densenet121"),
    pytest.param("vgg16", {}, "vgg16", "caffe", id="vgg16"),
]
SIZES = [(97, 131), (128, 192), (224, 161)]
ANCHORS = AnchorParameters((20, 40, 80, 160, 320), (8, 16, 32, 64, 128), (0.5, 1, 2), (1, 1.25))


def old():
    from tests.weights import keras2_retinanet

    return keras2_retinanet


def images(size):
    return np.random.default_rng(3).normal(0, 1, (1, *size, 3)).astype("float32")


def cool(network):
    """Shrink the class head of `network` until no score is so near 1 that ranks are chance."""
    *_, kernel, bias = network.get_layer("classification_submodel").weights
    while network.predict_on_batch(images(SIZES[0]))[1].max() > 0.99:
        kernel.assign(kernel * 0.5)
        bias.assign(bias * 0.5)
    return network


def their_outputs(network, pictures):
    """Return (pyramid, deltas, logits) of Keras 2's network, as arrays."""
    import tf_keras

    head = network.get_layer("classification_submodel")
    logits = tf_keras.Model(head.input, head.get_layer("pyramid_classification_reshape").output)
    levels = [network.get_layer(f"P{level}").output for level in range(3, 8)]
    pyramid = tf_keras.Model(network.input, levels).predict_on_batch(pictures)
    logits = np.concatenate([logits.predict_on_batch(level) for level in pyramid], axis=1)
    return pyramid, network.predict_on_batch(pictures)[0], logits


def part_differences(ours, theirs, pictures):
    """Return {column of the table: relative difference}."""
    pyramid, deltas, logits, _ = our_outputs(ours, pictures)
    their_pyramid, their_deltas, their_logits = their_outputs(theirs, pictures)
    return {
        "pyramid": max(map(relative_difference, pyramid, their_pyramid)),
        "deltas": relative_difference(deltas, their_deltas),
        "logits": relative_difference(logits, their_logits),
    }


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "weights only"])
@pytest.mark.parametrize(("backbone", "options", "name", "mode"), CASES)
def test_a_training_model_of_keras_2_gives_its_outputs(
    backbone, options, name, mode, whole, tmp_path, record
):
    theirs = old().randomise(old().retinanet(backbone, 3, **options))
    theirs.compile(optimizer="adam", loss=["mse", "mse"])
    path = tmp_path / "model.h5"
    theirs.save(path) if whole else theirs.save_weights(path)
    ours = models.load_model(path)
    profile = profile_of(ours)
    assert (profile.backbone, profile.preprocessing) == (name, PREPROCESSINGS[mode])
    assert profile.num_classes == 3
    assert (profile.pyramid_features, profile.head_features) == (32, 24)
    for size in SIZES:
        found = part_differences(ours, theirs, images(size))
        for column, value in found.items():
            record(f"fizyr {name}", column, value)
        assert max(found.values()) <= TOLERANCE, found
        scores = (each.predict_on_batch(images(size))[1] for each in (ours, theirs))
        assert relative_difference(*scores) <= TOLERANCE


@pytest.mark.parametrize("backbone", ["mobilenet", "resnet50"])
def test_an_inference_model_of_keras_2_gives_its_detections(backbone, tmp_path, record):
    network = cool(old().randomise(old().retinanet(backbone, 2, num_anchors=6)))
    theirs = old().inference_model(
        network, ANCHORS, score_threshold=0.6, nms_threshold=0.4, max_detections=50
    )
    theirs.save(path := tmp_path / "inference.h5")
    ours = models.load_model(path)
    profile = profile_of(ours)
    assert profile.anchors == AnchorParameters(
        ANCHORS.sizes, ANCHORS.strides, ANCHORS.ratios, np.float32(ANCHORS.scales)
    )
    assert (profile.score_threshold, profile.nms_threshold) == (0.6, 0.4)
    for size in SIZES:
        boxes, scores, labels = ours.predict_on_batch(images(size))
        their_boxes, their_scores, their_labels = theirs.predict_on_batch(images(size))
        assert (scores > 0).sum() == (their_scores > 0).sum() >= 20
        assert np.array_equal(labels, their_labels)
        truth = Detections.of(their_boxes[0], their_scores[0], their_labels[0])
        edges = [profile.score_threshold, truth.scores.min()]
        found = agreement(Detections.of(boxes[0], scores[0], labels[0]), truth, edges, 0.4)
        record.detections(f"fizyr {profile.backbone}", found)
        found.check(least=20)
