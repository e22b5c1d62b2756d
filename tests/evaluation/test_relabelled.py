"""A model's labels become the dataset's by the names of classes."""

import numpy as np
import pytest

from keras_retinanet.bin import evaluate
from keras_retinanet.evaluation import Truths, average_precisions
from keras_retinanet.evaluation.detect import Detections
from keras_retinanet.evaluation.relabelled import Relabelled, new_labels
from keras_retinanet.utils.profile import Profile
from keras_retinanet.weights.coco_classes import NAMES


@pytest.mark.parametrize(
    ("classes", "known", "labels"),
    [
        ((), ("cat",), [-1]),
        (("cat", "dog"), ("cat", "dog"), [0, 1]),
        (("dog", "", "cat"), ("cat", "cow", "dog"), [2, -1, 0]),
        (("Motorbike",), ("bicycle", "motorcycle"), [-1, 0]),
        (("traffic_light", "tvmonitor"), ("tv", "traffic light"), [1, 0]),
    ],
    ids=["none", "the same", "another order", "a synonym", "another spelling"],
)
def test_labels_follow_the_names_of_classes(classes, known, labels):
    assert new_labels(classes, known).tolist() == labels


def test_classes_that_the_model_lacks_are_named():
    with pytest.raises(KeyError) as caught:
        new_labels(("cat", "yak", "sofa", "couch"), ("cat", "couch"))
    assert caught.value.args == ("yak", "couch")  # sofa came first


class Fixed:
    """A detector that always finds the same."""

    output_names = ("boxes", "scores", "labels")

    def predict_on_batch(self, images):
        boxes = np.float32([[(0, 0, 9, 9), (5, 5, 20, 20), (1, 1, 4, 4), (-1, -1, -1, -1)]])
        return [boxes, np.float32([[0.9, 0.8, 0.7, -1]]), np.int32([[2, 0, 1, -1]])]


def test_what_has_no_label_in_the_dataset_is_padding():
    boxes, scores, labels = Relabelled(Fixed(), np.int32([1, -1, 0])).predict_on_batch(None)
    assert labels.tolist() == [[0, 1, -1, -1]]
    assert scores.tolist() == [[pytest.approx(0.9), pytest.approx(0.8), -1, -1]]
    assert boxes[0, :, 0].tolist() == [0, 5, -1, -1]


def test_a_perfect_detector_of_coco_stays_perfect_on_classes_in_another_order():
    """Each class of a dataset with COCO's classes from z to a has one object and one detection."""
    classes = tuple(sorted(NAMES, reverse=True))
    labels = evaluate.labels_for(Profile(classes=NAMES), classes, "model")
    boxes = np.arange(80)[:, None] * 10 + np.float32([[0, 0, 8, 8]])
    truth = Truths(boxes.astype(np.float64), np.array([classes.index(name) for name in NAMES]))
    found = Detections(boxes, np.linspace(0.9, 0.1, 80), labels[np.arange(80)])
    by_class = average_precisions([truth], [found], range(80), 0.5)
    assert all(numbers == (1.0, 1) for numbers in by_class.values())


def test_a_model_that_knows_more_than_the_dataset_says_so():
    said = []
    labels = evaluate.labels_for(Profile(classes=NAMES), ("dog", "person"), "m.pth", said.append)
    assert np.flatnonzero(labels >= 0).tolist() == [0, NAMES.index("dog")]
    assert said == ["m.pth: detections of 78 of its classes, which the dataset lacks, are left out"]


def test_the_same_classes_and_classes_without_names_need_no_new_labels():
    assert evaluate.labels_for(Profile(classes=("a", "b")), ("a", "b"), "m") is None
    assert evaluate.labels_for(Profile(classes=("", "")), ("a", "b"), "m") is None
    with pytest.raises(ValueError, match="m: its 2 classes"):
        evaluate.labels_for(Profile(classes=("", "")), ("a", "b", "c"), "m")
