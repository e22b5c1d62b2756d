"""All boxes and scores before selection: what is kept of them is what the detector gives."""

import numpy as np
import pytest

from keras_retinanet.evaluation.misses import KEPT, follow
from keras_retinanet.models import convert_model
from keras_retinanet.predict.before_selection import dense_function, rules_of
from keras_retinanet.utils.detections import Placement
from tests.models.tiny import tiny_network


@pytest.mark.parametrize("options", [{}, {"nms": False}, {"class_specific_filter": False}], ids=str)
def test_what_is_kept_is_what_the_detector_gives(options):
    image = np.random.default_rng(0).uniform(-100, 100, (64, 96, 3)).astype(np.float32)
    scores = np.sort(
        convert_model(tiny_network(), score_threshold=0.0).predict_on_batch(image[None])[1]
    )
    threshold = float(scores[0, -40])
    detector = convert_model(
        tiny_network(), score_threshold=threshold, max_detections=20, **options
    )
    boxes, scores, labels = (each[0] for each in detector.predict_on_batch(image[None]))
    placement = Placement(scale=2.0, margin=0.5)
    dense = dense_function(detector)(image, placement, (31, 47))
    pairs = follow(dense, rules_of(detector, threshold, 0.5, 20))
    kept = pairs.fates == KEPT
    assert 0 < kept.sum() == (labels >= 0).sum()
    found = labels >= 0
    np.testing.assert_array_equal(pairs.labels[kept], labels[found])
    np.testing.assert_allclose(pairs.scores[kept], scores[found], rtol=1e-5)
    expected = placement.to_original(boxes[found])
    np.testing.assert_allclose(dense.boxes[pairs.anchors[kept]], expected, atol=1e-3)
    centres = (dense.anchors[:, :2] + dense.anchors[:, 2:]) / 2
    np.testing.assert_array_equal(dense.inside, (centres[:, 0] < 47) & (centres[:, 1] < 31))
    assert sum(dense.counts) == len(dense.boxes)
