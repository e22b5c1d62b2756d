"""The KITTI dataset: values from real and written files, DontCare, and errors."""

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing.augmentation import Augmentation
from keras_retinanet.preprocessing.kitti import KittiGenerator, kitti_classes
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning
from keras_retinanet.utils.image import ImageError


def row(kind="Car", box="10.5 5 20 15.25", more=""):
    return f"{kind} 0.00 0 -1.57 {box} 1.6 1.5 3.7 -16 2.4 58 1.57{more}"


@pytest.fixture
def kitti_tree(tmp_path):
    """Return f({name: rows}) -> folder of a set "train" with a 40x50 picture for each name."""

    def make(files, folders=("labels", "images"), extension=".png"):
        labels, images = (tmp_path / "train" / folder for folder in folders)
        for name, rows in files.items():
            for folder in (labels, images):
                folder.mkdir(parents=True, exist_ok=True)
            (labels / f"{name}.txt").write_text("\n".join(rows))
            Image.new("RGB", (50, 40)).save(images / f"{name}{extension}")
        return tmp_path

    return make


def test_dont_care_is_a_region_to_ignore_and_never_a_class(kitti_tree):
    rows = [row(), row("DontCare", "0 0 9 9"), row("Misc", "1 2 3 4"), row("DontCare", "5 5 8 8")]
    generator = KittiGenerator(kitti_tree({"a": rows}))
    assert generator.load_annotations(0)["labels"].tolist() == [0, 7]
    assert generator.load_annotations(0)["bboxes"].tolist() == [[10.5, 5, 20, 15.25], [1, 2, 3, 4]]
    assert generator.load_ignored(0)["labels"].tolist() == [-1, -1]
    assert generator.load_ignored(0)["bboxes"].tolist() == [[0, 0, 9, 9], [5, 5, 8, 8]]
    assert not generator.has_name("DontCare")
    assert generator.label_to_name(7) == "Misc"


def test_regions_to_ignore_reach_training_and_move_with_the_picture(kitti_tree):
    rows = [row(box="10 5 20 15"), row("DontCare", "30 0 50 40")]
    options = {"no_resize": True, "canvas_multiple": 8, "seed": 0}
    still = KittiGenerator(kitti_tree({"a": rows}), **options)
    _, truth = still.raw_batch(0)
    assert truth["labels"][0, :3].tolist() == [0, -2, -1]
    assert truth["boxes"][0, :2].tolist() == [[10, 5, 20, 15], [30, 0, 50, 40]]
    mirrored = KittiGenerator(
        kitti_tree({"a": rows}), augmentation=Augmentation(flip_x=1.0), **options
    )
    _, truth = mirrored.raw_batch(0)
    assert truth["labels"][0, :3].tolist() == [0, -2, -1]
    assert truth["boxes"][0, :2].tolist() == [[30, 5, 40, 15], [0, 0, 20, 40]]


def test_dense_targets_ignore_background_in_regions(kitti_tree):
    rows = [row(box="0 0 32 32"), row("DontCare", "0 0 50 40")]
    generator = KittiGenerator(kitti_tree({"a": rows}), no_resize=True)
    _, (regression, labels) = generator[0]
    assert set(labels[0, :, -1]) == {-1, 0, 1}  # 0: anchors far larger than the region
    assert (regression[..., -1] == labels[..., -1]).all()
    plain = KittiGenerator(kitti_tree({"a": rows[:1]}), no_resize=True)[0][1][1]
    assert ((labels[..., -1] == 1) == (plain[..., -1] == 1)).all()
    assert (labels[..., -1] == -1).sum() > (plain[..., -1] == -1).sum()


def test_a_target_function_of_ones_own_sees_objects_alone(kitti_tree):
    seen = []

    def targets(anchors, image_group, annotations_group, num_classes):
        seen.extend(annotations["labels"].tolist() for annotations in annotations_group)
        return np.zeros(1), np.zeros(1)

    rows = [row(), row("DontCare", "30 0 50 40")]
    KittiGenerator(kitti_tree({"a": rows}), compute_anchor_targets=targets)[0]
    assert seen == [[0]]


def test_classes_are_those_of_1_0(kitti_tree):
    generator = KittiGenerator(kitti_tree({"a": [row()]}))
    names = ["Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc"]
    assert list(kitti_classes) == names
    assert list(kitti_classes.values()) == list(range(8))
    assert generator.num_classes() == 8
    assert [generator.name_to_label(name) for name in names] == list(range(8))
    assert [generator.label_to_name(label) for label in range(8)] == names
    assert [generator.has_label(label) for label in (-1, 0, 7, 8)] == [False, True, True, False]


def test_pictures_come_in_the_order_of_their_names(kitti_tree):
    root = kitti_tree({name: [row()] for name in ("10", "2", "b", "a", "1")})
    names = KittiGenerator(root).image_names
    assert names == ("1.png", "10.png", "2.png", "a.png", "b.png")


@pytest.mark.parametrize(
    "folders, extension", [(("labels", "images"), ".jpg"), (("label_2", "image_2"), ".png")]
)
def test_kittis_own_folders_and_other_pictures_are_found(kitti_tree, folders, extension):
    generator = KittiGenerator(kitti_tree({"a": [row()]}, folders, extension))
    assert generator.image_path(0).endswith(f"{folders[1]}/a{extension}")
    assert generator.load_image(0).shape == (40, 50, 3)


def test_blank_files_scores_and_runs_of_spaces_are_accepted(kitti_tree):
    root = kitti_tree({"a": [], "b": ["", row(more=" 0.93").replace(" ", "  "), "  "]})
    generator = KittiGenerator(root)
    assert generator.load_annotations(0)["bboxes"].shape == (0, 4)
    assert generator.load_annotations(1)["bboxes"].tolist() == [[10.5, 5, 20, 15.25]]


def test_types_to_ignore_are_kittis_or_others_and_labels_close_up(kitti_tree):
    rows = [row("Van"), row("Tram", "1 2 3 4"), row("Bus", "5 6 7 8"), row("DontCare", "0 0 9 9")]
    generator = KittiGenerator(kitti_tree({"a": rows}), ignore_classes=["Van", "Bus"])
    assert generator.num_classes() == 7
    assert generator.name_to_label("Tram") == 5
    assert generator.load_annotations(0)["labels"].tolist() == [5]
    assert generator.load_ignored(0)["bboxes"].tolist() == [
        [10.5, 5, 20, 15.25],
        [5, 6, 7, 8],
        [0, 0, 9, 9],
    ]
    assert generator.load_ignored(0)["labels"].tolist() == [-1, -1, -1]


def test_boxes_without_area_or_outside_are_counted(kitti_tree):
    rows = [row(box="5 5 5 9"), row(box="9 5 5 9"), row(box="40 30 55 39"), row(box="51 1 60 9")]
    with pytest.warns(AnnotationWarning) as found:
        generator = KittiGenerator(kitti_tree({"a": rows}))
    assert [str(warning.message).split("train: ")[1] for warning in found] == [
        "boxes without an area are left out: 2, the first in a.txt, line 1",
        "1 boxes reach outside their pictures and are clipped",
        "1 boxes lie wholly outside their pictures and are left out",
    ]
    assert generator.load_annotations(0)["bboxes"].tolist() == [[40, 30, 50, 39]]


@pytest.mark.parametrize(
    "text, message",
    [
        ("Car 0 0 0 1 2 3 4", "a.txt, line 2: 8 fields in place of 15"),
        (row(more=" 1 2"), "17 fields in place of 15"),
        (row("Cra"), "unknown type 'Cra'. Did you mean 'Car'"),
        (row(box="1 2 x 4"), "line 2: right 'x' is not a finite number"),
        (row(box="1 nan 3 4"), "line 2: top 'nan' is not"),
        (row(box="1 2 3 inf"), "line 2: bottom 'inf' is not"),
        (row(box="1 2 3 1_0"), "line 2: bottom '1_0' is not"),
    ],
)
def test_a_bad_line_is_named(kitti_tree, text, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        KittiGenerator(kitti_tree({"a": [row(), text]}))
    assert "\n" not in str(caught.value)


def test_a_wrong_encoding_is_named(kitti_tree):
    root = kitti_tree({"a": [row()]})
    (root / "train/labels/a.txt").write_bytes(b"Car 0\nCar \xe9")
    with pytest.raises(AnnotationError, match="a.txt, line 2: byte 0xe9 is not UTF-8"):
        KittiGenerator(root)


def test_missing_folders_labels_and_pictures_are_named(kitti_tree, tmp_path):
    with pytest.raises(AnnotationError, match="train: has no folder 'labels'. Put the set's files"):
        KittiGenerator(tmp_path)
    root = kitti_tree({"a": [row()]})
    (root / "train/images/a.png").unlink()
    with pytest.raises(ImageError, match="a.png: there is no such file"):
        KittiGenerator(root)
    (root / "train/labels/a.txt").unlink()
    with pytest.raises(AnnotationError, match="labels: there are no label files"):
        KittiGenerator(root)


def test_coco_numbers_count_detections_on_regions_to_ignore_neither_way(kitti_tree):
    from keras_retinanet.evaluation import Detections, coco_metrics_of

    root = kitti_tree({"a": [row(box="0 0 10 10"), row("DontCare", "20 20 40 40")]})
    found = [[21, 21, 30, 30], [0, 0, 10, 10]]
    labels = np.zeros(2, np.int32)
    detections = [Detections(np.array(found, float), np.array([0.9, 0.8]), labels)]
    assert coco_metrics_of(KittiGenerator(root), detections)["AP50"] == pytest.approx(1)
    root = kitti_tree({"a": [row(box="0 0 10 10")]})
    assert coco_metrics_of(KittiGenerator(root), detections)["AP50"] == pytest.approx(0.5)


def test_real_frames_have_the_boxes_of_their_files(real_data):
    generator = KittiGenerator(real_data / "formats/kitti_vis/data/object", "training")
    assert generator.image_names == ("000000.png", "000001.png", "000002.png")
    labels = [generator.load_annotations(index)["labels"].tolist() for index in range(3)]
    assert labels == [[3], [2, 0, 5], [7, 0]]
    assert generator.load_annotations(0)["bboxes"].tolist() == [[712.40, 143.00, 810.73, 307.92]]
    assert [len(generator.load_ignored(index)["labels"]) for index in range(3)] == [0, 4, 0]
    assert generator.load_ignored(1)["bboxes"][0].tolist() == [503.89, 169.71, 590.61, 190.13]


def test_the_tree_of_an_annotation_converter_is_read(real_data):
    root = real_data / "formats/datumaro/tests/assets/kitti_dataset/kitti_detection"
    generator = KittiGenerator(root, "training")
    assert generator.image_names == ("000030_10.png", "000030_11.png")
    assert generator.load_annotations(0)["bboxes"].tolist() == [[0, 1, 2, 3], [0, 5, 1, 8]]
    assert generator.load_annotations(0)["labels"].tolist() == [2, 1]
    assert generator.load_annotations(1)["labels"].tolist() == [1, 1, 1]
