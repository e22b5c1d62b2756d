"""The rows of the table of datasets: what each makes of a command line."""

import pytest

from keras_retinanet.bin import dataset_rows, datasets, train, train_options
from keras_retinanet.bin.console import Parser
from keras_retinanet.preprocessing import coco, csv_generator, kitti, open_images, pascal_voc, yolo
from keras_retinanet.preprocessing.open_images_classes import RELEASES
from tests.preprocessing.drawn_dataset import write_dataset

OID = {
    "version": "v4",
    "labels_filter": None,
    "annotation_cache_dir": ".",
    "parent_label": None,
    "skip_group_of": True,
}
PASCAL = {
    "classes": None,
    "image_extension": ".jpg",
    "skip_truncated": False,
    "skip_difficult": False,
    "allow_outside": False,
}
HERE = {"allow_outside": False}


@pytest.fixture
def made(monkeypatch):
    """Return f(command, words, purpose) -> (class name, arguments) of the generator made."""
    for module, name in (
        (coco, "CocoGenerator"),
        (pascal_voc, "PascalVocGenerator"),
        (kitti, "KittiGenerator"),
        (open_images, "OpenImagesGenerator"),
        (csv_generator, "CSVGenerator"),
        (yolo, "YoloGenerator"),
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
        ("train", "coco D", "train", "Coco", ("D", "train2017"), HERE),
        ("train", "coco D", "validation", "Coco", ("D", "val2017"), HERE),
        ("evaluate", "coco D m.keras", "evaluate", "Coco", ("D", "val2017"), HERE),
        ("debug", "coco D", "debug", "Coco", ("D", "val2017"), HERE),
        ("debug", "coco --coco-set mine D", "debug", "Coco", ("D", "mine"), HERE),
        ("train", "pascal D", "train", "PascalVoc", ("D", "train"), PASCAL),
        (
            "train",
            "pascal D --image-extension .png",
            "validation",
            "PascalVoc",
            ("D", "val"),
            PASCAL | {"image_extension": ".png"},
        ),
        (
            "evaluate",
            "pascal D m.keras",
            "evaluate",
            "PascalVoc",
            ("D", "test"),
            PASCAL,
        ),
        (
            "debug",
            "pascal D --pascal-set val",
            "debug",
            "PascalVoc",
            ("D", "val"),
            PASCAL,
        ),
        (
            "train",
            "pascal D --train-set all --val-set mine --classes b,a --skip-difficult",
            "validation",
            "PascalVoc",
            ("D", "mine"),
            PASCAL | {"classes": ["b", "a"], "skip_difficult": True},
        ),
        (
            "debug",
            "pascal D --classes auto --skip-truncated --allow-outside",
            "debug",
            "PascalVoc",
            ("D", "test"),
            PASCAL | {"classes": "auto", "skip_truncated": True, "allow_outside": True},
        ),
        (
            "train",
            "coco --annotations a/F.json --images I --val-annotations V.json",
            "train",
            "Coco",
            (None, "F"),
            HERE | {"annotation_file": "a/F.json", "image_dir": "I"},
        ),
        (
            "train",
            "coco --annotations F --val-annotations b/V.json --val-images J --allow-outside",
            "validation",
            "Coco",
            (None, "V"),
            {"annotation_file": "b/V.json", "image_dir": "J", "allow_outside": True},
        ),
        (
            "evaluate",
            "coco --annotations=F m.keras",
            "evaluate",
            "Coco",
            (None, "F"),
            HERE | {"annotation_file": "F", "image_dir": None},
        ),
        ("debug", "yolo D", "debug", "Yolo", ("D", "val"), HERE),
        ("debug", "yolo D --yolo-set train", "debug", "Yolo", ("D", "train"), HERE),
        (
            "train",
            "yolo D --allow-outside",
            "train",
            "Yolo",
            ("D", "train"),
            {"allow_outside": True},
        ),
        ("evaluate", "yolo D m.keras", "evaluate", "Yolo", ("D", "val"), HERE),
        (
            "train",
            "csv A C --ignore-class crowd,mess --ignore-class rest",
            "train",
            "CSV",
            ("A", "C"),
            {"ignore_classes": ("crowd", "mess", "rest")},
        ),
        (
            "train",
            "--ignore-class crowd,mess csv A C",
            "train",
            "CSV",
            ("A", "C"),
            {"ignore_classes": ("crowd", "mess")},
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
        {"batch_size": 3, "ignore_classes": (), **options},
    )


def test_the_old_spelling_of_kittis_path_needs_the_path_behind_it(made, capsys):
    with pytest.raises(SystemExit):
        made("evaluate", "kitti --kitti_path D", "evaluate")
    assert "the following arguments are required: model" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["csv A C", "coco --annotations F"])
def test_without_pictures_to_measure_on_there_is_no_dataset(made, words):
    assert made("train", words, "validation") is None


def test_a_data_yaml_without_val_has_no_dataset_to_measure_on(made, tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("train: a\nnames: [cat]")
    assert made("train", f"yolo {path}", "validation") is None
    path.write_text("train: a\nval: b\nnames: [cat]")
    assert made("train", f"yolo {path}", "validation")[1] == (str(path), "val")


@pytest.mark.parametrize(
    "words, message",
    [
        ("coco D --images I", "--images and --val-annotations go with --annotations"),
        ("coco D --val-annotations V", "--images and --val-annotations go with --annotations"),
        ("coco --annotations F --val-images V", "--val-images goes with --val-annotations"),
    ],
)
def test_options_of_a_json_file_need_it(made, words, message):
    with pytest.raises(ValueError, match=message):
        made("train", words, "train")


@pytest.mark.parametrize("words", ["coco D", "coco --annotations F --val-annotations V", "yolo D"])
def test_a_dataset_may_be_measured_on(words):
    assert datasets.may_measure(train_options.parse_args([*words.split(), "--early-stopping", "2"]))


@pytest.mark.parametrize("words", ["csv A C", "coco --annotations F"])
def test_early_stopping_needs_pictures_to_measure_on(words, capsys):
    with pytest.raises(SystemExit):
        train_options.parse_args([*words.split(), "--early-stopping", "2"])
    assert "--early-stopping needs --val-annotations" in capsys.readouterr().err


def test_parts_of_other_classes_do_not_train(tmp_path):
    write_dataset(tmp_path, "coco")
    path = tmp_path / "annotations/instances_val2017.json"
    other = path.with_name("other.json")
    other.write_text(path.read_text().replace('"name": "square"', '"name": "triangle"'))
    words = ["--seed", "1", "coco", "--images", str(tmp_path / "images/val2017")]
    words += ["--val-images", str(tmp_path / "images/val2017"), "--annotations", str(path)]
    made = train.create_generators(train.parse_args([*words, "--val-annotations", str(path)]))
    assert [part.size() for part in made] == [3, 3]
    with pytest.raises(ValueError, match="measure on .disc, triangle, crowd. are not those to"):
        train.create_generators(train.parse_args([*words, "--val-annotations", str(other)]))


def test_the_releases_of_open_images_are_all_offered():
    assert set(dataset_rows.OID_VERSIONS) == RELEASES.keys()
