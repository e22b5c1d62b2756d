"""COCO's numbers by columns equal pycocotools' on everything that is awkward."""

import numpy as np
import pytest

from keras_retinanet.evaluation.coco import LOG_NAMES, coco_stats
from keras_retinanet.evaluation.coco_numbers import (
    accumulate,
    accumulate_areas,
    area_range,
    numbers_by_class,
    prepare,
)
from keras_retinanet.evaluation.columns import columns_of_coco
from tests.evaluation import slow_metrics
from tests.evaluation.drawn import drawn, drawn_columns


@pytest.mark.parametrize("seed", range(40))
def test_the_twelve_numbers_equal_those_of_pycocotools_to_the_last_bit(seed):
    case = drawn(seed)
    assert coco_stats(*case) == coco_stats(*case, engine="pycocotools")


@pytest.mark.parametrize("seed", range(40, 50))
def test_the_numbers_of_each_class_equal_those_of_a_dataset_with_that_class_alone(seed):
    dataset, results = drawn(seed)
    columns = columns_of_coco(dataset, results)
    numbers = numbers_by_class(accumulate_areas(prepare(columns)))
    for category, of_class in zip(columns.classes, numbers, strict=True):
        alone = {
            **dataset,
            "categories": [{"id": category}],
            "annotations": [
                one for one in dataset["annotations"] if one["category_id"] == category
            ],
        }
        own = [one for one in results if one["category_id"] == category]
        expected = coco_stats(alone, own, engine="pycocotools")
        keys = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
        assert [of_class[key] for key in keys] == [expected[key] for key in keys]
        singles = [one for one in alone["annotations"] if not one["iscrowd"]]
        assert of_class["objects"] == len(singles)


@pytest.mark.parametrize("seed", range(3))
def test_precision_equals_a_slow_loop_over_boxes(seed):
    columns = drawn_columns(seed, counts=(0, 5, 15))
    matched = prepare(columns)
    objects, detections = slow_metrics.objects_of(columns), slow_metrics.detections_of(columns)
    low, high = 20**2, 100**2
    found = accumulate(matched, *area_range(matched, low, high), thresholds=[0.5, 0.8])
    ignored = [one[4] or not low <= one[3] <= high for one in objects]
    outside = [not low <= one[2][2] * one[2][3] <= high for one in detections]
    for label in range(len(columns.classes)):
        for level, threshold in enumerate((0.5, 0.8)):
            expected = slow_metrics.coco_ap(objects, detections, label, threshold, ignored, outside)
            ap = found.precision[level, :, label].mean()
            assert ap == pytest.approx(-1 if expected is None else expected, abs=1e-12)


def _annotation(box, **fields):
    return {
        "image_id": 1,
        "category_id": 90,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
        **fields,
    }


def _found(box, score):
    return {"image_id": 1, "category_id": 90, "bbox": box, "score": score}


ONE = {"images": [{"id": 1}], "categories": [{"id": 90}]}
TWINS = ONE | {"annotations": [_annotation([0, 0, 10, 10]), _annotation([0, 0, 10, 10])]}
HAND = {
    # (annotations, results, AP50): precision over the 101 recalls from 0 to 1, by hand
    "no box and nothing found": (ONE | {"annotations": []}, [], -1),
    "two equal boxes, found once: recall 1/2": (TWINS, [_found([0, 0, 10, 10], 0.5)], 51 / 101),
    "two equal boxes, found twice": (TWINS, [_found([0, 0, 10, 10], 0.5)] * 2, 1),
    "the better detection is false": (
        ONE | {"annotations": [_annotation([0, 0, 10, 10])]},
        [_found([50, 50, 10, 10], 0.9), _found([0, 0, 10, 10], 0.5)],
        0.5,
    ),
    "a crowd swallows what is inside of it": (
        ONE | {"annotations": [_annotation([0, 0, 10, 10], iscrowd=1), _annotation([20, 0, 9, 9])]},
        [_found([1, 1, 3, 3], 0.9), _found([5, 5, 3, 3], 0.8), _found([20, 0, 9, 9], 0.7)],
        1,
    ),
    "an overlap of just one half is enough": (
        ONE | {"annotations": [_annotation([0, 0, 10, 10])]},
        [_found([0, 0, 10, 5], 0.5)],
        1,
    ),
}


@pytest.mark.parametrize(("dataset", "results", "expected"), HAND.values(), ids=HAND.keys())
def test_small_cases_come_out_as_by_hand(dataset, results, expected):
    numbers = coco_stats(dataset, results)
    assert numbers["AP50"] == pytest.approx(expected, abs=1e-12)
    assert numbers == coco_stats(dataset, results, engine="pycocotools")


def test_no_more_than_a_hundred_detections_of_a_class_count():
    boxes = [[0.0, float(20 * place), 10.0, 10.0] for place in range(101)]
    dataset = ONE | {"annotations": [_annotation(boxes[-1])]}
    results = [_found(box, 1 - place / 200) for place, box in enumerate(boxes)]
    assert coco_stats(dataset, results)["AR100"] == 0
    assert coco_stats(dataset, results[1:])["AR100"] == 1


def test_boxes_of_other_images_and_categories_do_not_count():
    dataset, results = drawn(5)
    extra = [{**one, "category_id": 1000} for one in results]
    extra += [{**one, "image_id": 10_000} for one in results]
    assert coco_stats(dataset, results + extra) == coco_stats(dataset, results)


def test_ties_of_scores_go_by_the_id_of_the_picture_whatever_their_order():
    dataset, results = drawn(11)
    turned = {**dataset, "images": dataset["images"][::-1]}
    assert coco_stats(turned, results) == coco_stats(dataset, results)
    ids = [image["id"] for image in dataset["images"]][::-1]
    some = coco_stats(dataset, results, ids[:2])
    assert some == coco_stats(dataset, results, ids[:2], engine="pycocotools")


def test_an_unknown_engine_is_named():
    with pytest.raises(ValueError, match="engine 'fast' is not known; choose one of numpy, pyco"):
        coco_stats(*drawn(0), engine="fast")


def test_published_results_give_the_same_from_both_engines(real_data):
    import json

    formats = real_data / "formats"
    dataset = json.loads(
        (formats / "faster_coco_eval/tests/dataset/cocoapi/instances_val2014_100.json").read_text()
    )
    results = json.loads(
        (formats / "cocoapi/results/instances_val2014_fakebbox100_results.json").read_text()
    )
    numbers = coco_stats(dataset, results)
    assert list(numbers) == list(LOG_NAMES)
    assert numbers == coco_stats(dataset, results, engine="pycocotools")
    assert numbers["AP50"] == pytest.approx(0.697, abs=5e-4)
    assert np.isfinite(list(numbers.values())).all()
