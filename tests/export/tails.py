"""Ways from scores to detections, and what our own layer makes of them."""

import keras
import numpy as np

from keras_retinanet.layers import FilterDetections

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


def scene():
    """Return boxes [3, 300, 4] and logits [3, 300, 5] of three pictures, the middle one empty."""
    rng = np.random.default_rng(0)
    centres, sides = rng.uniform(0, 100, (3, 300, 2)), rng.uniform(5, 40, (3, 300, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], -1).astype(np.float32)
    logits = rng.normal(-2, 1.5, (3, 300, 5)).astype(np.float32)
    logits[1] -= 20
    logits[2] += 2  # its best outnumber those of the first, whose slots they must not take
    return boxes, logits


def layer_rows(boxes, scores, rule):
    """Return boxes, scores and labels of `FilterDetections(**rule)`."""
    return [
        keras.ops.convert_to_numpy(value) for value in FilterDetections(**rule)([boxes, scores])
    ]


def assert_same_rows(found, truth):
    """Assert that boxes, scores and labels are equal, rows in the same order."""
    np.testing.assert_array_equal(found[2], truth[2])
    np.testing.assert_allclose(found[1], truth[1], atol=1e-6)
    np.testing.assert_allclose(found[0], truth[0], atol=1e-4)
