"""Results files of other programs: what is refused, what is left out and counted, what is told."""

import json

import numpy as np
import pytest

from keras_retinanet.evaluation.coco import coco_stats
from keras_retinanet.evaluation.coco_files import results_of
from keras_retinanet.evaluation.coco_numbers import accumulate_areas, prepare, twelve_numbers
from keras_retinanet.evaluation.dataset_columns import (
    class_names_of,
    columns_of_dataset,
    places_of,
)
from keras_retinanet.evaluation.results_file import Places, read_results
from tests.evaluation.drawn import drawn
from tests.evaluation.fakes import FakeGenerator, detections, truths

PLACES = Places(
    images={7: 0, 9: 1, "dog.jpg": 1}, classes={1: 0, 90: 1}, sizes=np.array([[100, 200]] * 2)
)
GOOD = {"image_id": 7, "category_id": 90, "bbox": [10, 20, 30, 40], "score": 0.5}
FAR = GOOD | {"image_id": 9, "bbox": [150, 50, 40, 40]}


def read(tmp_path, content, places=PLACES):
    path = tmp_path / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_results(path, places)


def test_rows_become_detections_of_their_pictures_best_first(tmp_path):
    rows = [GOOD, FAR | {"score": 0.25}, GOOD | {"score": 0.75, "category_id": 1}]
    results = read(tmp_path, rows)
    first, second = results.detections
    assert first.boxes.tolist() == [[10, 20, 40, 60]] * 2
    assert first.scores.tolist() == [0.75, 0.5] and first.labels.tolist() == [0, 1]
    assert second.boxes.tolist() == [[150, 50, 190, 90]] and second.scores.tolist() == [0.25]
    assert (results.left_out, results.notices) == ({}, ())


def test_an_empty_file_is_told_and_has_no_detections(tmp_path):
    results = read(tmp_path, [])
    assert [len(found.scores) for found in results.detections] == [0, 0]
    assert results.notices == (f"{tmp_path}/results.json: holds no detection",)


REFUSED = {
    "no JSON": ("{", r"not JSON \(Expecting .*\). Name a COCO results file"),
    "an annotation file": ({"annotations": []}, "is an annotation file, not a list of detections"),
    "an object": ({"a": 1}, "is an object, not a list"),
    "a number": (3, "is 3, not a list"),
    "a list of numbers": ([3], r"detection \[0\] is 3, not an object with image_id, category_id"),
    "no score": ([GOOD, {k: GOOD[k] for k in ("image_id", "category_id", "bbox")}], "'score'"),
    "masks alone": ([{"image_id": 7, "category_id": 1, "segmentation": {}}], "has no 'bbox'"),
    "a box of three": ([GOOD | {"bbox": [1, 2, 3]}], r"\[0\] has the bbox \[1, 2, 3\]. Write"),
    "a box of text": ([GOOD | {"bbox": ["a", 2, 3, 4]}], "has the bbox"),
    "two boxes in one": ([GOOD | {"bbox": [1, 2, 3, 4] * 2}], "has the bbox"),
    "a score of text": ([GOOD | {"score": "high"}], "has the score 'high', not a number"),
    "a list as id": ([GOOD | {"image_id": [7]}], r"has the ids \[7\] and 90"),
    "nothing of this dataset": (
        [GOOD | {"image_id": 8}],
        "no detection is left to measure: 1 detections of pictures that the dataset does not have",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_results_file_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and "results.json: " in str(caught.value)


LEFT_OUT = {
    "unknown_images": (GOOD | {"image_id": 8}, "of pictures that the dataset does not have"),
    "unknown_classes": (GOOD | {"category_id": 2}, "of classes that the dataset does not have"),
    "not_finite": (GOOD | {"bbox": [float("nan"), 0, 1, 1]}, "with a number that is not finite"),
    "negative_sizes": (GOOD | {"bbox": [5, 5, -1, 1]}, "with a negative width or height"),
}


@pytest.mark.parametrize("key", LEFT_OUT)
def test_what_cannot_count_is_left_out_and_counted(tmp_path, key):
    row, words = LEFT_OUT[key]
    results = read(tmp_path, [GOOD, row, FAR, {**row, "score": 0.1}])
    assert results.left_out == {key: 2}
    assert [len(found.scores) for found in results.detections] == [1, 1]
    (notice,) = results.notices
    assert notice.startswith(
        f"{tmp_path}/results.json: 2 detections {words} are left out, the first [1] "
    )


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_a_score_that_is_no_number_is_not_finite(tmp_path, score):
    assert read(tmp_path, [GOOD, GOOD | {"score": score}]).left_out == {"not_finite": 1}


@pytest.mark.parametrize(
    ("rows", "sign"),
    [
        ([GOOD, GOOD, FAR], "1 detections are there twice and count as false alarms"),
        (
            [GOOD | {"id": 1}, FAR | {"id": 1}],
            "1 detections repeat the id of another; ids do not count",
        ),
        (
            [GOOD, FAR | {"bbox": [300, 20, 10, 10]}],
            "1 detections have their centre outside of their picture, the first "
            "[300.0, 20.0, 10.0, 10.0] in one of 200 x 100 pixels: made for another size?",
        ),
        (
            [GOOD | {"bbox": [0.1, 0.2, 0.3, 0.4]}],
            "all coordinates are below 1: shares of the sides? COCO's boxes are in pixels",
        ),
        (
            [GOOD | {"bbox": [i, i, 20, 20]} for i in range(20)],
            "no detection reaches beyond 39% of its picture's sides: made for a smaller size?",
        ),
    ],
    ids=["twice", "ids", "outside", "shares", "small"],
)
def test_what_looks_wrong_is_told_but_counts(tmp_path, rows, sign):
    results = read(tmp_path, rows)
    assert results.notices == (f"{tmp_path}/results.json: {sign}",)
    assert sum(len(found.scores) for found in results.detections) == len(rows)
    assert results.left_out == {}


class Dataset(FakeGenerator):
    """A dataset in COCO's form, whose labels number the categories."""

    def __init__(self, dataset):
        self.coco = type("coco", (), {"dataset": dataset})
        self.image_ids = [image["id"] for image in dataset["images"]]
        self.categories = sorted(category["id"] for category in dataset["categories"])
        names = {label: f"class {key}" for label, key in enumerate(self.categories)}
        super().__init__([truths()] * len(self.image_ids), names)

    def label_to_coco_label(self, label):
        return self.categories[label]

    def image_path(self, index):
        return f"pictures/{self.image_ids[index]:03}.jpg"

    def image_size(self, index):
        return 700, 700


def numbers_of(generator, found):
    columns = columns_of_dataset(generator, found)
    return twelve_numbers(accumulate_areas(prepare(columns)))


@pytest.mark.parametrize("seed", range(8))
def test_a_results_file_is_measured_as_pycocotools_does_to_the_last_bit(tmp_path, seed):
    dataset, rows = drawn(seed)
    generator = Dataset(dataset)
    results = read(tmp_path, rows, places_of(generator))
    expected = coco_stats(dataset, rows, engine="pycocotools")
    assert numbers_of(generator, results.found) == expected


@pytest.mark.parametrize("name", ["pictures/{:03}.jpg", "{:03}.jpg", "{:03}"])
def test_pictures_may_be_named_by_file_and_classes_by_name(tmp_path, name):
    dataset, rows = drawn(3)
    generator = Dataset(dataset)
    named = [
        {
            **row,
            "image_id": name.format(row["image_id"]),
            "category_id": f"class {row['category_id']}",
        }
        for row in rows
    ]
    results = read(tmp_path, named, places_of(generator))
    assert numbers_of(generator, results.found) == coco_stats(dataset, rows)


def test_names_that_two_pictures_have_are_no_names():
    class Twins(FakeGenerator):
        def image_path(self, index):
            return ("a/1.jpg", "b/1.jpg")[index]

        def image_size(self, index):
            return 10, 20

    places = places_of(Twins([truths(), truths()], {0: "cat", 1: "cat", 2: "dog"}))
    assert places.images == {"a/1.jpg": 0, "b/1.jpg": 1, 0: 0, 1: 1}
    assert places.classes == {"dog": 2, 0: 0, 1: 1, 2: 2}
    assert places.sizes.tolist() == [[10, 20], [10, 20]]


def test_results_written_are_read_as_they_were(tmp_path):
    generator = FakeGenerator([truths((4, 0, 0, 10, 10)), truths()], {4: "cat"})
    generator.image_path = lambda index: f"{index}.png"
    generator.image_size = lambda index: (40, 60)
    found = [detections((4, 0.5, 30, 4, 59, 20)), detections((4, 0.25, 1, 1, 2, 2))]
    results = read(tmp_path, results_of(generator, found), places_of(generator))
    for one, other in zip(found, results.detections, strict=True):
        assert one.boxes.tolist() == other.boxes.tolist()
        assert one.scores.tolist() == other.scores.tolist()
        assert one.labels.tolist() == other.labels.tolist()
    columns = columns_of_dataset(generator, results.found)
    assert class_names_of(generator, columns) == ["cat"] and columns.classes == (4,)


def test_pycocotools_loads_what_is_written(tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    dataset, rows = drawn(2)
    dataset["annotations"] = [{**one, "id": i} for i, one in enumerate(dataset["annotations"], 1)]
    generator = Dataset(dataset)
    results = read(tmp_path, rows, places_of(generator))
    path = tmp_path / "written.json"
    path.write_text(json.dumps(results_of(generator, results.detections)))
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    loaded = coco.loadRes(str(path)).dataset["annotations"]
    key = ("image_id", "category_id", "score")
    assert sorted([row[k] for k in key] for row in loaded) == sorted(
        [row[k] for k in key] for row in rows
    )
