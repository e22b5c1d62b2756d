"""The rows of the table of datasets: what each makes of a command line."""

import pytest

from keras_retinanet.bin import datasets
from keras_retinanet.bin.console import Parser
from keras_retinanet.preprocessing import coco, kitti, open_images, pascal_voc
from keras_retinanet.preprocessing.open_images_classes import RELEASES

OID = {
    "version": "v4",
    "labels_filter": None,
    "annotation_cache_dir": ".",
    "parent_label": None,
}


@pytest.fixture
def made(monkeypatch):
    """Return f(command, words, purpose) -> (class name, arguments) of the generator made."""
    for module, name in (
        (coco, "CocoGenerator"),
        (pascal_voc, "PascalVocGenerator"),
        (kitti, "KittiGenerator"),
        (open_images, "OpenImagesGenerator"),
    ):
        monkeypatch.setattr(module, name, lambda *args, _name=name, **kw: (_name, args, kw))

    def make(command, words, purpose):
        parser = Parser(prog="retinanet")
        for dataset in datasets.add_datasets(parser, command, Parser):
            if command == "evaluate":
                dataset.add_argument("model")
        args = parser.parse_args(words.split())
        return datasets.make_generator(args, purpose, batch_size=3)

    return make


@pytest.mark.parametrize(
    "command, words, purpose, name, args, options",
    [
        ("train", "coco D", "train", "Coco", ("D", "train2017"), {}),
        ("train", "coco D", "validation", "Coco", ("D", "val2017"), {}),
        ("evaluate", "coco D m.keras", "evaluate", "Coco", ("D", "val2017"), {}),
        ("debug", "coco D", "debug", "Coco", ("D", "val2017"), {}),
        ("debug", "coco --coco-set mine D", "debug", "Coco", ("D", "mine"), {}),
        ("train", "pascal D", "train", "PascalVoc", ("D", "train"), {"image_extension": ".jpg"}),
        (
            "train",
            "pascal D --image-extension .png",
            "validation",
            "PascalVoc",
            ("D", "val"),
            {"image_extension": ".png"},
        ),
        (
            "evaluate",
            "pascal D m.keras",
            "evaluate",
            "PascalVoc",
            ("D", "test"),
            {"image_extension": ".jpg"},
        ),
        (
            "debug",
            "pascal D --pascal-set val",
            "debug",
            "PascalVoc",
            ("D", "val"),
            {"image_extension": ".jpg"},
        ),
        ("train", "kitti D", "train", "Kitti", ("D", "train"), {}),
        ("train", "kitti D", "validation", "Kitti", ("D", "val"), {}),
        ("evaluate", "kitti D m.keras", "evaluate", "Kitti", ("D", "val"), {}),
        ("evaluate", "kitti --kitti_path D m.keras", "evaluate", "Kitti", ("D", "val"), {}),
        ("evaluate", "kitti --kitti-path D m.keras", "evaluate", "Kitti", ("D", "val"), {}),
        ("debug", "kitti D train", "debug", "Kitti", ("D", "train"), {}),
        ("train", "oid D", "train", "OpenImages", ("D", "train"), OID),
        ("train", "oid D", "validation", "OpenImages", ("D", "validation"), OID),
        ("evaluate", "oid D m.keras", "evaluate", "OpenImages", ("D", "validation"), OID),
        (
            "debug",
            "oid D test --version v6 --labels-filter Cat,Dog --annotation-cache-dir C",
            "debug",
            "OpenImages",
            ("D", "test"),
            OID | {"version": "v6", "labels_filter": ["Cat", "Dog"], "annotation_cache_dir": "C"},
        ),
        (
            "train",
            "oid --parent-label Pet D",
            "train",
            "OpenImages",
            ("D", "train"),
            OID | {"parent_label": "Pet"},
        ),
    ],
)
def test_a_command_line_names_its_dataset(made, command, words, purpose, name, args, options):
    assert made(command, words, purpose) == (
        f"{name}Generator",
        args,
        {"batch_size": 3, **options},
    )


def test_the_old_spelling_of_kittis_path_needs_the_path_behind_it(made, capsys):
    with pytest.raises(SystemExit):
        made("evaluate", "kitti --kitti_path D", "evaluate")
    assert "the following arguments are required: model" in capsys.readouterr().err


def test_the_releases_of_open_images_are_all_offered():
    assert set(datasets.OID_VERSIONS) == RELEASES.keys()
