"""Tests of the COCO numbers: published results, hand cases, files."""

import copy
import errno
import json
import re
from pathlib import Path

import numpy as np
import pytest

from keras_retinanet.evaluation import coco_metrics
from keras_retinanet.evaluation.coco import LOG_NAMES, coco_stats, summary_lines
from keras_retinanet.evaluation.coco_files import measure_coco
from keras_retinanet.evaluation.results import coco_results, write_results_json
from keras_retinanet.utils.coco_eval import evaluate_coco
from tests.evaluation.fakes import FakeDetector, FakeGenerator, detections, truths

SMALL = (0, 0, 20, 20)  # area 400, below 32 x 32
MEDIUM = (30, 30, 80, 80)  # area 2500, below 96 x 96
LARGE = (100, 100, 300, 300)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_published_results_of_the_coco_api_are_reproduced_to_the_line(real_data):
    formats = real_data / "formats"
    folder = formats / "faster_coco_eval" / "tests" / "dataset" / "cocoapi"
    metrics = coco_stats(
        _read(folder / "instances_val2014_100.json"),
        _read(formats / "cocoapi" / "results" / "instances_val2014_fakebbox100_results.json"),
    )
    text = (formats / "cocoapi" / "results" / "val2014_fake_eval_res.txt").read_text()
    printed = text.split("type=bbox")[1].split("type=")[0]
    published = re.findall(r"^ Average .*$", printed, flags=re.MULTILINE)
    # The API of that time put fewer spaces after "Average Precision".
    assert [line.split() for line in summary_lines(metrics)] == [x.split() for x in published]


def test_known_numbers_of_a_real_detector_are_reproduced(real_data):
    folder = real_data / "formats" / "coco_known_ap"
    metrics = coco_stats(
        _read(real_data / "coco_sample" / "instances.json"),
        _read(folder / "results_ssd_mobilenet_v1.json"),
    )
    assert metrics == pytest.approx(_read(folder / "expected_pycocotools_2.0.11.json"), abs=1e-12)


NO_OBJECTS = dict.fromkeys(LOG_NAMES, -1.0)
# One small object of class 0, nothing found: sizes without objects stay undefined.
NOTHING_FOUND = NO_OBJECTS | dict.fromkeys(
    ["AP", "AP50", "AP75", "APs", "AR1", "AR10", "AR100", "ARs"], 0.0
)
EMPTY_CASES = {
    "no images": ([], [], NO_OBJECTS),
    "neither objects nor detections": ([truths()], [detections()], NO_OBJECTS),
    "detections without objects": ([truths()], [detections((0, 0.9, *SMALL))], NO_OBJECTS),
    "objects without detections": ([truths((0, *SMALL))], [detections()], NOTHING_FOUND),
    "detections of another class": (
        [truths((0, *SMALL))],
        [detections((5, 0.9, *SMALL))],
        NOTHING_FOUND,
    ),
}


@pytest.mark.parametrize(
    ("true", "found", "expected"), EMPTY_CASES.values(), ids=EMPTY_CASES.keys()
)
def test_empty_cases_have_defined_numbers(true, found, expected):
    assert coco_metrics(true, found) == expected


def test_numbers_are_split_by_the_size_of_the_objects():
    true = [truths((3, *SMALL), (3, *MEDIUM)), truths((3, *LARGE))]
    found = [detections((3, 0.9, *MEDIUM)), detections((3, 0.8, *LARGE))]
    metrics = coco_metrics(true, found)
    # Two of three objects, both at every IoU: precision 1 at the recalls 0 to 0.66 of 101.
    assert metrics["AP"] == metrics["AP50"] == metrics["AP75"] == pytest.approx(67 / 101)
    assert [metrics[key] for key in ("APs", "APm", "APl")] == pytest.approx([0, 1, 1])
    assert metrics["AR1"] == metrics["AR100"] == pytest.approx(2 / 3)


def test_given_areas_decide_the_size_and_crowds_are_neither_hit_nor_missed():
    true = [truths((0, *LARGE), areas=np.array([100.0]))]
    assert coco_metrics(true, [detections((0, 0.9, *LARGE))])["APs"] == pytest.approx(1)
    crowd = [truths((0, *MEDIUM), (0, *LARGE), crowd=np.array([False, True]))]
    found = [detections((0, 0.9, 110, 110, 150, 150), (0, 0.8, *MEDIUM))]
    metrics = coco_metrics(crowd, found)
    assert (metrics["AP"], metrics["APl"]) == (pytest.approx(1), -1)


def test_metrics_stay_silent_and_leave_their_arguments_alone(capsys):
    dataset = {
        "images": [{"id": 7}],
        "categories": [{"id": 2}],
        "annotations": [
            {"id": 0, "image_id": 7, "category_id": 2, "bbox": [0, 0, 9, 9], "area": 81}
            | {"iscrowd": 0}
        ],
    }
    results = [{"image_id": 7, "category_id": 2, "bbox": [0, 0, 9, 9], "score": 0.5}]
    before = copy.deepcopy((dataset, results))
    metrics = coco_stats(dataset, results)
    assert metrics["AP"] == pytest.approx(
        1
    )  # though the annotation's id is 0, pycocotools' "no match"
    assert (dataset, results) == before
    assert capsys.readouterr() == ("", "")


def test_only_the_named_images_count():
    true = [truths((0, *LARGE)), truths((0, *LARGE))]
    found = [detections((0, 0.9, *LARGE)), detections()]
    generator = FakeGenerator(true, {0: "cat"})
    generator.image_ids = [11, 12]
    metrics, count = measure_coco(generator, FakeDetector(found))
    assert (metrics["AR100"], count) == (0.5, 1)
    dataset = {
        "images": [{"id": 0}, {"id": 1}],
        "categories": [{"id": 0}],
        "annotations": [
            {"image_id": i, "category_id": 0, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
            for i in range(2)
        ],
    }
    results = [{"image_id": 0, "category_id": 0, "bbox": [0, 0, 9, 9], "score": 0.5}]
    assert coco_stats(dataset, results, image_ids=[0])["AR100"] == 1


def test_coco_results_are_rows_of_left_top_width_height():
    found = [detections(), detections((1, 0.5, 3, 4, 10, 20))]
    assert coco_results(found, [5, 6], lambda label: label + 90) == [
        {"image_id": 6, "category_id": 91, "bbox": [3, 4, 7, 16], "score": 0.5}
    ]
    assert coco_results(found)[0]["image_id"] == 1


class CocoLike(FakeGenerator):
    """The attributes that keras-retinanet 1.0's CocoGenerator has."""

    set_name = "val2017"

    class coco:
        dataset = {
            "images": [{"id": 40}, {"id": 50}, {"id": 60}],
            "categories": [{"id": 1}, {"id": 90}],
            "annotations": [
                {"id": 1, "image_id": 40, "category_id": 90, "bbox": [0, 0, 20, 20]}
                | {"area": 400, "iscrowd": 0},
                {"id": 2, "image_id": 60, "category_id": 90, "bbox": [0, 0, 20, 20]}
                | {"area": 400, "iscrowd": 0},
            ],
        }

    def __init__(self):
        super().__init__([truths((1, *SMALL)), truths()], {0: "cat", 1: "dog"})
        self.image_ids = np.array([40, 50])  # 60 is not of this set

    def label_to_coco_label(self, label):
        return {0: 1, 1: 90}[label]


def test_evaluate_coco_uses_coco_ids_and_writes_the_files_of_1_0(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stats = evaluate_coco(CocoLike(), FakeDetector([detections((1, 0.75, *SMALL)), detections()]))
    assert stats.shape == (12,) and stats.dtype == np.float64
    assert stats.tolist() == pytest.approx([1, 1, 1, 1, -1, -1, 1, 1, 1, 1, -1, -1])
    assert _read(tmp_path / "val2017_bbox_results.json") == [
        {"image_id": 40, "category_id": 90, "bbox": [0, 0, 20, 20], "score": 0.75}
    ]
    assert _read(tmp_path / "val2017_processed_image_ids.json") == [40, 50]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "val2017_bbox_results.json",
        "val2017_processed_image_ids.json",
    ]
    assert capsys.readouterr().out == ""


def test_evaluate_coco_measures_any_generator_and_writes_nothing_without_a_set_name(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    generator = FakeGenerator([truths((4, *LARGE))], {4: "cat"})
    stats = evaluate_coco(generator, FakeDetector([detections((4, 0.5, *LARGE))]))
    assert stats.tolist() == pytest.approx([1, 1, 1, -1, -1, 1, 1, 1, 1, -1, -1, 1])
    assert list(tmp_path.iterdir()) == []


def test_evaluate_coco_is_none_where_nothing_is_detected(tmp_path):
    model = FakeDetector([detections((1, 0.04, *SMALL)), detections()])
    assert evaluate_coco(CocoLike(), model, threshold=0.05, folder=tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_part_of_the_new(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_results_json(path, [1])
    with pytest.raises(ValueError, match="JSON"):
        write_results_json(path, [float("nan")])

    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ValueError, match=r"cannot write .*results.json \(No space left"):
        write_results_json(path, [2])
    assert _read(path) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot write .*none/a.json \(No such file"):
        write_results_json(tmp_path / "none" / "a.json", [])
