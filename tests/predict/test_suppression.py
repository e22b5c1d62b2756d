"""Soft-NMS and weighted boxes fusion, against hand tables and a loop from the papers."""

import math

import numpy as np
import pytest

from keras_retinanet.predict.suppression import fused, suppressed
from keras_retinanet.utils.detections import NOTHING, Detections


def detections(*rows):
    """Return `Detections` of rows (label, score, x1, y1, x2, y2)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, 2:], table[:, 1], table[:, 0].astype(np.int32))


# B lies half in A: 50 shared of 150; C is of another class at A's place
A, B, C = (0, 0.8, 0, 0, 10, 10), (0, 0.6, 5, 0, 15, 10), (1, 0.5, 0, 0, 10, 10)
OVERLAP = 50 / 150


@pytest.mark.parametrize(
    ("decay", "threshold", "within", "scores"),
    [
        ("hard", 0.3, "class", [0.8, 0.5]),
        ("hard", 0.4, "class", [0.8, 0.6, 0.5]),
        ("hard", 0.4, "all", [0.8, 0.6]),
        ("linear", 0.3, "class", [0.8, 0.5, 0.6 * (1 - OVERLAP)]),
        ("linear", 0.4, "class", [0.8, 0.6, 0.5]),
        ("gaussian", 0.9, "class", [0.8, 0.5, 0.6 * math.exp(-(OVERLAP**2) / 0.5)]),
    ],
)
def test_scores_decay_as_by_hand(decay, threshold, within, scores):
    found = suppressed(detections(A, B, C), decay, threshold, 0.05, within)
    np.testing.assert_allclose(found.scores, sorted(scores, reverse=True), rtol=1e-6)


def test_nothing_stays_nothing():
    assert len(suppressed(NOTHING, "gaussian", 0.5, 0.0)) == 0
    assert len(fused([NOTHING, NOTHING], 0.0)) == 0


def test_what_decays_to_the_floor_goes():
    found = suppressed(detections(A, C), "linear", 0.5, 0.05, within="all")
    assert found.scores.tolist() == pytest.approx([0.8])


def slow_soft_nms(found, decay, threshold, floor):
    """Return [(score, index), …] by figure 2 of Bodla et al. 2017, box by box."""
    scores, left, kept = list(map(float, found.scores)), set(range(len(found))), []
    while left:
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        if scores[best] <= floor:
            break
        kept.append((scores[best], best))
        for i in left:
            if found.labels[i] != found.labels[best]:
                continue
            a, b = found.boxes[best].astype(float), found.boxes[i].astype(float)
            w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
            h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
            areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
            iou = w * h / (sum(areas) - w * h)
            if decay == "gaussian":
                scores[i] *= math.exp(-(iou**2) / 0.5)
            elif iou >= threshold:
                scores[i] *= 1 - iou
    return kept


@pytest.mark.parametrize("decay", ["gaussian", "linear"])
def test_drawn_boxes_decay_as_in_the_papers_loop(decay):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 30, (60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 30, (60, 2))], axis=1)
    found = Detections(
        boxes.astype(np.float32), rng.uniform(0.1, 1, 60).astype(np.float32), rng.integers(0, 2, 60)
    )
    expected = slow_soft_nms(found, decay, 0.4, 0.1)
    got = suppressed(found, decay, 0.4, 0.1)
    np.testing.assert_allclose(got.scores, [score for score, _ in expected], rtol=1e-5)
    np.testing.assert_array_equal(got.boxes, found.boxes[[index for _, index in expected]])


def test_views_are_fused_by_score_as_by_hand():
    one = detections((0, 0.8, 0, 0, 10, 10), (1, 0.5, 0, 0, 10, 10))
    other = detections((0, 0.4, 3, 0, 13, 10), (0, 0.6, 50, 50, 60, 60))
    found = fused([one, other], 0.1, fused_from=0.5)  # 70 of 130 shared: 0.54
    # (0 * 0.8 + 3 * 0.4) / 1.2 = 1; the others were seen once of twice
    assert found.labels.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.scores, [0.6, 0.3, 0.25], rtol=1e-6)
    np.testing.assert_allclose(
        found.boxes, [[1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 10, 10]], atol=1e-5
    )


def test_one_object_seen_alike_in_all_views_keeps_box_and_score():
    view = detections(A, C)
    found = fused([view] * 4, 0.0)
    np.testing.assert_allclose(found.boxes, view.boxes)
    np.testing.assert_allclose(found.scores, view.scores, rtol=1e-6)


def test_fused_scores_below_the_floor_go():
    assert len(fused([detections(A), NOTHING], 0.45)) == 0
