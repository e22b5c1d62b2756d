"""benchmarks/coco_ap.py finds COCO's files, and goes the way of retinanet-evaluate."""

import importlib
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("coco_ap")


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_val2017.json", "images/val2017"),
        ("annotations/instances_val2017.json", "val2017"),
        ("instances.json", "images"),
    ],
)
def test_both_layouts_of_coco_are_found(annotations, images, module, tmp_path):
    (tmp_path / images).mkdir(parents=True)
    (tmp_path / annotations).parent.mkdir(exist_ok=True)
    (tmp_path / annotations).write_text(json.dumps({}))
    assert module.dataset_words(tmp_path, "val2017") == [
        *("coco", "--annotations", str(tmp_path / annotations)),
        *("--images", str(tmp_path / images)),
    ]


def test_a_folder_without_coco_is_named(module, tmp_path):
    with pytest.raises(FileNotFoundError, match="has neither"):
        module.dataset_words(tmp_path, "val2017")


def test_the_command_is_given_the_words_and_its_numbers_become_a_row(module, tmp_path, monkeypatch):
    from keras_retinanet.bin import evaluate

    (tmp_path / "images").mkdir()
    (tmp_path / "instances.json").write_text("{}")
    numbers = dict.fromkeys(module.NUMBERS, 0.25) | {"AP": 0.364}
    given = []

    def measured(words):
        given.extend(words)
        return {"coco": numbers, "images": 48}

    monkeypatch.setattr(evaluate, "main", measured)
    results = module.main(["w/file.pth", str(tmp_path), "--gpu", "cpu"])
    assert given[:2] == ["--gpu", "cpu"] and given[-1] == "w/file.pth"
    assert module.row_of("w/file.pth", results).splitlines()[-1] == (
        "| file.pth | 48 | 36.4 | 25.0 | 25.0 | 25.0 | 25.0 | 25.0 |"
    )
