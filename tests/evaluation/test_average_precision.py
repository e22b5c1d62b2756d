"""Tests of average precision: hand tables, a slow reference, published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_retinanet.evaluation import (
    Detections,
    Truths,
    average_precisions,
    coco_metrics,
    mean_ap,
    weighted_mean_ap,
)
from keras_retinanet.evaluation.average_precision import _compute_ap, class_lines
from tests.evaluation import reference
from tests.evaluation.fakes import detections, truths

LEFT = (0, 0, 10, 10)
RIGHT = (20, 0, 30, 10)
NOWHERE = (40, 40, 50, 50)

# Each case: truths by image, detections by image, AP and objects of class 0 at IoU 0.5.
HAND_TABLES = {
    "no images": ([], [], 0.0, 0),
    "neither objects nor detections": ([truths()], [detections()], 0.0, 0),
    "detections without objects": ([truths()], [detections((0, 0.9, *LEFT))], 0.0, 0),
    "objects without detections": ([truths((0, *LEFT))], [detections()], 0.0, 1),
    "one perfect detection": ([truths((0, *LEFT))], [detections((0, 0.9, *LEFT))], 1.0, 1),
    # score  box            hit  precision  recall
    # 0.9    left           yes  1          1/2
    # 0.8    left again     no   1/2        1/2
    # 0.7    half of right  yes  2/3        1       IoU 50 / 100, just enough
    # 0.6    nowhere        no   1/2        1
    # AP = 1/2 * 1 + 1/2 * 2/3
    "a double and a miss": (
        [truths((0, *LEFT), (0, *RIGHT))],
        [detections((0, 0.9, *LEFT), (0, 0.8, *LEFT), (0, 0.7, 20, 0, 30, 5), (0, 0.6, *NOWHERE))],
        5 / 6,
        2,
    ),
    # The second detection overlaps the taken box by 100/104 and the free one by 94/110: it is
    # false, since there is no second choice. AP = 1/2 * 1.
    "no second choice": (
        [truths((0, 0, 0, 10, 10), (0, 1, 0, 11, 10))],
        [detections((0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 0, 10.4, 10))],
        0.5,
        2,
    ),
    # The best one is of another image: the order is over the whole dataset.
    # score  image  hit  precision  recall
    # 0.9    1      no   0          0
    # 0.8    0      yes  1/2        1/2
    # 0.3    1      yes  2/3        1
    # AP = 1 * 2/3, since the envelope lifts the first step.
    "two images": (
        [truths((0, *LEFT)), truths((0, *RIGHT))],
        [detections((0, 0.8, *LEFT)), detections((0, 0.9, *LEFT), (0, 0.3, *RIGHT))],
        2 / 3,
        2,
    ),
    "another class's box": (
        [truths((0, *LEFT), (1, *RIGHT))],
        [detections((0, 0.9, *RIGHT), (1, 0.8, *LEFT), (0, 0.7, *LEFT))],
        0.5,
        1,
    ),
    "unsorted input": (
        [truths((0, *LEFT))],
        [detections((0, 0.1, *LEFT), (0, 0.9, *NOWHERE))],
        0.5,
        1,
    ),
}


# A row of `regions_and` is a region to ignore where it says so, else an object.


def regions_and(*rows):
    return truths(*(row[1:] for row in rows), crowd=np.array([row[0] == "region" for row in rows]))


FAR = (60, 0, 70, 10)
HEAP = (60, 0, 90, 30)

# The same for images with regions to ignore.
TABLES_WITH_REGIONS = {
    "a region alone is no object": ([regions_and(("region", 0, *HEAP))], [detections()], 0.0, 0),
    "a region marked as none": (
        [truths((0, *LEFT), crowd=np.array([False]))],
        [detections()],
        0,
        1,
    ),
    # score  box         hit       precision  recall
    # 0.9    in heap     left out
    # 0.8    left        yes       1          1
    "a detection in a region is no mistake": (
        [regions_and(("object", 0, *LEFT), ("region", 0, *HEAP))],
        [detections((0, 0.9, *FAR), (0, 0.8, *LEFT))],
        1.0,
        1,
    ),
    "regions do not reach other images": (
        [regions_and(("object", 0, *LEFT), ("region", 0, *HEAP)), truths()],
        [detections((0, 0.8, *LEFT)), detections((0, 0.9, *FAR))],
        0.5,
        1,
    ),
    "regions of another class exempt nothing": (
        [regions_and(("object", 0, *LEFT), ("region", 1, *HEAP))],
        [detections((0, 0.9, *FAR), (0, 0.8, *LEFT))],
        0.5,
        1,
    ),
    # 50 of the detection's 100 square pixels lie inside: just enough.
    "half inside is inside": (
        [regions_and(("object", 0, *LEFT), ("region", 0, *HEAP))],
        [detections((0, 0.9, 55, 0, 65, 10), (0, 0.8, *LEFT))],
        1.0,
        1,
    ),
    # 49 of 100
    "less than half inside is outside": (
        [regions_and(("object", 0, *LEFT), ("region", 0, *HEAP))],
        [detections((0, 0.9, 54.9, 0, 64.9, 10), (0, 0.8, *LEFT))],
        0.5,
        1,
    ),
    # The region's area does not matter, as it would for an IoU: 100 / 10,000.
    "a large region around a small detection": (
        [regions_and(("object", 0, 200, 0, 210, 10), ("region", 0, 0, 0, 100, 100))],
        [detections((0, 0.9, *LEFT), (0, 0.8, 200, 0, 210, 10))],
        1.0,
        1,
    ),
    # score  box         hit       precision  recall
    # 0.9    far         yes       1          1/2    an object in the region is found
    # 0.8    far again   left out                    it takes no object and lies in the region
    # 0.7    left        yes       1          1
    "an object in a region counts, what is found of it twice does not": (
        [regions_and(("region", 0, *HEAP), ("object", 0, *FAR), ("object", 0, *LEFT))],
        [detections((0, 0.9, *FAR), (0, 0.8, *FAR), (0, 0.7, *LEFT))],
        1.0,
        2,
    ),
    "an object in a region is missed": (
        [regions_and(("region", 0, *HEAP), ("object", 0, *FAR), ("object", 0, *LEFT))],
        [detections((0, 0.9, *LEFT))],
        0.5,
        2,
    ),
    # Two regions that have half of it only together: each is asked by itself, as in COCO's rule.
    "two regions are not added up": (
        [
            regions_and(
                ("object", 0, *LEFT), ("region", 0, 60, 0, 64, 10), ("region", 0, 66, 0, 70, 10)
            )
        ],
        [detections((0, 0.9, *FAR), (0, 0.8, *LEFT))],
        0.5,
        1,
    ),
}


@pytest.mark.parametrize(
    ("true", "found", "ap", "instances"),
    [*HAND_TABLES.values(), *TABLES_WITH_REGIONS.values()],
    ids=[*HAND_TABLES, *TABLES_WITH_REGIONS],
)
def test_average_precision_is_that_of_the_hand_table(true, found, ap, instances):
    value, count = average_precisions(true, found, [0])[0]
    assert value == pytest.approx(ap, abs=1e-12)
    assert count == instances


@pytest.mark.parametrize(
    ("recall", "precision", "area"),
    [
        pytest.param([], [], 0.0, id="nothing found"),
        pytest.param([0.5, 0.5, 1.0], [1.0, 0.5, 2 / 3], 5 / 6, id="envelope"),
        pytest.param([0.0, 0.25], [0.0, 0.5], 0.125, id="ends below recall 1"),
    ],
)
def test_compute_ap_is_the_area_under_the_precision_envelope(recall, precision, area):
    assert _compute_ap(recall, precision) == pytest.approx(area, abs=1e-12)


# Boxes on a coarse grid, few scores and few labels: equal IoUs, equal scores and thresholds hit
# exactly are then common.
corners = st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 6)] * 2)
true_rows = st.lists(st.tuples(st.integers(0, 2), corners), max_size=5)
found_rows = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), corners), max_size=8)


def _box(corner):
    x, y, width, height = corner
    return x, y, x + width, y + height


@settings(deadline=None, max_examples=200)
@given(
    images=st.lists(st.tuples(true_rows, found_rows), max_size=4),
    iou_threshold=st.sampled_from([0.3, 0.5, 0.75]),
)
def test_average_precision_equals_the_slow_reference_on_grids(images, iou_threshold):
    true = [truths(*((label, *_box(c)) for label, c in rows)) for rows, _ in images]
    found = [detections(*((lb, s / 10, *_box(c)) for lb, s, c in rows)) for _, rows in images]
    _assert_equals_reference(true, found, range(3), iou_threshold)


def test_average_precision_equals_the_slow_reference_on_crowded_images():
    rng = np.random.default_rng(0)
    true, found = [], []
    for _ in range(20):
        corners = rng.uniform(0, 80, (30, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (30, 2))], axis=1)
        labels = rng.integers(0, 5, 30)
        true.append(Truths(boxes, labels))
        near = np.tile(boxes, (3, 1)) + rng.normal(0, 3, (90, 4))
        scores = rng.uniform(0.05, 1, 90).astype(np.float32)
        found.append(Detections(near.astype(np.float32), scores, np.tile(labels, 3)))
    values = _assert_equals_reference(true, found, range(5), 0.5)
    assert all(0.2 < ap < 0.9 for ap, _ in values.values())  # neither end tests the middle


def _assert_equals_reference(true, found, labels, iou_threshold):
    values = average_precisions(true, found, labels, iou_threshold)
    for label in labels:
        ap, instances = reference.average_precision(true, found, label, iou_threshold)
        assert values[label] == (pytest.approx(ap, abs=1e-9), instances)
    return values


def test_one_threshold_of_the_coco_numbers_leaves_out_the_same_detections():
    """AP50 samples the envelope at 101 recalls: with 100 objects both are its mean within 1/100."""
    rng = np.random.default_rng(1)
    true, found = [], []
    for _ in range(20):
        corners = rng.uniform(0, 400, (8, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(20, 90, (8, 2))], axis=1)
        true.append(Truths(boxes, np.zeros(8, np.int64), np.arange(8) >= 5))
        near = np.concatenate([boxes[:5] + rng.normal(0, 5, (5, 4)), boxes[5:] * 0.98])
        scores = np.append(rng.uniform(0.1, 0.9, 5), rng.uniform(0.5, 1, 3)).astype(np.float32)
        found.append(Detections(near.astype(np.float32), scores, np.zeros(8, np.int32)))
    ap, instances = average_precisions(true, found, [0])[0]
    without = [truth.objects() for truth in true]
    assert instances == 100
    assert ap == pytest.approx(coco_metrics(true, found)["AP50"], abs=0.01)
    assert average_precisions(without, found, [0])[0][0] < ap - 0.1


def test_average_precision_of_the_published_voc_sample_is_24_56_percent(real_data):
    """The sample's page works through its 24 detections of 15 objects at IoU 0.3.

    It counts a box's last row and column of pixels as inside, hence the 1 of `_voc_row`.
    """
    folder = real_data / "formats" / "od_metrics_samples"
    true, found = [], []
    for path in sorted((folder / "groundtruths").glob("*.txt")):
        true.append(truths(*(_voc_row(line) for line in path.read_text().splitlines())))
        lines = (folder / "detections" / path.name).read_text().splitlines()
        found.append(detections(*(_voc_row(line) for line in lines)))
    ap, instances = average_precisions(true, found, [0], iou_threshold=0.3)[0]
    assert instances == 15
    assert ap == pytest.approx(0.2456, abs=1e-4)


def _voc_row(line):
    """Read `name [score] x y width height` into a row of label 0, 1 added to the ends."""
    *score, x, y, width, height = map(float, line.split()[1:])
    return 0, *score, x, y, x + width + 1, y + height + 1


@pytest.mark.parametrize(
    ("values", "mean", "weighted"),
    [
        pytest.param({}, math.nan, math.nan, id="no classes"),
        pytest.param({0: (0.0, 0), 3: (0.0, 0)}, math.nan, math.nan, id="no objects"),
        pytest.param({0: (0.5, 1), 1: (0.0, 0)}, 0.5, 0.5, id="a class without objects"),
        pytest.param({0: (0.5, 1), 7: (1.0, 3)}, 0.75, 0.875, id="two classes"),
    ],
)
def test_means_leave_out_classes_without_objects(values, mean, weighted):
    assert mean_ap(values) == pytest.approx(mean, nan_ok=True)
    assert weighted_mean_ap(values) == pytest.approx(weighted, nan_ok=True)


def test_class_lines_are_those_of_keras_retinanet_1():
    lines = class_lines({2: (0.12345, 7)}, {2: "cat"}.get)
    assert lines == ["7 instances of class cat with average precision: 0.1235"]


def test_average_precisions_want_as_many_detections_as_images():
    with pytest.raises(ValueError, match="shorter"):
        average_precisions([truths(), truths()], [detections()], [0])
