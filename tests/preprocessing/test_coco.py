"""The COCO dataset: values from real and written files, crowds, ids, and errors."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing import coco_file
from keras_retinanet.preprocessing.annotation_files import check_name
from keras_retinanet.preprocessing.coco import CocoGenerator
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning
from keras_retinanet.utils.image import ImageError

IMAGES = [{"id": 9, "file_name": "b.png"}, {"id": 4, "file_name": "sub/a.png"}]
CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def box(image_id, category_id, bbox, **more):
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, **more}


ANNOTATIONS = [
    box(4, 7, [1, 2, 10, 20], id=5, area=30.5, iscrowd=0),
    box(9, 3, [0, 0, 4.5, 3]),
    box(4, 3, [5, 5, 30, 30], iscrowd=1),
    box(4, 3, [2, 2, 3, 3]),
]


@pytest.fixture
def coco_tree(tmp_path):
    """Return f(annotations, **replacements) -> folder of a set "val" with two 40x50 pictures."""

    def make(annotations=ANNOTATIONS, folder="images/val", **content):
        content = {"images": IMAGES, "categories": CATEGORIES, **content}
        for name in ("b.png", "sub/a.png"):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (50, 40)).save(path)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / "instances_val.json").write_text(
            json.dumps({**content, "annotations": annotations})
        )
        return tmp_path

    return make


def test_pictures_keep_the_order_of_the_file_and_labels_that_of_the_category_ids(coco_tree):
    generator = CocoGenerator(coco_tree(), "val")
    assert generator.size() == 2
    assert generator.image_ids == [9, 4]
    assert generator.image_path(1) == str(coco_tree() / "images/val/sub/a.png")
    assert generator.num_classes() == 2
    assert generator.classes == {"cat": 0, "dog": 1}
    assert [generator.has_label(label) for label in (-1, 0, 1, 2)] == [False, True, True, False]
    assert generator.has_name("dog")
    assert not generator.has_name("cow")
    assert generator.name_to_label("dog") == 1
    assert generator.label_to_name(1) == "dog"
    assert generator.coco_label_to_label(7) == 1
    assert generator.coco_label_to_name(7) == "dog"
    assert generator.label_to_coco_label(np.int32(1)) == 7


def test_boxes_are_corners_and_crowds_are_regions_to_ignore(coco_tree):
    generator = CocoGenerator(coco_tree(), "val")
    found = generator.load_annotations(1)
    assert found["bboxes"].tolist() == [[1, 2, 11, 22], [2, 2, 5, 5]]
    assert found["labels"].tolist() == [1, 0]
    assert generator.load_annotations(0)["bboxes"].tolist() == [[0, 0, 4.5, 3]]
    assert generator.load_ignored(1)["bboxes"].tolist() == [[5, 5, 35, 35]]
    assert generator.load_ignored(1)["labels"].tolist() == [0]
    assert generator.load_ignored(0)["bboxes"].shape == (0, 4)


def test_the_dataset_for_pycocotools_has_crowds_areas_and_the_files_own_ids(coco_tree):
    dataset = CocoGenerator(coco_tree(), "val").coco.dataset
    assert dataset["images"] == IMAGES
    assert dataset["categories"] == [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    rows = [
        [a["image_id"], a["category_id"], a["area"], a["iscrowd"]] for a in dataset["annotations"]
    ]
    assert rows == [[4, 7, 30.5, 0], [9, 3, 13.5, 0], [4, 3, 900, 1], [4, 3, 9, 0]]
    assert dataset["annotations"][1]["bbox"] == [0, 0, 4.5, 3]


def test_pictures_may_lie_in_a_folder_of_the_sets_name_or_anywhere(coco_tree, tmp_path):
    root = coco_tree(folder="val")
    assert CocoGenerator(root, "val").image_path(0) == str(root / "val" / "b.png")
    generator = CocoGenerator(
        None,
        "mine",
        annotation_file=root / "annotations" / "instances_val.json",
        image_dir=root / "val",
    )
    assert generator.load_image(1).shape == (40, 50, 3)
    with pytest.raises(
        AnnotationError, match="no folder of pictures. Put them into .*images.other"
    ):
        CocoGenerator(root, "other")


def test_what_is_left_out_is_told_once_with_its_number(coco_tree):
    annotations = [
        *ANNOTATIONS[:2],
        box(4, 7, [1, 2, 10, 20]),
        box(4, 7, [3, 3, 0.5, 9]),
        box(4, 7, [3, 3, -4, 9]),
        box(77, 7, [3, 3, 4, 9]),
        box(4, 7, [45, 35, 10, 10]),
        box(4, 7, [60, 35, 10, 10]),
    ]
    with pytest.warns(AnnotationWarning) as found:
        generator = CocoGenerator(coco_tree(annotations), "val")
    assert [str(warning.message).split("val.json: ")[1] for warning in found] == [
        "boxes without an area are left out: 2, the first in annotations[3] (below 1 pixel)",
        "annotations of pictures that the file does not list: 1",
        "repeated boxes are left out: 1",
        "1 boxes reach outside their pictures and are clipped",
        "1 boxes lie wholly outside their pictures and are left out",
    ]
    assert generator.load_annotations(1)["bboxes"].tolist() == [[1, 2, 11, 22], [45, 35, 50, 40]]
    assert len(generator.coco.dataset["annotations"]) == 7


def test_ids_follow_their_pictures_when_broken_ones_are_left_out(coco_tree):
    root = coco_tree()
    (root / "images/val/b.png").write_bytes(b"")
    with pytest.raises(ImageError, match="b.png: the file is empty"):
        CocoGenerator(root, "val")
    with pytest.warns(AnnotationWarning, match="1 pictures are left out"):
        generator = CocoGenerator(root, "val", skip_broken=True)
    assert generator.image_ids == [4]
    assert generator.load_annotations(0)["labels"].tolist() == [1, 0]
    assert generator.load_ignored(0)["labels"].tolist() == [0]


def test_two_categories_of_one_name_keep_their_own_labels(coco_tree):
    categories = [{"id": 0, "name": "cat"}, {"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    generator = CocoGenerator(coco_tree(categories=categories), "val")
    assert generator.num_classes() == 3
    assert [generator.label_to_name(label) for label in range(3)] == ["cat", "cat", "dog"]
    assert generator.name_to_label("cat") == 0
    assert generator.load_annotations(0)["labels"].tolist() == [1]


def test_a_file_without_annotations_is_a_dataset_of_background(coco_tree):
    generator = CocoGenerator(coco_tree([]), "val", seed=0, no_resize=True)
    assert generator.load_annotations(0)["bboxes"].shape == (0, 4)
    assert (generator.raw_batch(0)[1]["labels"] == -1).all()


DAMAGED = {  # end of a file, what is said of it where it is large
    "cut": (
        b'"annotations": [{"id": 1, "bb',
        "line 2: not JSON: .* is cut off here, at column 30",
    ),
    "cut in a number": (b'"annotations": [1', "the file is cut off here, at column 18"),
    "zeros": (b'"annotations": [\0\0\0]}', "invalid character, at column 17"),
    "no comma": (b'"annotations": [1 2]}', "expected ',' or ']', at column 19"),
    "rest of another file": (b'"annotations": []}]}', "trailing characters, at column"),
    "NaN, which json knows": (
        b'"annotations": [{"image_id": 9, "category_id": 3, "bbox": [NaN, 1, 2, 3]}]}',
        r"annotations\[0\] \(id 'None'\): bbox '\[nan, 1, 2, 3\]' has a number that is not",
    ),
    "half a pair": (
        b'"annotations": [{"x": "\\ud800"}]}',
        r"annotations\[0\] .* has no 'image_id'",
    ),
    "encoding": (b'"annotations": ["\xff"]}', "byte 0xff at .* is not utf-8"),
}


@pytest.mark.parametrize(("end", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_large_file_that_is_damaged_is_refused_without_reading_it_slowly(
    coco_tree, monkeypatch, end, message
):
    monkeypatch.setattr(coco_file, "LARGE", 0)
    start = json.dumps({"images": IMAGES, "categories": CATEGORIES})[:-1].encode()
    if "annotations" not in message and "utf" not in message:
        monkeypatch.setattr(coco_file, "read_json", None)
    root = coco_tree()
    (root / "annotations" / "instances_val.json").write_bytes(start + b",\n" + end)
    with pytest.raises(AnnotationError, match=message) as caught:
        CocoGenerator(root, "val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "the file is empty"),
        (b'{"images": [', "line 1: not JSON"),
        (b'{"images": "\xff"}', "0xff at 12 is not utf-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"images": [{"id": ' + b"9" * 5000 + b"}]}", "not usable JSON"),
        (b"[]", "not a COCO file"),
        (b'{"images": [], "categories": [1], "annotations": []}', "the list 'images' is empty"),
        (b'{"images": [3], "categories": [], "annotations": []}', r"images\[0\] is '3', not an ob"),
    ],
    ids=["empty", "cut", "encoding", "deep", "digits", "list", "no images", "no object"],
)
def test_a_file_that_is_no_coco_file_is_refused_in_one_line(coco_tree, content, message):
    root = coco_tree()
    (root / "annotations" / "instances_val.json").write_bytes(content)
    with pytest.raises(AnnotationError, match=f"instances_val.json.*{message}") as caught:
        CocoGenerator(root, "val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "annotation, message",
    [
        ({"image_id": 4, "category_id": 7, "id": 17}, r"\[1\] \(id '17'\) has no 'bbox'"),
        ({"bbox": [1, 2, 3, 4], "category_id": 7}, "has no 'image_id'"),
        (box(4, 8, [1, 2, 3, 4]), "unknown category_id '8'"),
        (box(4, [], [1, 2, 3, 4]), r"unknown category_id '\[\]'"),
        (box([], 7, [1, 2, 3, 4]), r"image_id '\[\]' is no id"),
        (box(4, 7, [1, 2, 3]), r"bbox '\[1, 2, 3\]' is not"),
        (box(4, 7, []), r"bbox '\[\]' is not"),
        (box(4, 7, None), "bbox 'None' is not"),
        (box(4, 7, [1, 2, "3", 4]), "bbox .* is not"),
        (box(4, 7, [1, 2, float("nan"), 4]), "not finite"),
        (box(4, 7, [1, 2, float("inf"), 4]), "not finite"),
        (box(4, 7, [1, 2, 10**400, 4]), "not finite or too large"),
        (box(4, 7, [1, 2, 3, 4], area="big"), "area 'big' is not a finite number"),
        (box(4, 7, [1, 2, 3, 4], area=float("nan")), "area 'nan' is not a finite number"),
    ],
)
def test_a_bad_annotation_is_named_by_its_place(coco_tree, annotation, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        CocoGenerator(coco_tree([ANNOTATIONS[0], annotation]), "val")
    assert "instances_val.json: annotations[1]" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"images": [IMAGES[0], IMAGES[0]]}, r"images\[1\] repeats the id 9"),
        ({"images": [{"file_name": "b.png"}]}, r"images\[0\] has no 'id'"),
        ({"images": [{"id": 1}]}, r"images\[0\]: file_name: 'None' is not the name"),
        ({"images": [{"id": 1, "file_name": "../b.png"}]}, "'../b.png' leads out of the folder"),
        ({"images": [{"id": 1, "file_name": "/etc/passwd"}]}, "'/etc/passwd' leads out"),
        ({"images": [{"id": 1, "file_name": "a\nb.png"}]}, "is not the name of a picture"),
        ({"categories": [{"id": 1}]}, r"categories\[0\] has no 'name'"),
        ({"categories": [{"name": "cat"}]}, r"categories\[0\] has no 'id'"),
        ({"categories": [CATEGORIES[0]] * 2}, r"categories\[1\] repeats the id 7"),
    ],
)
def test_bad_pictures_and_categories_are_named_by_their_place(coco_tree, content, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        CocoGenerator(coco_tree([], **content), "val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "./", "a/../../b.png", "a\\..\\..\\b.png", "a/../b.png", " "),
        *("/a.png", "/zzz/a.png", "//a.png", "{d}", "{d}/", "{d}-not/a.png", "{d}/../a.png"),
    ],
)
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(AnnotationError):
        check_name(name.format(d=tmp_path), tmp_path, "here")


@pytest.mark.parametrize("name", ["a.png", "sub/a b.png", "..a.png", "./a.png", "ä\u00a0.png"])
def test_names_inside_the_folder_are_kept(tmp_path, name):
    assert check_name(name, tmp_path, "here") == name
    assert check_name(str(tmp_path / name), tmp_path, "here") == str(tmp_path / name)


def test_names_of_a_folder_named_from_here_are_checked_like_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("", ".", "set", Path("set")):
        assert check_name("sub/a.png", folder, "here") == "sub/a.png"
        with pytest.raises(AnnotationError, match="'/zzz/a.png' leads out of the folder"):
            check_name("/zzz/a.png", folder, "here")


def test_a_file_alone_has_its_pictures_beside_it(coco_tree, tmp_path):
    root = coco_tree(folder="annotations")
    path = root / "annotations" / "instances_val.json"
    generator = CocoGenerator(None, "val", annotation_file=path)
    assert generator.image_path(1) == str(root / "annotations/sub/a.png")
    assert generator.load_image(1).shape == (40, 50, 3)


@pytest.mark.parametrize("name", ["../../elsewhere/b.png", "{d}/elsewhere/b.png"])
def test_pictures_outside_are_read_only_if_allowed(coco_tree, tmp_path, name):
    images = [{"id": 9, "file_name": name.format(d=tmp_path)}]
    root = coco_tree([box(9, 3, [0, 0, 4, 3])], images=images)
    (root / "elsewhere").mkdir()
    (root / "images/val/b.png").rename(root / "elsewhere/b.png")
    with pytest.raises(AnnotationError, match="leads out of the folder .*--allow-outside"):
        CocoGenerator(root, "val")
    assert CocoGenerator(root, "val", allow_outside=True).load_image(0).shape == (40, 50, 3)


def test_names_that_are_none_are_refused_even_where_all_is_allowed(tmp_path):
    for name in ("", " ", "a\nb.png", 7, None):
        with pytest.raises(AnnotationError, match="is not the name of a picture"):
            check_name(name, None, "here")
    assert check_name("/a/../b.png", None, "here") == "/a/../b.png"


# what tools write: Label Studio numbers from 0 and names its folder; CVAT adds keys of its own
LABEL_STUDIO = {
    "images": [{"width": 50, "height": 40, "id": 0, "file_name": "images/0c3-a.png"}],
    "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    "annotations": [
        {
            "id": 0,
            "image_id": 0,
            "category_id": 1,
            "segmentation": [],
            "bbox": [1.0, 2.0, 10.5, 20.25],
            "ignore": 0,
            "iscrowd": 0,
            "area": 212.6,
        }
    ],
    "info": {"year": 2024, "contributor": "Label Studio"},
}
CVAT = {
    "licenses": [{"name": "", "id": 0, "url": ""}],
    "info": {"contributor": "", "date_created": ""},
    "categories": [{"id": 1, "name": "dog", "supercategory": ""}],
    "images": [
        {
            "id": 1,
            "width": 50,
            "height": 40,
            "file_name": "images/0c3-a.png",
            "license": 0,
            "coco_url": "",
            "date_captured": 0,
        }
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [[1.0, 2.0, 11.5, 2.0, 11.5, 22.25, 1.0, 22.25]],
            "area": 212.6,
            "bbox": [1.0, 2.0, 10.5, 20.25],
            "iscrowd": 0,
            "attributes": {"occluded": False, "rotation": 0.0},
        }
    ],
}
ROBOFLOW = {  # its first category is the project, which has no boxes
    "categories": [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "dog", "supercategory": "animals"},
    ],
    "images": [{"id": 0, "license": 1, "file_name": "images/0c3-a.png", "height": 40, "width": 50}],
    "annotations": [
        {
            "id": 0,
            "image_id": 0,
            "category_id": 1,
            "bbox": [1, 2, 10.5, 20.25],
            "area": 212.625,
            "segmentation": [],
            "iscrowd": 0,
        }
    ],
}


@pytest.mark.parametrize("content", [LABEL_STUDIO, CVAT, ROBOFLOW], ids=["studio", "cvat", "flow"])
def test_exports_of_annotation_tools_are_read_as_they_are(tmp_path, content):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (50, 40)).save(tmp_path / "images/0c3-a.png")
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    generator = CocoGenerator(None, "result", annotation_file=path)
    found = generator.load_annotations(0)
    assert found["bboxes"].tolist() == [[1, 2, 11.5, 22.25]]
    assert [generator.label_to_name(label) for label in found["labels"]] == ["dog"]
    ids = [category["id"] for category in content["categories"] if category["name"] == "dog"]
    assert [generator.label_to_coco_label(label) for label in found["labels"]] == ids


@pytest.fixture
def coco_sample(real_data):
    folder = real_data / "coco_sample"
    return CocoGenerator(
        None, "sample", annotation_file=folder / "instances.json", image_dir=folder / "images"
    )


def test_real_pictures_have_the_boxes_of_the_file(coco_sample, real_data):
    content = json.loads((real_data / "coco_sample" / "instances.json").read_text())
    assert coco_sample.image_ids == [image["id"] for image in content["images"]]
    assert coco_sample.num_classes() == 80
    assert coco_sample.coco_labels[79] == 90
    assert coco_sample.label_to_name(0) == "person"
    for index, image_id in enumerate(coco_sample.image_ids):
        mine = [a for a in content["annotations"] if a["image_id"] == image_id]
        found = coco_sample.load_annotations(index)
        kinds = [coco_sample.label_to_coco_label(label) for label in found["labels"]]
        assert kinds == [a["category_id"] for a in mine if not a["iscrowd"]]
        x, y, width, height = np.reshape([a["bbox"] for a in mine if not a["iscrowd"]], (-1, 4)).T
        corners = np.stack([x, y, x + width, y + height], axis=1)
        np.testing.assert_allclose(found["bboxes"], corners, atol=0.02)  # files round to 0.01
        assert len(coco_sample.load_ignored(index)["labels"]) == sum(a["iscrowd"] for a in mine)


def test_the_twelve_numbers_of_a_real_detector_are_those_of_pycocotools(coco_sample, real_data):
    from keras_retinanet.evaluation import Detections, coco_metrics_of

    folder = real_data / "formats" / "coco_known_ap"
    results = json.loads((folder / "results_ssd_mobilenet_v1.json").read_text())
    expected = json.loads((folder / "expected_pycocotools_2.0.11.json").read_text())
    detections = []
    for image_id in coco_sample.image_ids:
        mine = [result for result in results if result["image_id"] == image_id]
        x, y, width, height = np.array([r["bbox"] for r in mine]).reshape(-1, 4).T
        labels = [coco_sample.coco_label_to_label(r["category_id"]) for r in mine]
        boxes = np.stack([x, y, x + width, y + height], axis=1)
        scores = np.array([r["score"] for r in mine])
        detections.append(Detections(boxes, scores, np.array(labels, np.int32)))
    metrics = coco_metrics_of(coco_sample, detections)
    assert metrics == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("tree", ["coco", "coco_instances", "mmdet_coco"])
def test_the_trees_of_an_annotation_converter_are_read(real_data, tree):
    root = real_data / "formats/datumaro/tests/assets/coco_dataset" / tree
    train, val = (CocoGenerator(root, name) for name in ("train", "val"))
    assert train.classes == {"a": 0, "b": 1, "c": 2}
    assert train.image_ids == [5]
    assert train.load_annotations(0)["bboxes"].tolist() == [[2, 2, 5, 3]]
    assert train.load_annotations(0)["labels"].tolist() == [1]
    assert val.load_annotations(0)["bboxes"].tolist() == [[0, 0, 1, 2]]
    assert val.load_ignored(0)["bboxes"].tolist() == [[0, 0, 1, 9]]
    assert val.load_ignored(0)["labels"].tolist() == [1]
    assert [a["area"] for a in val.coco.dataset["annotations"]] == [2, 20]


def test_a_file_beside_its_pictures_is_read(real_data):
    root = real_data / "formats/datumaro/tests/assets/roboflow_dataset/coco/train"
    generator = CocoGenerator(
        None, "train", annotation_file=root / "_annotations.coco.json", image_dir=root
    )
    boxes = [generator.load_annotations(index)["bboxes"].tolist() for index in range(2)]
    assert boxes == [[[2, 1, 5, 2]], [[0, 0, 2, 4]]]


def test_category_ids_from_0_and_useless_areas_are_read(real_data, tmp_path):
    path = real_data / "formats/sahi_coco/dataset.json"
    for image in json.loads(path.read_text())["images"]:
        Image.new("RGB", (image["width"], image["height"])).save(tmp_path / image["file_name"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnnotationWarning)
        generator = CocoGenerator(None, "drones", annotation_file=path, image_dir=tmp_path)
    assert generator.num_classes() == 80
    assert generator.label_to_coco_label(2) == 2
    assert generator.load_annotations(0)["bboxes"][0].tolist() == [149, 741, 206, 764]
    assert len(generator.coco.dataset["annotations"]) == 249


def test_other_files_of_coco_are_refused(real_data):
    root = real_data / "formats/datumaro/tests/assets/coco_dataset/coco"
    for name, message in (
        ("labels_train", r"annotations\[0\] .* has no 'bbox'"),
        ("captions_train", "the list 'categories' is empty"),
        ("panoptic_train", r"annotations\[0\] .* has no 'category_id'"),
    ):
        with pytest.raises(AnnotationError, match=f"{name}.json: .*{message}"):
            CocoGenerator(root, "train", annotation_file=root / "annotations" / f"{name}.json")
