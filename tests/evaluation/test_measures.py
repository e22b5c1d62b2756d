"""Everything at once: empty cases, what is undefined, that other parts agree."""

import json

import numpy as np
import pytest

from keras_retinanet.evaluation.coco import LOG_NAMES
from keras_retinanet.evaluation.columns import columns_of, columns_of_coco
from keras_retinanet.evaluation.measures import compare, measure, with_nulls
from tests.evaluation.drawn import drawn_columns
from tests.evaluation.fakes import detections, truths

SMALL = (0, 0, 0, 20, 20)
FOUND = (0, 0.5, 0, 0, 20, 20)
EMPTY = {
    # truths, detections, classes: AP, AP of VOC 2012, oLRP, best F1
    "no pictures": ([], [], [0], (-1, None, None, None)),
    "no classes": ([truths()], [detections()], [], (-1, None, None, None)),
    "nothing there": ([truths()], [detections()], [0], (-1, None, None, None)),
    "only false alarms": ([truths()], [detections(FOUND)], [0], (-1, None, None, None)),
    "nothing found": ([truths(SMALL)], [detections()], [0], (0, 0, 1, 0)),
    "all found": ([truths(SMALL)], [detections(FOUND)], [0], (1, 1, 0, 1)),
    "only crowds": (
        [truths(SMALL, crowd=np.array([True]))],
        [detections(FOUND)],
        [0],
        (-1, None, None, None),
    ),
    "of another class": ([truths(SMALL)], [detections((1, 0.5, 0, 0, 9, 9))], [0], (0, 0, 1, 0)),
}


@pytest.mark.parametrize(("true", "found", "labels", "expected"), EMPTY.values(), ids=EMPTY.keys())
def test_empty_cases_have_defined_numbers_or_none(true, found, labels, expected):
    numbers, classes = measure(columns_of(true, found, labels), draws=5)
    kept = (numbers["coco"]["AP"], numbers["voc"]["VOC12"], numbers["LRP"]["oLRP"])
    kept = (*kept, numbers["F1"]["best"]["F1"])
    assert kept == tuple(None if e is None else pytest.approx(e, abs=1e-9) for e in expected)
    assert len(classes) == len(labels)
    json.dumps([numbers, classes], allow_nan=False)


def test_two_empty_results_do_not_differ():
    columns = columns_of([truths()], [detections()], [0])
    assert compare(columns, columns, draws=3)["AP"]["difference"] is None


@pytest.mark.parametrize("iou_threshold", [0.3, 0.5, 0.95, 1.0])
def test_coco_numbers_do_not_depend_on_the_threshold_of_the_others(iou_threshold):
    columns = drawn_columns(4)
    numbers, classes = measure(columns, iou_threshold, draws=5)
    expected, _ = measure(columns, draws=5)
    assert numbers["coco"] == expected["coco"] and list(numbers["coco"]) == list(LOG_NAMES)
    assert numbers["intervals"] == expected["intervals"]
    json.dumps([numbers, classes], allow_nan=False)


def test_the_confusion_matrix_counts_every_object_and_what_f1_counts():
    columns = drawn_columns(6)
    numbers, _ = measure(columns, draws=0)
    counts = np.array(numbers["confusion"]["counts"])
    classes = len(columns.classes)
    objects = counts[counts[:, 0] < classes]
    right = objects[objects[:, 0] == objects[:, 1], 2].sum()
    assert objects[:, 2].sum() == np.count_nonzero(~columns.true.crowd)
    best = numbers["F1"]["best"]
    assert right / objects[:, 2].sum() == pytest.approx(best["recall"])
    assert right / counts[counts[:, 1] < classes, 2].sum() == pytest.approx(best["precision"])


def test_with_nulls_goes_through_lists_and_leaves_the_rest_alone():
    assert with_nulls({"a": [1, float("nan"), {"b": float("nan")}], "c": "x"}) == {
        "a": [1, None, {"b": None}],
        "c": "x",
    }


def test_a_dataset_without_annotations_has_no_columns():
    dataset = {"images": [{"id": 1}], "categories": [{"id": 2}], "annotations": []}
    columns = columns_of_coco(dataset, [])
    assert columns.true.boxes.shape == columns.found.boxes.shape == (0, 4)
    assert (columns.pictures, columns.classes) == (1, (2,))
