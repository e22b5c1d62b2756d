"""Files of detections: values by hand, and what our own datasets read back of them."""

import csv
import json
import shutil
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.bin import predict_options
from keras_retinanet.predict.formats import FORMATS
from keras_retinanet.predict.results import Result
from keras_retinanet.preprocessing.coco import CocoGenerator
from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator
from keras_retinanet.preprocessing.yolo import YoloGenerator

CLASSES = ("cat", 'it\'s: a "dog"', "bird")
BOXES = [[10.126, 20, 50.5, 80], [0, 0, 100, 90]]


@pytest.fixture
def results(tmp_path):
    """Return the results of a picture with two detections and of one without."""
    pictures = tmp_path / "pictures"
    (pictures / "sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/b.jpg"):
        Image.new("RGB", (100, 90)).save(pictures / name)
    common = {"classes": CLASSES, "size": (90, 100)}
    boxes, scores = np.array(BOXES, np.float32), np.array([0.9, 0.25004], np.float32)
    labels = np.array([1, 0], np.int32)
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
    return [
        Result(boxes, scores, labels, path=str(pictures / "a.jpg"), name="a", **common),
        Result(*nothing, path=str(pictures / "sub" / "b.jpg"), name="sub/b", **common),
    ]


@pytest.fixture
def written(results, tmp_path):
    """Return f(format) -> folder of what it writes for `results`."""

    def write(name):
        folder = tmp_path / "out"
        folder.mkdir()
        FORMATS[name](results, folder, CLASSES)
        return folder

    return write


def test_the_commands_formats_are_the_table():
    assert tuple(FORMATS) == predict_options.FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_no_results_at_all_are_written_too(name, tmp_path):
    FORMATS[name]([], tmp_path, CLASSES)


def test_json_has_every_picture_and_its_detections(written, tmp_path):
    content = json.loads((written("json") / "detections.json").read_text())
    assert content == {
        "classes": list(CLASSES),
        "images": [
            {
                "file": str(tmp_path / "pictures" / "a.jpg"),
                "width": 100,
                "height": 90,
                "detections": [
                    {
                        "box": [10.13, 20.0, 50.5, 80.0],
                        "score": 0.9,
                        "label": 1,
                        "class": CLASSES[1],
                    },
                    {"box": [0.0, 0.0, 100.0, 90.0], "score": 0.25, "label": 0, "class": "cat"},
                ],
            },
            {
                "file": str(tmp_path / "pictures" / "sub" / "b.jpg"),
                "width": 100,
                "height": 90,
                "detections": [],
            },
        ],
    }


def test_csv_has_a_line_for_each_detection(written, tmp_path):
    with (written("csv") / "detections.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    path = str(tmp_path / "pictures" / "a.jpg")
    assert rows == [
        ["image", "x1", "y1", "x2", "y2", "class", "score"],
        [path, "10.13", "20.0", "50.5", "80.0", CLASSES[1], "0.9"],
        [path, "0.0", "0.0", "100.0", "90.0", "cat", "0.25"],
    ]


def test_coco_has_corner_and_sides_and_opens_as_it_is(written):
    path = written("coco") / "detections.coco.json"
    content = json.loads(path.read_text())
    assert content["categories"][1] == {"id": 2, "name": CLASSES[1]}
    assert content["annotations"][0] == {
        "id": 1,
        "image_id": 1,
        "category_id": 2,
        "bbox": [10.13, 20.0, 40.37, 60.0],
        "area": 2422.44,
        "iscrowd": 0,
        "score": 0.9,
    }
    folder = content["info"]["images"]
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "sub/b.jpg"]
    dataset = CocoGenerator(None, "all", annotation_file=path, image_dir=folder)
    assert dataset.size() == 2 and dataset.num_classes() == 3
    assert_read_back(dataset, 0.01)


def test_yolo_has_shares_of_the_sides_and_with_its_pictures_is_a_dataset(written, tmp_path):
    folder = written("yolo")
    assert (folder / "labels" / "a.txt").read_text() == (
        "1 0.303130 0.555556 0.403740 0.666667\n0 0.500000 0.500000 1.000000 1.000000\n"
    )
    assert (folder / "labels" / "sub" / "b.txt").read_text() == ""
    shutil.copytree(tmp_path / "pictures", folder / "images")
    dataset = YoloGenerator(folder, "train")
    assert [dataset.label_to_name(label) for label in range(3)] == list(CLASSES)
    assert_read_back(dataset, 1e-3)


def test_voc_counts_pixels_from_one_and_with_its_pictures_is_a_dataset(written, tmp_path):
    folder = written("voc")
    root = ElementTree.parse(folder / "Annotations" / "a.xml").getroot()
    assert root.findtext("filename") == "a.jpg" and root.findtext("size/width") == "100"
    bounds = root.find("object/bndbox")
    assert [side.text for side in bounds] == ["11.13", "21.0", "51.5", "81.0"]
    (folder / "JPEGImages").mkdir()
    shutil.copy(tmp_path / "pictures" / "a.jpg", folder / "JPEGImages")
    dataset = PascalVocGenerator(folder, "all", classes=list(CLASSES))
    assert_read_back(dataset, 0.01)


def test_labelme_has_two_corners_and_leads_to_the_picture(written):
    path = written("labelme") / "labelme" / "a.json"
    content = json.loads(path.read_text())
    assert (path.parent / content["imagePath"]).samefile(path.parents[2] / "pictures" / "a.jpg")
    assert (content["imageHeight"], content["imageWidth"]) == (90, 100)
    assert content["shapes"][0] == {
        "label": CLASSES[1],
        "points": [[10.13, 20.0], [50.5, 80.0]],
        "group_id": None,
        "description": "score 0.9",
        "shape_type": "rectangle",
        "flags": {},
    }
    deeper = json.loads((path.parent / "sub" / "b.json").read_text())
    assert deeper["shapes"] == []


def assert_read_back(dataset, within):
    """Assert that the first picture has both boxes, and none is lost or moved."""
    found = dataset.load_annotations(0)
    order = np.argsort(-found["labels"], kind="stable")
    assert [dataset.label_to_name(label) for label in found["labels"][order]] == [
        CLASSES[1],
        "cat",
    ]
    np.testing.assert_allclose(found["bboxes"][order], BOXES, atol=within)


def test_coco_rows_are_those_of_a_results_file(results):
    assert results[1].to_coco() == []
    first, second = results[0].to_coco(image_id=7)
    assert first["image_id"] == 7 and first["category_id"] == 2
    np.testing.assert_allclose(first["bbox"], [10.126, 20, 40.374, 60], rtol=1e-5)
    np.testing.assert_allclose(second["score"], 0.25004, rtol=1e-5)
    assert json.dumps(first)


def test_supervision_gets_arrays_and_class_names(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    found = results[0].to_supervision()
    np.testing.assert_allclose(found.xyxy, BOXES, rtol=1e-6)
    np.testing.assert_allclose(found.confidence, [0.9, 0.25004], rtol=1e-6)
    assert found.class_id.tolist() == [1, 0]
    assert found.data["class_name"].tolist() == [CLASSES[1], "cat"]
    empty = results[1].to_supervision()
    assert empty.xyxy.shape == (0, 4) and empty.data["class_name"].shape == (0,)


def test_fiftyone_gets_shares_of_the_sides(results, monkeypatch):
    fake = SimpleNamespace(Detections=SimpleNamespace, Detection=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "fiftyone", fake)
    first, second = results[0].to_fiftyone().detections
    assert first.label == CLASSES[1] and first.confidence == pytest.approx(0.9)
    np.testing.assert_allclose(first.bounding_box, [0.10126, 20 / 90, 0.40374, 60 / 90], rtol=1e-5)
    assert second.bounding_box == [0, 0, 1, 1]
    assert results[1].to_fiftyone().detections == []


@pytest.mark.parametrize("library", ["supervision", "fiftyone"])
def test_a_library_that_is_not_there_is_named_with_its_extra(library, results, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{library} is not installed.*\[{library}\]"):
        getattr(results[0], f"to_{library}")()
