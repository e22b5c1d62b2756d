"""--suspects in the formats of the datasets: what the detector saw, by hand."""

import json
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from keras_retinanet.bin import evaluate
from keras_retinanet.preprocessing.samples import AnnotationWarning
from tests.preprocessing.drawn_dataset import NAMES, OBJECTS, write_dataset

STRAY = (40, 5, 50, 15)  # in picture c, where nothing is


def measured(tmp_path, form, *words):
    """Evaluate detections that call the square of picture a a disc, and see a disc in c."""
    opened = write_dataset(tmp_path / form, form)
    boxes = [(name, kind, box) for name, objects in OBJECTS.items() for kind, box in objects]
    wrong = [(name, "disc" if kind == "square" else kind, box) for name, kind, box in boxes]
    rows = [
        {
            "image_id": f"{name}.png",
            "category_id": kind,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": 0.9 - 0.01 * place,
        }
        for place, (name, kind, box) in enumerate([*wrong, ("c", "disc", STRAY)])
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows))
    return evaluate.main([*opened.words, "--results", str(path), "--draws", "0", *words])


@pytest.mark.parametrize("form", ["coco", "csv"])
def test_coco_has_the_ids_of_the_dataset(form, tmp_path, capsys):
    path = tmp_path / "suspects.json"
    about = measured(tmp_path, form, "--suspects", str(path), "--score-threshold", "0.5")
    assert about["suspects"]["reasons"] == {"class": 1, "missing": 1}
    assert "1 class, 1 missing" in capsys.readouterr().out
    coco = COCO(str(path))
    first = {"coco": (11, 2, 5), "csv": (0, 0, 1)}[form]
    one, other = coco.dataset["annotations"]
    assert (one["image_id"], one["category_id"]) == first[:2]
    assert (one["bbox"], one["score"], one["reason"]) == ([3, 4, 17, 26], 0.9, "class")
    assert one["given"] == {"category_id": first[2], "bbox": [3, 4, 17, 26]}
    assert (other["bbox"], other["reason"]) == ([40, 5, 10, 10], "missing")
    assert "given" not in other and other["image_id"] == first[0] + 2
    assert [each["name"] for each in coco.dataset["categories"]] == list(NAMES)[:3]
    sizes = [(each["width"], each["height"]) for each in coco.dataset["images"]]
    assert sizes == [(60, 40), (50, 50)]
    assert [each["file_name"] for each in coco.dataset["images"]] == ["a.png", "c.png"]
    folder = coco.dataset["info"]["images"]
    assert folder == {"coco": "", "csv": str(tmp_path / "csv" / "pictures")}[form]


def test_pascal_has_its_files_and_the_list(tmp_path, capsys):
    folder = tmp_path / "suspects"
    measured(tmp_path, "pascal", "--suspects", str(folder), "--score-threshold", "0.5")
    text = (folder / "Annotations" / "a.xml").read_text()
    assert "<name>disc</name>" in text and "<xmin>4.0</xmin>" in text  # counted from 1
    assert text.count("<object>") == 1 and "<width>60</width>" in text
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    assert files == {"Annotations/a.xml", "Annotations/c.xml", "suspects.csv"}
    rows = (folder / "suspects.csv").read_text().splitlines()
    assert rows[1].endswith(",disc,0.9000,class,square,3.0,4.0,20.0,30.0") and len(rows) == 3


def test_yolo_has_its_files(tmp_path):
    folder = tmp_path / "suspects"
    with pytest.warns(AnnotationWarning, match="count as background: 1 of 3"):
        measured(tmp_path, "yolo", "--suspects", str(folder), "--score-threshold", "0.5")
    label, *shares = (folder / "labels" / "a.txt").read_text().split()
    expected = [11.5 / 60, 17 / 40, 17 / 60, 26 / 40]
    assert label == "0" and [float(share) for share in shares] == pytest.approx(expected, abs=1e-6)
    assert "0: 'disc'" in (folder / "data.yaml").read_text()


def test_a_folder_is_for_formats_of_folders(tmp_path, outcome):
    words = ["coco", "--annotations", tmp_path / "a.json", "--results", tmp_path / "r.json"]
    code, error = outcome(evaluate, [*words, "--suspects", tmp_path / "folder"])
    assert code == 2 and "name a file that ends in .csv or .json" in error
    assert not Path(tmp_path / "folder").exists()
