"""The Open Images dataset: every release's files, filters, the index's cache, and errors."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.bin import evaluate
from keras_retinanet.preprocessing import open_images_cache
from keras_retinanet.preprocessing.open_images import (
    OpenImagesGenerator,
    find_hierarchy_parent,
    generate_images_annotations_json,
    get_labels,
    load_hierarchy,
    load_hierarchy_children,
)
from keras_retinanet.preprocessing.open_images_classes import ancestors
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
CLASSES = '/m/pet,Pet\n/m/cat,"Cat"\n/m/dog,Dog\n/m/car,Car\n'
HIERARCHY = {
    "LabelName": "/m/entity",
    "Subcategory": [
        {"LabelName": "/m/car", "Part": [{"LabelName": "/m/wheel"}]},
        {
            "LabelName": "/m/pet",
            "Subcategory": [
                {"LabelName": "/m/dog"},
                {"LabelName": "/m/cat"},
                {"LabelName": "/m/unboxed", "Subcategory": [{"LabelName": "/m/cat"}]},
            ],
        },
    ],
}


def row(image, kind, x1, x2, y1, y2, group=0):
    return f"{image},xclick,/m/{kind},1,{x1},{x2},{y1},{y2},0,0,{group},0,0"


ROWS = [
    row("bb", "cat", 0.1, 0.5, 0.25, 0.75),
    row("aa", "car", 0, 1, 0, 1),
    row("bb", "dog", 0.5, 0.9, 0, 0.5, group=1),
    row("gone", "dog", 0.5, 0.9, 0, 0.5),
]
MISSING = "ignore:.*pictures that are not in"  # "gone" has no picture
pytestmark = pytest.mark.filterwarnings(MISSING)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def tree(tmp_path):
    """Return f(rows) -> folder of release v4 with 40x50 pictures aa, bb in subset "train"."""

    def make(rows=ROWS, classes=CLASSES, hierarchy=HIERARCHY, header=HEADER):
        for name in ("aa", "bb"):
            path = tmp_path / "images" / "train" / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (50, 40)).save(path)
        folder = tmp_path / "2018_04"
        write(folder / "train" / "train-annotations-bbox.csv", "\n".join([header, *rows]))
        write(folder / "class-descriptions-boxable.csv", classes)
        write(folder / "bbox_labels_600_hierarchy.json", json.dumps(hierarchy))
        return tmp_path

    return make


@pytest.fixture
def opened(tree, tmp_path):
    """Return f(rows, **options) -> generator, its cache in the folder "cache"."""

    def make(rows=ROWS, skip_group_of=False, **options):
        options |= {"annotation_cache_dir": tmp_path / "cache", "skip_group_of": skip_group_of}
        return OpenImagesGenerator(tree(rows), "train", **options)

    return make


def test_shares_become_pixels_and_pictures_keep_the_order_of_the_file(opened, tmp_path):
    generator = opened()
    assert generator.image_names == ("bb.jpg", "aa.jpg")
    assert generator.image_path(1) == str(tmp_path / "images/train/aa.jpg")
    np.testing.assert_allclose(
        generator.load_annotations(0)["bboxes"], [[5, 10, 25, 30], [25, 0, 45, 20]]
    )
    assert generator.load_annotations(0)["labels"].tolist() == [1, 2]
    assert generator.load_annotations(1)["bboxes"].tolist() == [[0, 0, 50, 40]]
    assert generator.load_ignored(0)["bboxes"].shape == (0, 4)


def test_classes_are_numbered_as_in_the_file(opened):
    generator = opened()
    assert generator.num_classes() == 4
    assert [generator.label_to_name(label) for label in range(4)] == ["Pet", "Cat", "Dog", "Car"]
    assert generator.name_to_label("Dog") == 2
    assert generator.has_name("Car")
    assert not generator.has_name("Cow")
    assert [generator.has_label(label) for label in (-1, 0, 3, 4)] == [False, True, True, False]


def test_boxes_of_groups_are_regions_to_ignore(tree, tmp_path):
    generator = OpenImagesGenerator(tree(), "train", annotation_cache_dir=tmp_path / "cache")
    assert generator.load_annotations(0)["labels"].tolist() == [1]
    assert generator.load_ignored(0)["labels"].tolist() == [2]
    np.testing.assert_allclose(generator.load_ignored(0)["bboxes"], [[25, 0, 45, 20]])


def test_a_filter_renumbers_classes_and_leaves_other_pictures_out(opened):
    generator = opened(labels_filter=["Dog", "Cat"])
    assert generator.classes == {"Dog": 0, "Cat": 1}
    assert generator.image_names == ("bb.jpg",)
    assert generator.load_annotations(0)["labels"].tolist() == [1, 0]


def test_a_parent_stands_for_itself_and_all_below_it(opened):
    generator = opened(parent_label="Pet")
    assert generator.classes == {"Pet": 0, "Dog": 1, "Cat": 2}
    assert generator.image_names == ("bb.jpg",)
    assert generator.load_annotations(0)["labels"].tolist() == [2, 1]
    assert opened(parent_label="Car").image_names == ("aa.jpg",)


def test_classes_to_ignore_need_not_be_among_those_kept(opened):
    generator = opened(labels_filter=["Cat"], ignore_classes=["Dog"])
    assert generator.classes == {"Cat": 0}
    assert generator.image_names == ("bb.jpg",)
    assert generator.load_annotations(0)["labels"].tolist() == [0]
    assert generator.load_ignored(0)["labels"].tolist() == [-1]
    np.testing.assert_allclose(generator.load_ignored(0)["bboxes"], [[25, 0, 45, 20]])
    everything = opened(ignore_classes=["Car"])
    assert everything.classes == {"Pet": 0, "Cat": 1, "Dog": 2}
    assert everything.image_names == ("bb.jpg", "aa.jpg")  # although nothing else is in aa
    assert everything.load_ignored(1)["bboxes"].tolist() == [[0, 0, 50, 40]]


def test_classes_know_those_above_them_that_the_dataset_has(opened):
    assert opened().label_ancestors == {1: [0], 2: [0]}  # cats and dogs are pets
    assert opened(labels_filter=["Cat", "Pet"]).label_ancestors == {0: [1]}
    assert opened(labels_filter=["Cat", "Car"]).label_ancestors == {}
    above = ancestors(HIERARCHY)
    assert above["/m/cat"] == {"/m/entity", "/m/pet", "/m/unboxed"}
    assert above["/m/entity"] == set() and "/m/wheel" not in above


def test_the_classes_above_a_cat_of_the_real_hierarchy(real_data):
    folder = real_data / "formats" / "openimages"
    text = (folder / "class-descriptions-boxable.csv").read_text()
    keys = {name: key for key, name in csv.reader(text.splitlines())}
    tree = json.loads((folder / "bbox_labels_hierarchy_from_official_names.json").read_text())
    above = ancestors(tree)[keys["Cat"]]
    assert {keys["Animal"], keys["Mammal"]} <= above and keys["Dog"] not in above


def test_without_a_hierarchy_all_but_its_number_is_measured(opened, tmp_path, capsys):
    generator, later = opened(), opened()
    assert evaluate.ancestors_of(generator) == {1: [0], 2: [0]} and not capsys.readouterr().out
    (tmp_path / "2018_04" / "bbox_labels_600_hierarchy.json").unlink()
    assert evaluate.ancestors_of(later) == {}
    assert "AP with parent classes is left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    "version, folder, boxes, classes, tree_file",
    [
        ("v4", "2018_04", "train/train-annotations-bbox.csv", "class-descriptions-boxable.csv", ""),
        ("v4", "2018_04", "train-annotations-bbox.csv", "class-descriptions-boxable.csv", ""),
        ("v5", "annotations", "train-annotations-bbox.csv", "class-descriptions-boxable.csv", ""),
        (
            "v6",
            "annotations",
            "oidv6-train-annotations-bbox.csv",
            "oidv6-class-descriptions.csv",
            "",
        ),
        (
            "v7",
            "annotations",
            "oidv6-train-annotations-bbox.csv",
            "oidv7-class-descriptions-boxable.csv",
            "",
        ),
        (
            "challenge2019",
            "challenge2019",
            "challenge-2019-train-detection-bbox.csv",
            "challenge-2019-classes-description-500.csv",
            "challenge-2019-label500-hierarchy.json",
        ),
    ],
)
def test_every_releases_files_are_found_under_their_names(
    tree, tmp_path, version, folder, boxes, classes, tree_file
):
    source = tree() / "2018_04"
    target = tmp_path / "release"
    names = {
        "train/train-annotations-bbox.csv": boxes,
        "class-descriptions-boxable.csv": classes,
        "bbox_labels_600_hierarchy.json": tree_file or "bbox_labels_600_hierarchy.json",
    }
    for old, new in names.items():
        (target / new).parent.mkdir(parents=True, exist_ok=True)
        (source / old).rename(target / new)
    shutil.rmtree(source)
    target.rename(tmp_path / folder)
    options = {"annotation_cache_dir": tmp_path, "parent_label": "Pet", "skip_group_of": False}
    generator = OpenImagesGenerator(tmp_path, "train", version, **options)
    assert generator.classes == {"Pet": 0, "Dog": 1, "Cat": 2}
    assert generator.load_annotations(0)["labels"].tolist() == [2, 1]


def test_wrong_filters_are_refused_with_a_hint(opened, tree):
    with pytest.raises(ValueError, match="unknown class name 'Dgo' among 4. Did you mean 'Dog'"):
        opened(labels_filter=["Cat", "Dgo"])
    with pytest.raises(ValueError, match="unknown class name 'Zebra'"):
        opened(parent_label="Zebra")
    with pytest.raises(ValueError, match="exclude each other"):
        opened(labels_filter=["Cat"], parent_label="Pet")
    with pytest.raises(AnnotationError, match="no picture has a box of the chosen classes"):
        opened(labels_filter=["Pet"])
    root = tree(hierarchy={"LabelName": "/m/entity"})
    with pytest.raises(AnnotationError, match="class 'Pet' is not in the hierarchy"):
        OpenImagesGenerator(root, "train", annotation_cache_dir=root, parent_label="Pet")


def test_missing_pictures_are_counted_and_none_at_all_is_an_error(opened, tree, tmp_path):
    with pytest.warns(AnnotationWarning, match="pictures that are not in .*train.*: 1 of 3$"):
        opened()
    for name in ("aa", "bb"):
        (tmp_path / "images/train" / f"{name}.jpg").rename(tmp_path / f"{name}.jpg")
    with pytest.raises(AnnotationError, match="none of the 3 pictures of the annotations is there"):
        OpenImagesGenerator(tmp_path, "train", annotation_cache_dir=tmp_path)
    (tmp_path / "images/train").rmdir()
    with pytest.raises(AnnotationError, match="train: the pictures' folder cannot be read"):
        OpenImagesGenerator(tmp_path, "train", annotation_cache_dir=tmp_path)


def test_boxes_without_an_area_are_counted(opened):
    rows = [*ROWS[:2], row("aa", "cat", 0.5, 0.5, 0, 1), row("aa", "cat", 0.501, 0.509, 0, 1)]
    with pytest.warns(AnnotationWarning) as found:
        generator = opened([*rows, ROWS[0]])
    assert [str(warning.message).split(": ", 1)[1] for warning in found] == [
        "boxes without an area are left out: 1, the first in train-annotations-bbox.csv, line 4",
        "repeated boxes are left out: 1",
        "boxes that round to no pixel at all are left out: 1",
    ]
    assert generator.load_annotations(1)["labels"].tolist() == [3]


def test_the_index_is_read_again_only_when_a_file_changes(opened, monkeypatch, tmp_path):
    reads = []
    read = open_images_cache.read_boxes
    monkeypatch.setattr(
        open_images_cache, "read_boxes", lambda *args: reads.append(args) or read(*args)
    )
    folder = tmp_path / "2018_04"
    path = folder / "train/train-annotations-bbox.csv"
    opened()
    states = {file: file.stat() for file in (path, folder / "class-descriptions-boxable.csv")}

    def again(rows=ROWS):
        generator = opened(rows)
        return len(reads), generator.load_annotations(0)["bboxes"][:, 0].tolist()

    def unchanged():
        for file, state in states.items():
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        cache = tmp_path / "cache"
        generator = OpenImagesGenerator(
            tmp_path, "train", annotation_cache_dir=cache, skip_group_of=False
        )
        return len(reads), generator.load_annotations(0)["bboxes"][:, 0].tolist()

    assert unchanged() == (1, [5, 25])
    assert again([row("bb", "cat", 0.2, 0.5, 0.25, 0.75), *ROWS[1:]]) == (2, [10, 25])
    (cache,) = (tmp_path / "cache").glob("*")
    assert cache.name.startswith("open_images_v4_train_")
    cache.write_bytes(cache.read_bytes()[:200])
    assert again() == (3, [5, 25])


def test_releases_and_folders_do_not_share_an_index(tree, tmp_path):
    root = tree()
    OpenImagesGenerator(root, "train", annotation_cache_dir=tmp_path)
    (root / "2018_04").rename(root / "annotations")
    (root / "annotations/train/train-annotations-bbox.csv").rename(
        root / "annotations/train-annotations-bbox.csv"
    )
    OpenImagesGenerator(root, "train", "v5", annotation_cache_dir=tmp_path)
    OpenImagesGenerator(root, "train", "v6", annotation_cache_dir=tmp_path)
    assert len(list(tmp_path.glob("open_images_*.npz"))) == 3


def test_an_index_that_cannot_be_kept_is_told_and_done_without(tree, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(AnnotationWarning, match="the index cannot be kept .Not a directory"):
        generator = OpenImagesGenerator(tree(), "train", annotation_cache_dir=tmp_path / "file/x")
    assert generator.size() == 2


def test_release_3_numbers_its_trainable_classes(tree, tmp_path):
    folder = tree() / "2017_11"
    (tmp_path / "2018_04").rename(folder)
    (folder / "train/train-annotations-bbox.csv").rename(
        folder / "train/annotations-human-bbox.csv"
    )
    (folder / "class-descriptions-boxable.csv").rename(folder / "class-descriptions.csv")
    (folder / "classes-bbox-trainable.txt").write_text("/m/dog\n/m/car\n/m/cat\n")
    generator = OpenImagesGenerator(tmp_path, "train", "v3", annotation_cache_dir=tmp_path)
    assert generator.classes == {"Dog": 0, "Car": 1, "Cat": 2}
    assert generator.load_annotations(0)["labels"].tolist() == [2]
    assert generator.load_ignored(0)["labels"].tolist() == [0]
    (folder / "classes-bbox-trainable.txt").write_text("/m/dog\n\n/m/elk\n")
    with pytest.raises(AnnotationError, match="trainable.txt, line 3: class '/m/elk' is not in"):
        get_labels(folder, "v3")


def test_the_challenge_holds_validation_pictures_out_of_train(tree, tmp_path):
    folder = tree() / "challenge2018"
    (tmp_path / "2018_04").rename(folder)
    (folder / "train/train-annotations-bbox.csv").rename(
        folder / "challenge-2018-train-annotations-bbox.csv"
    )
    (folder / "class-descriptions-boxable.csv").rename(
        folder / "challenge-2018-class-descriptions-500.csv"
    )
    (folder / "challenge-2018-image-ids-valset-od.csv").write_text("ImageID\naa\n")
    parts = [
        OpenImagesGenerator(tmp_path, subset, "challenge2018", annotation_cache_dir=tmp_path)
        for subset in ("train", "validation")
    ]
    assert [part.image_names for part in parts] == [("bb.jpg",), ("aa.jpg",)]
    assert parts[1].image_path(0) == str(tmp_path / "images/train/aa.jpg")
    with pytest.raises(ValueError, match="subset must be 'train' or 'validation' here"):
        OpenImagesGenerator(tmp_path, "test", "challenge2018", annotation_cache_dir=tmp_path)


def test_an_unknown_release_names_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="version must be one of v3, v4, .*Received: 'v2'"):
        OpenImagesGenerator(tmp_path, "train", "v2")


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "none of the 0 pictures"),
        (["aa,x,/m/cat,1,0,1"], "line 3: 6 fields under 13 headings"),
        ([row("aa", "elk", 0, 1, 0, 1)], "line 3: unknown class '/m/elk'"),
        ([row("aa", "cat", "a", 1, 0, 1)], "line 3: XMin 'a' is not a share"),
        ([row("aa", "cat", 0, "nan", 0, 1)], "line 3: XMax 'nan' is not a share"),
        ([row("aa", "cat", 0, 1, 0, 300)], "line 3: YMax '300' is not a share"),
        ([row("aa", "cat", 0, 1, -0.02, 1)], "line 3: YMin '-0.02' is not a share"),
        ([row("aa", "cat", 0.6, 0.5, 0, 1)], r"XMax \(0.5\) must be higher than XMin \(0.6\)"),
        ([row("aa", "cat", 0, 1, 0.9, 0.1)], r"YMax \(0.1\) must be higher than YMin \(0.9\)"),
    ],
)
def test_a_bad_row_is_named_by_its_line(opened, rows, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        opened([ROWS[0], *rows] if rows else [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"header": "ImageID,LabelName"}, "bbox.csv, line 1: no column 'XMin' among"),
        ({"classes": ""}, "boxable.csv: there are no classes"),
        ({"classes": "/m/cat\n"}, "boxable.csv, line 1: '/m/cat' is not 'class id,class name'"),
    ],
)
def test_bad_files_are_named(tree, tmp_path, change, message):
    with pytest.raises(AnnotationError, match=message):
        OpenImagesGenerator(tree(**change), "train", annotation_cache_dir=tmp_path)


def test_missing_files_and_wrong_encodings_are_named(tree, tmp_path):
    folder = tree() / "2018_04"
    with pytest.raises(AnnotationError, match="validation-annotations-bbox.csv: the file does not"):
        (tmp_path / "images/validation").mkdir()
        OpenImagesGenerator(tmp_path, "validation", annotation_cache_dir=tmp_path)
    (folder / "class-descriptions-boxable.csv").write_bytes(b"/m/cat,K\xe4tzchen")
    with pytest.raises(AnnotationError, match="boxable.csv, line 1: byte 0xe4 is not UTF-8"):
        get_labels(folder)
    (folder / "class-descriptions-boxable.csv").unlink()
    with pytest.raises(AnnotationError, match="boxable.csv: the file does not exist"):
        get_labels(folder)


def test_the_helpers_of_1_0_answer_as_there(tree, tmp_path):
    folder = tree() / "2018_04"
    labels, index = get_labels(folder)
    assert labels == {0: "Pet", 1: "Cat", 2: "Dog", 3: "Car"}
    assert index == {"/m/pet": 0, "/m/cat": 1, "/m/dog": 2, "/m/car": 3}
    hierarchy = load_hierarchy(folder)
    assert hierarchy == HIERARCHY
    assert load_hierarchy_children(find_hierarchy_parent(hierarchy, "/m/pet")) == [
        "/m/pet",
        "/m/dog",
        "/m/cat",
        "/m/unboxed",
    ]
    assert find_hierarchy_parent(hierarchy, "/m/none") is None
    data = generate_images_annotations_json(tmp_path, folder, "train", index)
    assert list(data) == ["bb", "aa"]
    assert data["aa"] == {
        "w": 50,
        "h": 40,
        "boxes": [{"cls_id": 3, "x1": 0, "y1": 0, "x2": 1, "y2": 1}],
    }


@pytest.mark.parametrize(
    "text, message",
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", r"'\[\]' has no 'LabelName'"),
        ('{"LabelName": "/m/a", "Subcategory": 3}', "'Subcategory' of '/m/a' is no list"),
        ('{"LabelName": "/m/a", "Subcategory": [{"LabelName": 1}]}', "has no 'LabelName'"),
    ],
)
def test_a_bad_hierarchy_is_refused(tree, text, message):
    folder = tree() / "2018_04"
    (folder / "bbox_labels_600_hierarchy.json").write_text(text)
    with pytest.raises(AnnotationError, match=f"hierarchy.json: .*{message}"):
        load_hierarchy(folder)


def test_a_deep_hierarchy_is_walked():
    tree = {"LabelName": "0"}
    for depth in range(1, 5000):
        tree = {"LabelName": str(depth), "Subcategory": [tree]}
    assert load_hierarchy_children(tree)[-1] == "0"
    assert find_hierarchy_parent(tree, "0") == {"LabelName": "0"}


def test_the_official_classes_and_hierarchy_are_read(real_data, tmp_path):
    folder = real_data / "formats/openimages"
    labels, index = get_labels(folder)
    assert len(labels) == len(index) == 601
    assert (labels[0], labels[1]) == ("Tortoise", "Container")
    hierarchy_file = folder / "bbox_labels_hierarchy_from_official_names.json"
    (tmp_path / "bbox_labels_600_hierarchy.json").symlink_to(hierarchy_file)
    hierarchy = load_hierarchy(tmp_path)
    key = next(key for key, label in index.items() if labels[label] == "Bear")
    below = load_hierarchy_children(find_hierarchy_parent(hierarchy, key))
    names = [labels[index[key]] for key in below]
    assert names == ["Bear", "Brown bear", "Panda", "Polar bear", "Teddy bear"]


def test_a_tree_of_release_6_is_read(real_data, tmp_path):
    root = real_data / "formats/datumaro/tests/assets/open_images_dataset/v6"
    (tmp_path / "annotations").symlink_to(root / "annotations")
    for subset, name in (("train", "b"), ("test", "c")):
        folder = tmp_path / "images" / subset
        folder.mkdir(parents=True)
        Image.new("RGB", (100, 100)).save(folder / f"{name}.jpg")
    train, test = (
        OpenImagesGenerator(tmp_path, subset, "v6", annotation_cache_dir=tmp_path)
        for subset in ("train", "test")
    )
    assert [train.label_to_name(label) for label in range(4)] == [
        f"Generic label #{number}" for number in range(4)
    ]
    np.testing.assert_allclose(train.load_annotations(0)["bboxes"], [[20, 30, 100, 50]])
    assert train.load_annotations(0)["labels"].tolist() == [0]
    np.testing.assert_allclose(test.load_ignored(0)["bboxes"], [[70, 0, 80, 50]])  # a group
    assert test.load_ignored(0)["labels"].tolist() == [3]
    below = OpenImagesGenerator(
        tmp_path, "train", "v6", annotation_cache_dir=tmp_path, parent_label="Generic label #0"
    )
    assert below.classes == {"Generic label #0": 0, "Generic label #1": 1}


def test_boxes_below_a_pixel_are_left_out_of_real_files(real_data, tmp_path):
    root = real_data / "formats/datumaro/tests/assets/open_images_dataset/v6"
    with pytest.warns(AnnotationWarning, match="round to no pixel at all are left out: 1"):
        generator = OpenImagesGenerator(root, "train", "v6", annotation_cache_dir=tmp_path)
    assert generator.image_sizes.tolist() == [[2, 8]]  # the box is 0.2 of 2 pixels high
    assert generator.load_annotations(0)["bboxes"].shape == (0, 4)


def test_the_doctor_gets_pixels(opened):
    generator = opened(as_found=True)
    found = generator.in_pixels(generator.found.samples)
    np.testing.assert_allclose(found.boxes[0], [5, 10, 25, 30])
    assert generator.found.samples.boxes[0].tolist() == [0.1, 0.25, 0.5, 0.75]
