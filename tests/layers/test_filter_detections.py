"""From scores to detections against slow loops, TensorFlow's own suppression, and by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import FilterDetections
from keras_retinanet.layers.filter_detections import filter_detections
from tests import reference
from tests.backends import array

pytestmark = pytest.mark.numerics

SLOTS = 10


def random_images(seed=0, images=4, boxes=30, classes=3, side=60, scale=1.0):
    """Return boxes [B, N, 4] and scores [B, N, K]; image 0 has no score above 0.05."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, side, (images, boxes, 2))
    found = np.concatenate([low, low + rng.uniform(5, side, low.shape)], axis=-1) * scale
    scores = rng.uniform(0, 1, (images, boxes, classes)) ** 2
    scores[0] *= 0.04
    return found.astype(np.float32), scores.astype(np.float32)


def filtered(boxes, scores, other=(), **options):
    layer = FilterDetections(**{"max_detections": SLOTS, **options})
    inputs = [ops.convert_to_tensor(np.asarray(v)) for v in (boxes, scores, *other)]
    return [array(value) for value in layer(inputs)]


def assert_equals_loops(found, boxes, scores, **options):
    options = {"max_detections": SLOTS, **options}
    for image in range(len(boxes)):
        truth = reference.filter_detections(boxes[image], scores[image], **options)
        expected = reference.padded(truth, boxes[image], options["max_detections"])
        for one, other in zip(found[:3], expected, strict=True):
            np.testing.assert_allclose(one[image], other, rtol=1e-6)


OPTIONS = {
    "as in 1.0": {},
    "best class only": {"class_specific_filter": False},
    "no suppression": {"nms": False},
    "neither": {"nms": False, "class_specific_filter": False},
    "thresholds": {"score_threshold": 0.4, "nms_threshold": 0.2},
    "more slots than candidates": {"max_detections": 100},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_detections_equal_loops(options):
    boxes, scores = random_images()
    found = filtered(boxes, scores, **options)
    assert found[2].dtype == np.int32
    assert (found[1][0] == -1).all()
    assert (found[1][1:, 0] > 0.4).all()
    assert_equals_loops(found, boxes, scores, **options)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its own op is the truth")
@pytest.mark.parametrize("flipped", [False, True], ids=["boxes", "boxes with swapped corners"])
def test_detections_equal_tensorflows_suppression_class_by_class(flipped):
    import tensorflow as tf

    boxes, scores = random_images(seed=5, boxes=80)
    if flipped:
        boxes[:, ::3] = boxes[:, ::3, [2, 3, 0, 1]]
    found = filtered(boxes, scores, max_detections=30)
    for image in range(len(boxes)):
        expected = []
        for label in range(3):
            index = np.flatnonzero(scores[image, :, label] > 0.05)
            kept = tf.image.non_max_suppression(
                boxes[image][index], scores[image][index, label], 30, iou_threshold=0.5
            )
            expected += [(scores[image, a, label], label, a) for a in index[kept.numpy()]]
        expected = sorted(expected, key=lambda one: -one[0])[:30]
        count = len(expected)
        np.testing.assert_array_equal(found[1][image][:count], [one[0] for one in expected])
        assert found[2][image][:count].tolist() == [one[1] for one in expected]
        np.testing.assert_array_equal(
            found[0][image][:count], boxes[image][[one[2] for one in expected]].reshape(-1, 4)
        )
        assert (found[1][image][count:] == -1).all()


def test_boxes_with_swapped_corners_cover_the_same_area_on_every_backend():
    """A network may decode x2 left of x1; `tf.image` takes the corners as they are meant."""
    boxes = np.float32([[(0, 0, 10, 10), (10, 10, 0, 0), (10, 0, 0, 10), (40, 40, 20, 20)]])
    scores = np.float32([[[0.9], [0.8], [0.7], [0.6]]])
    found = filtered(boxes, scores)
    assert found[0][0, :3].tolist() == [[0, 0, 10, 10], [40, 40, 20, 20], [-1, -1, -1, -1]]


def test_swapped_corners_do_not_mix_classes():
    boxes = np.float32([[(30, 30, 0, 0), (0, 0, 30, 30), (1, 1, 30, 30), (29, 29, 31, 31)]])
    scores = np.float32([[[0.9, 0.85], [0.0, 0.8], [0.7, 0.0], [0.1, 0.2]]])
    found = filtered(boxes, scores)
    assert found[1][0, :5].tolist() == pytest.approx([0.9, 0.85, 0.2, 0.1, -1])
    assert found[2][0, :5].tolist() == [0, 1, 1, 0, -1]


def test_ties_go_to_the_first_anchor_and_then_the_first_class():
    boxes = np.float32([[(0, 0, 10, 10), (20, 0, 30, 10), (20, 0, 30, 10), (40, 0, 50, 10)]])
    scores = np.float32([[[0.5, 0.2], [0.5, 0.5], [0.5, 0.0], [0.9, 0.5]]])
    found = filtered(boxes, scores)
    assert found[1][0, :6].tolist() == pytest.approx([0.9, 0.5, 0.5, 0.5, 0.5, 0.2])
    assert found[0][0, :6, 0].tolist() == [40, 0, 20, 20, 40, 0]
    assert found[2][0, :6].tolist() == [0, 0, 0, 1, 1, 1]


def test_only_the_best_are_kept_where_slots_are_few():
    boxes, scores = random_images(seed=2)
    many, few = (
        filtered(boxes, scores, max_detections=SLOTS),
        filtered(boxes, scores, max_detections=3),
    )
    for one, other in zip(many, few, strict=True):
        np.testing.assert_array_equal(one[:, :3], other)


def test_a_score_on_the_threshold_is_none():
    boxes = np.float32([[(0, 0, 10, 10), (20, 0, 30, 10)]])
    scores = np.float32([[[0.5], [0.50001]]])
    found = filtered(boxes, scores, score_threshold=0.5)
    assert found[1][0, :2].tolist() == [np.float32(0.50001), -1]
    assert found[0][0, 0].tolist() == [20, 0, 30, 10]


def test_a_box_that_overlaps_by_exactly_the_threshold_stays():
    boxes = np.float32([[(0, 0, 10, 10), (0, 0, 10, 5), (30, 0, 40, 10), (30, 0, 40, 5.1)]])
    scores = np.float32([[[0.9], [0.8], [0.7], [0.6]]])
    found = filtered(boxes, scores)
    assert found[1][0, :4].tolist() == pytest.approx([0.9, 0.8, 0.7, -1])


def test_boxes_without_area_suppress_nothing():
    boxes = np.float32([[(5, 5, 5, 5), (5, 5, 5, 5), (0, 5, 10, 5), (0, 0, 10, 10)]])
    found = filtered(boxes, np.float32([[[0.9], [0.8], [0.7], [0.6]]]))
    assert found[1][0, :5].tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, -1])


def test_one_box_may_stand_under_two_classes_or_under_its_best_only():
    boxes, scores = np.float32([[(0, 0, 10, 10)]]), np.float32([[[0.6, 0.9, 0.01]]])
    assert filtered(boxes, scores)[2][0, :3].tolist() == [1, 0, -1]
    best = filtered(boxes, scores, class_specific_filter=False)
    assert best[2][0, :3].tolist() == [1, -1, -1]


def test_without_the_class_filter_boxes_of_all_classes_suppress_each_other():
    """As keras-retinanet 1.0.0 does, run on these numbers; KerasHub likewise."""
    boxes = np.float32([[(0, 0, 10, 10), (0, 0, 10, 9), (50, 50, 60, 60)]])
    scores = np.float32([[[0.9, 0.1], [0.1, 0.8], [0.3, 0.7]]])
    by_class = filtered(boxes, scores, score_threshold=0.2)
    assert by_class[1][0, :5].tolist() == pytest.approx([0.9, 0.8, 0.7, 0.3, -1])
    best = filtered(boxes, scores, score_threshold=0.2, class_specific_filter=False)
    assert best[1][0, :3].tolist() == pytest.approx([0.9, 0.7, -1])
    assert best[2][0, :3].tolist() == [0, 1, -1]


def test_coordinates_too_large_for_the_offset_trick_keep_classes_apart():
    boxes, scores = random_images(seed=3, scale=3000.0)
    assert boxes.max() > 2**15
    assert_equals_loops(filtered(boxes, scores), boxes, scores)


def test_other_outputs_follow_their_boxes():
    boxes, scores = random_images(seed=4)
    rows = np.arange(boxes.shape[1], dtype=np.int32)
    other = np.broadcast_to(rows, boxes.shape[:2]), boxes[..., None] * 2
    found = filtered(boxes, scores, other)
    for image in range(len(boxes)):
        for slot, anchor in enumerate(found[3][image]):
            if found[1][image, slot] < 0:
                assert anchor == -1
                assert (found[4][image, slot] == -1).all()
            else:
                np.testing.assert_array_equal(found[0][image, slot], boxes[image, anchor])
                np.testing.assert_array_equal(found[4][image, slot, :, 0], boxes[image, anchor] * 2)


@pytest.mark.parametrize("nms", [True, False])
def test_candidates_limit_how_many_pairs_reach_suppression(nms):
    boxes, scores = random_images(seed=6)
    found = filtered(boxes, scores, candidates=5, nms=nms)
    for image in range(1, len(boxes)):
        least = np.sort(scores[image].ravel())[-5]
        limited = np.where(scores[image] >= least, scores[image], 0)
        truth = reference.filter_detections(boxes[image], limited, nms=nms)
        assert found[1][image][: len(truth)].tolist() == pytest.approx([one[0] for one in truth])
        assert (found[1][image][len(truth) :] == -1).all()


def test_the_old_function_filters_one_image():
    boxes, scores = random_images(seed=7)
    one = filter_detections(
        ops.convert_to_tensor(boxes[1]), ops.convert_to_tensor(scores[1]), max_detections=SLOTS
    )
    for value, batch in zip(one, filtered(boxes, scores), strict=True):
        np.testing.assert_array_equal(array(value), batch[1])


def test_boxes_of_other_classes_are_suppressed_too_where_suppression_is_within_all():
    """The second box overlaps the better first one by 9/11; the third is apart."""
    boxes = np.float32([[(0, 0, 10, 10), (1, 0, 11, 10), (20, 20, 30, 30)]])
    scores = np.float32([[(0.9, 0.0), (0.0, 0.8), (0.0, 0.7)]])
    assert filtered(boxes, scores)[2][0, :4].tolist() == [0, 1, 1, -1]
    found = filtered(boxes, scores, nms_within="all")
    assert found[2][0, :3].tolist() == [0, 1, -1]
    assert found[0][0, 1].tolist() == [20, 20, 30, 30]
    with pytest.raises(ValueError, match="nms_within must be class or all. Received: 'none'"):
        FilterDetections(nms_within="none")
