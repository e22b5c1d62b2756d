"""Average precision by size, aspect ratio and crowding against slow loops and pycocotools."""

import math

import numpy as np
import pytest

from keras_retinanet.evaluation import breakdown
from keras_retinanet.evaluation.breakdown import by_crowding, by_ratio, by_size, second_largest_iou
from keras_retinanet.evaluation.coco_numbers import THRESHOLDS, prepare
from keras_retinanet.evaluation.columns import columns_of
from tests.evaluation import slow_metrics
from tests.evaluation.drawn import drawn_columns
from tests.evaluation.fakes import detections, truths

BINS = {"size": breakdown.SIDES, "ratio": breakdown.RATIOS, "crowding": breakdown.NEIGHBOURS}


@pytest.mark.parametrize("bins", BINS.values(), ids=BINS.keys())
def test_bins_follow_each_other_without_a_gap(bins):
    limits = list(bins.values())
    assert [low for low, _ in limits[1:]] == [high for _, high in limits[:-1]]
    assert limits[0][0] <= 0 and limits[-1][1] == math.inf


def _crowding(picture, box, objects):
    others = sorted(
        slow_metrics.overlap(box, one[2]) for one in objects if one[0] == picture and not one[4]
    )
    return others[-2] if len(others) > 1 else 0.0


VALUES = {
    "size": lambda picture, box, area, objects: math.sqrt(area),
    "ratio": lambda picture, box, area, objects: box[2] / box[3],
    "crowding": lambda picture, box, area, objects: _crowding(picture, box, objects),
}
FUNCTIONS = {"size": by_size, "ratio": by_ratio, "crowding": by_crowding}


@pytest.mark.parametrize("kind", BINS)
@pytest.mark.parametrize("seed", range(2))
def test_each_bin_ignores_what_is_outside_of_it_like_a_slow_loop(kind, seed):
    columns = drawn_columns(seed, counts=(0, 5, 12))
    objects, found = slow_metrics.objects_of(columns), slow_metrics.detections_of(columns)
    value = VALUES[kind]
    true_values = [value(one[0], one[2], one[3], objects) for one in objects]
    values = [value(one[0], one[2], one[2][2] * one[2][3], objects) for one in found]
    numbers = FUNCTIONS[kind](prepare(columns))
    for name, (low, high) in BINS[kind].items():
        ignored = [
            one[4] or not low <= own < high for one, own in zip(objects, true_values, strict=True)
        ]
        outside = [not low <= own < high for own in values]
        assert numbers[name]["objects"] == ignored.count(False)
        aps = [
            slow_metrics.coco_ap(objects, found, label, threshold, ignored, outside)
            for threshold in THRESHOLDS[[0, 5]]
            for label in range(len(columns.classes))
        ]
        if ignored.count(False) == 0:
            assert math.isnan(numbers[name]["AP"])
            continue
        half = [ap for ap in aps[: len(aps) // 2] if ap is not None]
        assert numbers[name]["AP50"] == pytest.approx(np.mean(half), abs=1e-12)


def test_an_object_counts_in_the_bin_that_it_begins():
    true = [truths((0, 0, 0, 32, 32), (0, 50, 50, 81, 81))]
    numbers = by_size(prepare(columns_of(true, [detections((0, 0.9, 0, 0, 32, 32))])))
    assert [numbers[name]["objects"] for name in ("16 to 32", "32 to 64")] == [1, 1]
    assert [numbers[name]["AP"] for name in ("16 to 32", "32 to 64")] == pytest.approx([0, 1])
    assert math.isnan(numbers["below 16"]["AP"]) and numbers["below 16"]["objects"] == 0


def test_crowding_is_the_overlap_with_the_other_object():
    boxes = truths((0, 0, 0, 10, 10), (1, 5, 0, 15, 10), (0, 50, 50, 60, 60))
    columns = columns_of([boxes, truths((0, 0, 0, 10, 10))], [detections()] * 2)
    true = columns.true
    values = second_largest_iou(true.boxes, true.pictures, true)
    assert values == pytest.approx([1 / 3, 1 / 3, 0, 0])
    assert second_largest_iou(np.zeros((0, 4)), np.zeros(0, int), true).tolist() == []
    numbers = by_crowding(prepare(columns))
    assert [numbers[name]["objects"] for name in breakdown.NEIGHBOURS] == [2, 0, 2]


def test_boxes_of_many_parts_give_the_same(monkeypatch):
    true = drawn_columns(3).true
    whole = second_largest_iou(true.boxes, true.pictures, true)
    monkeypatch.setattr(breakdown, "PAIRS_AT_ONCE", 7)
    assert second_largest_iou(true.boxes, true.pictures, true).tolist() == whole.tolist()
