"""One dataset in all formats: every reader finds the same boxes, labels and names in it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_retinanet.bin import datasets
from keras_retinanet.bin.console import Parser
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning
from keras_retinanet.utils.image import ImageError
from tests.preprocessing.drawn_dataset import FORMATS, NAMES, OBJECTS, SIZES, write_dataset


def opened(words, command="debug", **options):
    """Return the generator that the words name."""
    parser = Parser(prog="retinanet")
    datasets.add_datasets(parser, command, Parser)
    args = parser.parse_args([str(word) for word in words])
    return datasets.make_generator(args, command, **options)


def found(generator, load):
    """Return {stem of a picture: [(label, box)]}."""
    pictures = {}
    for index in range(generator.size()):
        annotations = load(index)
        rows = zip(annotations["labels"].tolist(), annotations["bboxes"].tolist(), strict=True)
        pictures[Path(generator.image_path(index)).stem] = [(kind, *box) for kind, box in rows]
    return pictures


def check(pictures, expected, missing=()):
    """Assert that pictures hold the objects {stem: [(label, x1, y1, x2, y2)]}."""
    assert pictures.keys() == expected.keys() - set(missing)
    for name, rows in pictures.items():
        np.testing.assert_allclose(
            np.reshape(rows, (-1, 5)), np.reshape(expected[name], (-1, 5)), atol=1e-9, err_msg=name
        )


def expected(name_to_label, kinds):
    """Return {stem: rows} of the objects of `kinds`, each with the label that f(kind) gives."""
    return {
        name: [(name_to_label(kind), *box) for kind, box in objects if kind in kinds]
        for name, objects in OBJECTS.items()
    }


@pytest.mark.filterwarnings("ignore:.*count as background")
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_boxes_labels_and_names(name, tmp_path):
    drawn = write_dataset(tmp_path, name)
    generator = opened(drawn.words)
    missing = ["c"] if name == "oid" else []  # its files name no picture without a box
    label = {kind: generator.name_to_label(drawn.names[kind]) for kind in NAMES}
    if name != "kitti":
        assert generator.classes == {"disc": 0, "square": 1, "crowd": 2}
    check(found(generator, generator.load_annotations), expected(label.get, NAMES), missing)
    check(found(generator, generator.load_ignored), expected(label.get, ()), missing)
    for index in range(generator.size()):
        stem = Path(generator.image_path(index)).stem
        assert generator.image_size(index) == SIZES[stem][::-1]


@pytest.mark.filterwarnings("ignore:.*count as background")
@pytest.mark.parametrize("name", FORMATS)
def test_a_class_to_ignore_has_regions_and_no_label_in_every_format(name, tmp_path):
    drawn = write_dataset(tmp_path, name)
    generator = opened([*drawn.words, "--ignore-class", drawn.names["crowd"]])
    missing = ["c"] if name == "oid" else []
    label = {kind: generator.name_to_label(drawn.names[kind]) for kind in NAMES[:2]}
    if name != "kitti":
        assert generator.classes == {"disc": 0, "square": 1}
    assert not generator.has_name(drawn.names["crowd"])
    check(found(generator, generator.load_annotations), expected(label.get, NAMES[:2]), missing)
    regions = expected(lambda kind: -1, NAMES[2:])
    check(found(generator, generator.load_ignored), regions, missing)


@pytest.mark.filterwarnings("ignore:.*count as background")
@pytest.mark.parametrize("name", FORMATS)
def test_a_class_to_ignore_before_others_moves_their_labels_but_not_csv_ids(name, tmp_path):
    drawn = write_dataset(tmp_path, name)
    generator = opened([*drawn.words, "--ignore-class", drawn.names["disc"]])
    first = {"csv": 1, "kitti": 4}.get(name, 0)  # KITTI: Van, Truck, ... come before
    assert generator.name_to_label(drawn.names["square"]) == first
    assert generator.load_ignored(0)["labels"].tolist() == [-1]
    assert generator.load_annotations(0)["labels"].tolist() == [first]


@pytest.mark.filterwarnings("ignore:.*count as background")
@pytest.mark.parametrize("name", FORMATS)
def test_a_class_to_ignore_that_no_box_has_is_told(name, tmp_path):
    drawn = write_dataset(tmp_path, name)
    with pytest.warns(AnnotationWarning, match="no box is of the class 'crwod', which was to be"):
        generator = opened([*drawn.words, "--ignore-class", "crwod"])
    assert sum(len(generator.load_ignored(index)["labels"]) for index in range(2)) == 0


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"kitti"}))
def test_ignoring_every_class_is_refused(name, tmp_path):
    drawn = write_dataset(tmp_path, name)
    with pytest.raises(AnnotationError, match="no class is left to find. Ignore fewer classes"):
        opened([*drawn.words, "--ignore-class", ",".join(NAMES)])


def test_a_csv_class_to_ignore_need_not_stand_in_the_class_file(tmp_path):
    drawn = write_dataset(tmp_path, "csv")
    (tmp_path / "classes.csv").write_text("disc,0\nsquare,1\n")
    with pytest.raises(AnnotationError, match="unknown class name: 'crowd'"):
        opened(drawn.words)
    generator = opened([*drawn.words, "--ignore-class", "crowd"])
    assert generator.num_classes() == 2
    assert generator.load_ignored(1)["bboxes"].tolist() == [[5, 40, 35, 62]]


def test_coco_numbers_take_boxes_of_a_class_to_ignore_for_crowds_of_all_others(tmp_path):
    generator = opened([*write_dataset(tmp_path, "coco").words, "--ignore-class", "crowd"])
    dataset = generator.coco.dataset
    assert dataset["categories"] == [{"id": 2, "name": "disc"}, {"id": 5, "name": "square"}]
    rows = [(a["image_id"], a["category_id"], a["iscrowd"]) for a in dataset["annotations"]]
    assert rows == [(11, 5, 0), (11, 2, 0), (12, 2, 0), (12, 2, 0), (12, 2, 1), (12, 5, 1)]
    assert dataset["annotations"][4]["bbox"] == [5, 40, 30, 22]
    assert len({a["id"] for a in dataset["annotations"]}) == 6


@pytest.mark.filterwarnings("ignore:.*count as background")
def test_broken_pictures_leave_shares_in_pixels(tmp_path):
    drawn = write_dataset(tmp_path, "yolo")
    (tmp_path / "images/val/a.png").write_bytes(b"")
    with pytest.raises(ImageError, match="a.png: the file is empty"):
        opened(drawn.words)
    with pytest.warns(AnnotationWarning, match="1 pictures are left out"):
        generator = opened(drawn.words, skip_broken=True)
    pictures = found(generator, generator.load_annotations)
    check(pictures, expected(NAMES.index, NAMES), missing=["a"])


def test_a_dataset_reads_the_same_from_elsewhere(tmp_path, monkeypatch):
    write_dataset(tmp_path / "here", "yolo")
    shutil.move(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(AnnotationWarning, match="background: 1 of 3"):
        generator = opened(["yolo", "there"])
    assert generator.image_names == ("images/val/a.png", "images/val/b.png", "images/val/c.png")
    check(found(generator, generator.load_annotations), expected(NAMES.index, NAMES))


ASSETS = "formats/datumaro/tests/assets"
COCO_FILES = "formats/faster_coco_eval/tests"
READ = [  # words, pictures, boxes, regions to ignore, classes
    ("coco --annotations {d}/coco_sample/instances.json --images {d}/coco_sample/images",
     48, 249, 2, 80),
    ("coco --annotations {a}/coco_dataset/coco_roboflow/train/_annotations.coco.json", 1, 1, 0, 3),
    ("coco --annotations {a}/roboflow_dataset/coco/train/_annotations.coco.json", 2, 2, 0, 2),
    ("coco --annotations {c}/dataset/gt_dataset.json", 3, 9, 0, 4),
    ("pascal {d}/blood_cells --classes auto", 72, 945, 0, 3),
    ("pascal {d}/raccoons --pascal-set all", 200, 217, 0, 1),
    ("pascal {a}/voc_dataset/voc_dataset1 --pascal-set train", 1, 2, 0, 20),
    ("pascal {a}/voc_dataset/voc_dataset3 --pascal-set train --skip-truncated", 1, 0, 1, 20),
    ("pascal {a}/roboflow_dataset/voc --pascal-set train", 2, 2, 0, 2),
    ("kitti {d}/formats/kitti_vis/data/object training", 3, 6, 4, 8),
    ("kitti {d}/formats/kitti_vis/data/object training --ignore-class Misc", 3, 5, 5, 7),
    ("kitti {a}/kitti_dataset/kitti_detection training", 2, 5, 0, 8),
    ("yolo {a}/roboflow_dataset/yolo --yolo-set train", 2, 2, 0, 2),
    ("csv {d}/blood_cells/val.csv {d}/blood_cells/classes.csv --ignore-class RBC", 72, 140, 805, 2),
]  # fmt: skip
REFUSED = [  # words, part of the message
    ("coco --annotations {a}/roboflow_dataset/createml/train/_annotations.createml.json",
     "createml.json: not a COCO file"),
    ("coco --annotations {d}/formats/sahi_coco/result.json", "result.json: not a COCO file"),
    ("coco --annotations {c}/lvis_dataset/lvis_val_100.json", "100 of 100 pictures cannot be used"),
    ("csv {a}/roboflow_dataset/multiclass/train/_classes.csv {d}/blood_cells/classes.csv",
     "_classes.csv, line 1: format should be"),
    ("csv {d}/blood_cells/classes.csv {d}/blood_cells/val.csv", "val.csv, line 1: format should"),
    ("pascal {a}/cvat_dataset/for_images/export_project --pascal-set all",
     "annotations.xml: begins with 'annotations', not 'annotation'"),
    ("pascal {a}/labelme_dataset --pascal-set all", "neither ImageSets/ nor XML files"),
    ("pascal {a}/voc_dataset/voc_dataset2 --pascal-set trainval", "class name 'background' not"),
    ("kitti {a}/yolo_dataset/labels train", "train: has no folder 'labels'"),
    ("yolo {a}/yolo_dataset/strict/obj.data", "obj.data: not a data.yaml"),
    ("yolo {a}/roboflow_dataset/yolo", "val '../valid/images' is neither a folder nor a list"),
    ("yolo {a}/roboflow_dataset/yolo_obb --yolo-set train", "none of 2 pictures has a text file"),
    ("oid {a}/open_images_dataset/v5 train --version v5 --annotation-cache-dir /none",
     "class-descriptions-boxable.csv: the file does not exist"),
]  # fmt: skip


def real_words(words, folder):
    """Return the words of a command line on real files."""
    return words.format(d=folder, a=folder / ASSETS, c=folder / COCO_FILES).split()


@pytest.mark.filterwarnings(f"ignore::{AnnotationWarning.__module__}.AnnotationWarning")
@pytest.mark.parametrize("words, pictures, boxes, regions, classes", READ)
def test_real_files_are_read(real_data, words, pictures, boxes, regions, classes):
    generator = opened(real_words(words, real_data))
    counts = (generator.size(), len(generator.samples.boxes), len(generator.ignored.boxes))
    assert (*counts, len(generator.classes)) == (pictures, boxes, regions, classes)


@pytest.mark.parametrize("words, message", REFUSED)
def test_real_files_of_other_kinds_are_refused(real_data, words, message):
    with pytest.raises((AnnotationError, ImageError)) as caught:
        opened(real_words(words, real_data))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
