"""The YOLO dataset: data.yaml in its many forms, where pictures and labels lie, polygons, poses."""

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing.rows import Rows
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning
from keras_retinanet.preprocessing.yolo import YoloGenerator
from keras_retinanet.preprocessing.yolo_files import add_objects, read_data_file

DATA = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
LINE = "1 0.5 0.5 0.2 0.5"  # in a picture of 50 x 40: 20, 10 to 30, 30


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def yolo_tree(tmp_path):
    """Return f({name: lines or None}, data, folder) -> data.yaml of pictures of 50 x 40."""

    def make(files, data=DATA, folder="images/train"):
        images = tmp_path / "set" / folder
        images.mkdir(parents=True, exist_ok=True)
        for name, lines in files.items():
            picture = images / name
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (50, 40)).save(picture)
            if lines is not None:
                head, mark, tail = f"{folder}/{name}".rpartition("images")
                labels = tmp_path / "set" / f"{head}{'labels' if mark else ''}{tail}"
                write(labels.with_suffix(".txt"), lines)
        return write(tmp_path / "set/data.yaml", data)

    return make


def boxes(generator, index=0):
    return generator.load_annotations(index)["bboxes"].tolist()


@pytest.mark.parametrize(
    "data, names",
    [
        ("names: [cat, dog]", {0: "cat", 1: "dog"}),
        ("names: ['no', \"on\", 2001-01-01, 1.50]", {0: "no", 1: "on", 2: "2001-01-01", 3: "1.50"}),
        ("names:\n  - cat\n  - dog # tame", {0: "cat", 1: "dog"}),
        ("names:\n- cat\n- traffic light", {0: "cat", 1: "traffic light"}),
        ("names:\n  1: dog\n  0: cat", {0: "cat", 1: "dog"}),
        ("names: {0: cat, 7: dog}", {0: "cat", 7: "dog"}),
        ("names: [\n  cat,\n  dog,\n]\nnc: 2", {0: "cat", 1: "dog"}),
        ("nc: 1 # classes\nnames: [cat]\ndownload: |\n  import os\n  raise Exit", {0: "cat"}),
        ("names: [K\u00e4se]\nroboflow:\n  url: https://x\n  version: 3", {0: "K\u00e4se"}),
    ],
)
def test_names_are_read_in_every_form(tmp_path, data, names):
    found = read_data_file(write(tmp_path / "data.yaml", f"train: a\n{data}\n"))
    assert found.names == names
    assert list(found.names) == sorted(names)


@pytest.mark.parametrize(
    "data, sets",
    [
        ("train: a\nval: b\ntest:  # none", {"train": ["a"], "val": ["b"]}),
        ("train: [a, b]\nval:\n- c\n- d", {"train": ["a", "b"], "val": ["c", "d"]}),
        ("test: ./x.txt", {"test": ["./x.txt"]}),
    ],
)
def test_sets_are_a_folder_a_list_or_several(tmp_path, data, sets):
    assert read_data_file(write(tmp_path / "data.yaml", f"{data}\nnames: [a]")).sets == sets


def test_a_byte_order_mark_and_the_folder_in_place_of_the_file_are_accepted(tmp_path):
    (tmp_path / "data.yaml").write_bytes(b"\xef\xbb\xbftrain: a\r\nnames: [cat]\r\n")
    assert read_data_file(tmp_path).names == {0: "cat"}


def test_boxes_are_centre_and_size_as_shares_and_come_in_pixels(yolo_tree):
    data = yolo_tree({"a.png": f"{LINE}\n\n 0 0.1 0.1 0.2 0.2 \r\n", "b.png": ""})
    generator = YoloGenerator(data, "train")
    np.testing.assert_allclose(boxes(generator), [[20, 10, 30, 30], [0, 0, 10, 8]])
    assert generator.load_annotations(0)["labels"].tolist() == [1, 0]
    assert boxes(generator, 1) == []
    assert generator.classes == {"cat": 0, "dog": 1}
    assert generator.image_path(0) == str(data.parent / "images/train/a.png")


def test_polygons_count_as_the_boxes_around_them(yolo_tree):
    triangle = "0 0.2 0.25 0.8 0.5 0.4 0.75"
    tilted = "1 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5"
    generator = YoloGenerator(yolo_tree({"a.png": f"{triangle}\n{tilted}"}), "train")
    np.testing.assert_allclose(boxes(generator), [[10, 10, 40, 30], [5, 4, 45, 36]])


def test_keypoints_behind_a_box_are_passed_over(yolo_tree):
    line = f"{LINE} 0.5 0.5 2 900 -3 0"
    data = yolo_tree({"a.png": f"{line}\n{LINE}"}, DATA + "kpt_shape: [2, 3]\n")
    with pytest.warns(AnnotationWarning, match="repeated boxes are left out: 1"):
        generator = YoloGenerator(data, "train")
    np.testing.assert_allclose(boxes(generator), [[20, 10, 30, 30]])


def test_rounding_at_the_border_is_clipped_and_told_and_flat_boxes_are_left_out(yolo_tree):
    data = yolo_tree({"a.png": "0 0.9 0.5 0.204 0.5\n1 0.5 0.5 0 0.1\n"})
    with pytest.warns(AnnotationWarning) as caught:
        generator = YoloGenerator(data, "train")
    assert [str(w.message).removeprefix(f"{data}: ") for w in caught] == [
        "boxes without an area are left out: 1, the first in a.txt, line 2",
        "1 boxes reach outside their pictures and are clipped",
    ]
    np.testing.assert_allclose(boxes(generator), [[39.9, 10, 50, 30]])


def test_pictures_without_a_text_file_are_background_and_counted(yolo_tree):
    data = yolo_tree({"a.png": LINE, "b.png": None})
    with pytest.warns(AnnotationWarning, match="count as background: 1 of 2"):
        generator = YoloGenerator(data, "train")
    assert generator.size() == 2
    assert boxes(generator, 1) == []


def test_folders_are_read_with_those_below_them_in_order_of_names(yolo_tree):
    data = yolo_tree({"z.png": LINE, "sub/b.JPG": LINE, "a.png": LINE})
    write(data.parent / "images/train/notes.md", "no picture")
    names = ("images/train/a.png", "images/train/sub/b.JPG", "images/train/z.png")
    assert YoloGenerator(data, "train").image_names == names


def test_only_the_last_folder_called_images_becomes_labels(yolo_tree):
    data = yolo_tree(
        {"a.png": LINE}, DATA.replace("images/train", "images/x/images"), "images/x/images"
    )
    assert (data.parent / "images/x/labels/a.txt").exists()
    np.testing.assert_allclose(boxes(YoloGenerator(data, "train")), [[20, 10, 30, 30]])


def test_text_files_may_lie_beside_pictures_that_are_not_in_images(yolo_tree):
    data = yolo_tree({"a.png": LINE}, "train: pictures\nnames: [a, b]", "pictures")
    assert (data.parent / "pictures/a.txt").exists()
    np.testing.assert_allclose(boxes(YoloGenerator(data, "train")), [[20, 10, 30, 30]])


@pytest.mark.parametrize("form", ["./images/train/{}", "images/train/{}", "{root}/images/train/{}"])
def test_lists_name_pictures_relative_to_themselves_or_the_root(yolo_tree, form):
    data = yolo_tree({"b.png": LINE, "a.png": "0 0.5 0.5 1 1"}, "train: lists/t.txt\nnames: [a, b]")
    lines = [form.format(name, root=data.parent) for name in ("b.png", "a.png", "b.png")]
    write(data.parent / "lists/t.txt", "\n".join(lines) + "\n")
    generator = YoloGenerator(data, "train")
    assert generator.image_names == ("images/train/b.png", "images/train/a.png")
    assert [len(boxes(generator, index)) for index in range(2)] == [1, 1]


def test_a_dataset_may_lie_below_a_folder_called_images(yolo_tree, tmp_path):
    data = yolo_tree({"a.png": LINE}, "train: pictures\nnames: [a, b]", "pictures")
    (tmp_path / "images").mkdir()
    data = data.parent.rename(tmp_path / "images/set") / "data.yaml"
    np.testing.assert_allclose(boxes(YoloGenerator(data, "train")), [[20, 10, 30, 30]])


def test_several_folders_make_one_set(yolo_tree):
    data = yolo_tree({"a.png": LINE}, "train: [images/train, images/more]\nnames: [a, b]")
    yolo_tree({"c.png": LINE}, data.read_text(), "images/more")
    assert YoloGenerator(data, "train").image_names == ("images/train/a.png", "images/more/c.png")


def test_the_folder_above_that_roboflow_writes_is_taken_for_data_yamls_own(yolo_tree, tmp_path):
    data = yolo_tree({"a.png": LINE}, "train: ../train/images\nnames: [a, b]", "train/images")
    assert YoloGenerator(data, "train").image_names == ("train/images/a.png",)
    (tmp_path / "train/images").mkdir(parents=True)  # another dataset beside this one
    assert YoloGenerator(data, "train").image_names == ("train/images/a.png",)


def test_a_root_that_is_not_there_is_told_and_the_files_folder_taken(yolo_tree):
    data = yolo_tree({"a.png": LINE}, "path: /content/fruit\n" + DATA)
    with pytest.warns(AnnotationWarning, match="its path '/content/fruit' is not there, so sets"):
        generator = YoloGenerator(data, "train")
    assert generator.image_names == ("images/train/a.png",)


def test_a_root_below_or_outside_is_where_sets_start(yolo_tree, tmp_path):
    data = yolo_tree({"a.png": LINE})
    below = write(tmp_path / "data.yaml", "path: set\n" + DATA)
    assert YoloGenerator(below, "train").image_names == ("set/images/train/a.png",)
    beside = write(tmp_path / "config/data.yaml", "path: ../set\n" + DATA)
    with pytest.raises(AnnotationError, match="path '../set' leads out of the folder of data.yaml"):
        YoloGenerator(beside, "train")
    generator = YoloGenerator(beside, "train", allow_outside=True)
    assert generator.image_names == (str(data.parent / "images/train/a.png"),)
    assert generator.load_image(0).shape == (40, 50, 3)
    np.testing.assert_allclose(boxes(generator), [[20, 10, 30, 30]])


@pytest.mark.parametrize("entry", ["../set/images/train", "{root}/images/train"])
def test_sets_outside_are_read_only_if_allowed(yolo_tree, tmp_path, entry):
    data = yolo_tree({"a.png": LINE})
    text = f"train: {entry.format(root=data.parent)}\nnames: [a, b]"
    beside = write(tmp_path / "config/data.yaml", text)
    with pytest.raises(AnnotationError, match="leads out of the folder of data.yaml. Move it"):
        YoloGenerator(beside, "train")
    assert YoloGenerator(beside, "train", allow_outside=True).load_image(0).shape == (40, 50, 3)


def test_class_numbers_with_gaps_are_labelled_without(yolo_tree):
    data = yolo_tree({"a.png": "7 0.5 0.5 0.2 0.5"}, "train: images/train\nnames: {2: a, 7: b}")
    generator = YoloGenerator(data, "train")
    assert generator.classes == {"a": 0, "b": 1}
    assert generator.load_annotations(0)["labels"].tolist() == [1]


def test_a_subclass_with_its_own_pictures_has_boxes_in_pixels(yolo_tree):
    class Own(YoloGenerator):
        def load_image(self, image_index):
            return np.zeros((20, 10, 3), np.uint8)

        def image_size(self, image_index):
            return 20, 10

    np.testing.assert_allclose(boxes(Own(yolo_tree({"a.png": LINE}), "train")), [[4, 5, 6, 15]])


@pytest.mark.parametrize(
    "name, boxes",
    [("yolo_dataset/labels/labels/train/1.txt", [[0, 0.2, 0.266666, 0.4], [0.2, 0.3, 1 / 3, 0.6]])],
)
def test_text_files_of_an_annotation_converter_are_read(real_data, name, boxes):
    rows = Rows()
    path = real_data / "formats/datumaro/tests/assets" / name
    add_objects(rows, 0, path, {number: number for number in range(10)})
    np.testing.assert_allclose(np.reshape(rows.boxes, (-1, 4)), boxes, atol=1e-5)
    assert list(rows.labels) == [2, 4]


def test_an_export_of_roboflow_is_read_as_it_is(real_data):
    root = real_data / "formats/datumaro/tests/assets/roboflow_dataset/yolo"
    generator = YoloGenerator(root, "train")
    assert generator.image_names == ("train/images/train_001.jpg", "train/images/train_002.jpg")
    assert generator.classes == {"label_0": 0, "label_1": 1}
    np.testing.assert_allclose(boxes(generator, 0), [[2, 1, 5, 2]], atol=1e-6)
    np.testing.assert_allclose(boxes(generator, 1), [[0, 0, 2, 4]], atol=1e-6)
    assert generator.load_annotations(1)["labels"].tolist() == [1]


def test_what_is_no_yolo_dataset_is_refused(real_data):
    assets = real_data / "formats/datumaro/tests/assets"
    with pytest.raises(
        AnnotationError, match="val '../valid/images' is neither a folder nor a list"
    ):
        YoloGenerator(assets / "roboflow_dataset/yolo", "val")  # its folder is called val
    with pytest.raises(AnnotationError, match="none of 2 pictures has a text file of boxes. Put"):
        YoloGenerator(assets / "roboflow_dataset/yolo_obb", "train")  # DOTA's labelTxt/
    with pytest.raises(AnnotationError, match="obj.data: not a data.yaml"):
        YoloGenerator(assets / "yolo_dataset/strict/obj.data", "train")  # Darknet's
    with pytest.raises(AnnotationError, match="data.yaml: the file does not exist"):
        YoloGenerator(assets / "yolo_dataset/strict", "train")
