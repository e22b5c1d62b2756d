"""`Detect` equals decoding, clipping and filtering everything, one layer after the other."""

import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import ClipBoxes, Detect, FilterDetections, RegressBoxes
from tests.backends import array

pytestmark = pytest.mark.numerics

SIZE = (50, 70)


def random_outputs(seed=0, images=3, anchors=40, classes=3):
    """Return images, anchors [B, N, 4], deltas [B, N, 4], logits [B, N, K], others."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(-10, 60, (anchors, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 40, (anchors, 2))], axis=-1)
    values = (
        np.zeros((images, *SIZE, 3)),
        np.broadcast_to(boxes, (images, anchors, 4)),
        rng.normal(0, 1, (images, anchors, 4)),
        rng.normal(-2, 2, (images, anchors, classes)),
        rng.normal(0, 1, (images, anchors, 2)),
    )
    return [ops.convert_to_tensor(value.astype(np.float32)) for value in values]


def in_a_row(images, anchors, deltas, scores, other, **options):
    boxes = ClipBoxes()([images, RegressBoxes()([anchors, deltas])])
    return FilterDetections(**options)([boxes, scores, other])


OPTIONS = {
    "as in 1.0": {},
    "best class only": {"class_specific_filter": False},
    "no suppression": {"nms": False},
    "few candidates": {"candidates": 7},
    "a high threshold": {"score_threshold": 0.6},
    "nothing above the threshold": {"score_threshold": 1.0},
    "everything above the threshold": {"score_threshold": 0.0},
}


@pytest.mark.parametrize(
    ("activation", "options"),
    [*(("sigmoid", options) for options in OPTIONS.values()), ("linear", {})],
    ids=[*(f"logits, {name}" for name in OPTIONS), "scores, as in 1.0"],
)
def test_detecting_equals_the_three_layers(activation, options):
    images, anchors, deltas, logits, other = random_outputs()
    options = {"max_detections": 15, **options}
    scores = ops.sigmoid(logits)
    expected = in_a_row(images, anchors, deltas, scores, other, **options)
    classes = {"sigmoid": logits, "linear": scores}[activation]
    layer = Detect(activation=activation, **options)
    found = layer([images, anchors, deltas, classes, other])
    for one, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(array(one), array(truth), rtol=1e-5, atol=1e-4)
    counts = (array(expected[1]) >= 0).sum(axis=1)
    assert (counts == 0).all() == (options.get("score_threshold") == 1.0)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="linear or sigmoid. Received: 'softmax'"):
        Detect(activation="softmax")
