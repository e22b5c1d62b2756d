"""A dataset opened for the doctor: nothing is mended, and what readers leave out is there."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.doctor.picture_checks import check_pictures
from keras_retinanet.doctor.subject import read_subject
from keras_retinanet.preprocessing.coco import CocoGenerator
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.kitti import KittiGenerator
from keras_retinanet.preprocessing.open_images import OpenImagesGenerator
from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator
from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.preprocessing.yolo import YoloGenerator

AS_FOUND = {"as_found": True, "group_method": "none", "shuffle_groups": False}
BOX, OUT, FLAT = (10, 20, 30, 50), (40, 5, 70, 25), (12, 8, 12, 30)  # pictures are 60 x 50


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 50)).save(path)


def csv(folder):
    picture(folder / "a.png")
    boxes = (BOX, BOX, OUT, FLAT)
    rows = [f"a.png,{','.join(map(str, box))},cat" for box in boxes] + ["gone.png,1,2,3,4,cat"]
    (folder / "rows.csv").write_text("\n".join(rows))
    (folder / "classes.csv").write_text("cat,0")
    return CSVGenerator(folder / "rows.csv", folder / "classes.csv", **AS_FOUND)


def coco(folder):
    picture(folder / "images" / "val" / "a.png")
    images = [
        {"id": 1, "file_name": "a.png", "width": 61, "height": 50},
        {"id": 2, "file_name": "gone.png", "width": "wide"},
    ]
    boxes = [(1, box) for box in (BOX, BOX, OUT, FLAT)] + [(2, (1, 2, 3, 4))]
    annotations = [
        {"id": n, "image_id": key, "category_id": 7, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for n, (key, (x1, y1, x2, y2)) in enumerate(boxes)
    ]
    content = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": 7, "name": "cat"}]
    path = folder / "annotations" / "instances_val.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return CocoGenerator(folder, "val", **AS_FOUND)


def pascal(folder):
    picture(folder / "JPEGImages" / "a.jpg")
    for name in ("ImageSets/Main", "Annotations"):
        (folder / name).mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("a\ngone\n")
    sides = ("xmin", "ymin", "xmax", "ymax")
    for name, boxes in (("a", (BOX, BOX, OUT, FLAT)), ("gone", ((1, 2, 3, 4),))):
        objects = ""
        for box in boxes:
            values = "".join(f"<{k}>{v + 1}</{k}>" for k, v in zip(sides, box, strict=True))
            objects += f"<object><name>cat</name><bndbox>{values}</bndbox></object>"
        size = "<size><width>61</width><height>50</height></size>" if name == "a" else ""
        text = f"<annotation>{size}{objects}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    return PascalVocGenerator(folder, "val", classes=["cat"], **AS_FOUND)


@pytest.mark.parametrize(
    ("make", "place", "stated"),
    [
        (csv, "line 4", None),
        (coco, "annotations[3] (below 1 pixel)", [[50, 61], [0, 0]]),
        (pascal, "a.xml, object #3", [[50, 61], [0, 0]]),
    ],
    ids=["csv", "coco", "pascal"],
)
def test_every_format_keeps_what_it_would_mend(make, place, stated, tmp_path):
    subject = read_subject(make(tmp_path))
    assert subject.samples.boxes.tolist() == [list(BOX), list(OUT), [1, 2, 3, 4]]
    assert subject.samples.pictures.tolist() == [0, 0, 1]
    assert subject.repeated.boxes.tolist() == [list(BOX)]
    assert [(each.picture, each.box, each.place) for each in subject.flat] == [(0, FLAT, place)]
    assert subject.sizes.tolist() == [[50, 60], [0, 0]]
    assert list(subject.broken) == [1] and "there is no such file" in subject.broken[1]
    assert (None if subject.declared is None else subject.declared.tolist()) == stated
    assert subject.fitted.boxes.tolist() == [list(BOX), [40, 5, 60, 25]]
    assert subject.classes == {0: "cat"}


def test_kitti_keeps_regions_apart_and_flat_boxes_with_their_lines(tmp_path):
    picture(tmp_path / "train" / "images" / "a.png")
    rest = "0 0 0"
    lines = [f"Car {rest} {' '.join(map(str, box))} 1 1 1 1 1 1 1" for box in (BOX, FLAT)]
    lines.append(f"DontCare {rest} 1 1 9 9 1 1 1 1 1 1 1")
    (tmp_path / "train" / "labels").mkdir()
    (tmp_path / "train" / "labels" / "a.txt").write_text("\n".join(lines))
    subject = read_subject(KittiGenerator(tmp_path, **AS_FOUND))
    assert subject.samples.boxes.tolist() == [list(BOX)]
    assert [each.place for each in subject.flat] == ["a.txt, line 2"]
    assert subject.regions.tolist() == [1]
    assert len(subject.classes) == 8


def spoilt(folder, pattern, old, new):
    """Replace text in the files of a pattern; return the folder."""
    for path in folder.rglob(pattern):
        path.write_text(path.read_text().replace(old, new))
    return folder


def unknown_csv(folder, **options):
    csv(folder)
    spoilt(folder, "rows.csv", "cat", "cow")
    return CSVGenerator(folder / "rows.csv", folder / "classes.csv", **options)


def unknown_pascal(folder, **options):
    pascal(folder)
    return PascalVocGenerator(spoilt(folder, "*.xml", "cat", "emu"), "val", **options)


def unknown_kitti(folder, **options):
    picture(folder / "train" / "images" / "a.png")
    (folder / "train" / "labels").mkdir()
    lines = [f"{name} 0 0 0 1 2 30 40 1 1 1 1 1 1 1" for name in ("cow", "Car", "cow")]
    (folder / "train" / "labels" / "a.txt").write_text("\n".join(lines))
    return KittiGenerator(folder, **options)


def unknown_yolo(folder, **options):
    picture(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("7 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2")
    (folder / "data.yaml").write_text("val: images\nnames: [cat, dog]\n")
    return YoloGenerator(folder, "val", **options)


UNKNOWN = {  # a dataset with names of no class, what the doctor is told, how training refuses
    "csv": (unknown_csv, {"cow": [5, "line 1"]}, "line 1: unknown class name: 'cow'"),
    "pascal, VOC's classes": (
        unknown_pascal,
        {"emu": [5, "a.xml, object #0"]},
        "class name 'emu' not found in classes: aeroplane",
    ),
    "kitti": (unknown_kitti, {"cow": [2, "a.txt, line 1"]}, "line 1: unknown type 'cow'"),
    "yolo": (unknown_yolo, {"7": [1, "a.txt, line 1"]}, "'7' is not the number of a class"),
}


@pytest.mark.parametrize(("make", "found", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_classes_are_counted_for_the_doctor_and_refused_in_training(
    make, found, message, tmp_path
):
    subject = read_subject(make(tmp_path / "doctor", **AS_FOUND))
    assert subject.unknown == found
    assert check_pictures(subject)
    with pytest.raises(AnnotationError, match=re.escape(message)):
        make(tmp_path / "training")


def yolo(folder, **options):
    """Return a YoloGenerator: a broken picture, then one of 60 x 50 with boxes of two classes."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    (folder / "images" / "a.png").write_bytes(b"cut off")
    picture(folder / "images" / "b.png")
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2")
    lines = ("0 0.5 0.5 0.25 0.5", "1 0.5 0.5 0.5 0.5", "0 0.9 0.5 0.4 0.5", "0 0.5 0.5 0 0.5")
    (folder / "labels" / "b.txt").write_text("\n".join((*lines, lines[0], "1 0.2 0.2 0 0.2")))
    (folder / "data.yaml").write_text("val: images\nnames: [cat, dog]\n")
    return YoloGenerator(folder, "val", ignore_classes=["dog"], **options)


def test_yolo_is_in_pixels_and_regions_to_ignore_are_no_boxes(tmp_path):
    subject = read_subject(yolo(tmp_path, **AS_FOUND))
    middle = [22.5, 12.5, 37.5, 37.5]
    np.testing.assert_allclose(subject.samples.boxes[1:], [middle, [42, 12.5, 66, 37.5]])
    assert subject.samples.pictures.tolist() == [0, 1, 1]
    np.testing.assert_allclose(subject.repeated.boxes, [middle])
    np.testing.assert_allclose([each.box for each in subject.flat], [[30, 12.5, 30, 37.5]])
    assert [each.place for each in subject.flat] == ["b.txt, line 4"]
    np.testing.assert_allclose(subject.fitted.boxes, [middle, [42, 12.5, 60, 37.5]])
    assert list(subject.broken) == [0] and subject.classes == {0: "cat"}


OPEN_IMAGES = """ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf
gone,/c,0.5,0.5,0,1,0
a,/c,0.25,0.5,0,1,0
a,/c,0.5,0.5,0,1,0
a,/d,0.5,0.5,0,1,0
a,/c,0.5,1,0.2,0.2,1
b,/c,0,0.5,0.4,0.4,0"""


def test_open_images_names_the_lines_of_boxes_without_an_area(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "images" / "train" / f"{name}.jpg")
    (tmp_path / "2018_04" / "train").mkdir(parents=True)
    (tmp_path / "2018_04" / "train" / "train-annotations-bbox.csv").write_text(OPEN_IMAGES)
    (tmp_path / "2018_04" / "class-descriptions-boxable.csv").write_text("/c,Cat\n/d,Dog")
    for _ in range(2):  # the second time from the index
        subject = read_subject(
            OpenImagesGenerator(
                tmp_path,
                "train",
                labels_filter=["Cat"],
                annotation_cache_dir=tmp_path / "index",
                **AS_FOUND,
            )
        )
        assert subject.names == ("a.jpg",)
        assert subject.samples.boxes.tolist() == [[15, 0, 30, 50]]
        place = "train-annotations-bbox.csv, line 4"
        assert [each[:2] + each[3:] for each in subject.flat] == [(0, (30, 0, 30, 50), place)]


@pytest.mark.filterwarnings("ignore::keras_retinanet.preprocessing.samples.AnnotationWarning")
def test_boxes_that_training_has_mended_are_not_scaled_again(tmp_path):
    generator = yolo(tmp_path, skip_broken=True)
    assert generator.found is None
    subject = read_subject(generator)
    np.testing.assert_allclose(
        subject.samples.boxes, [[22.5, 12.5, 37.5, 37.5], [42, 12.5, 60, 37.5]]
    )


def test_a_csv_file_that_states_other_sizes_than_its_pictures_have_is_found_out(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    rows = (header, "a.png,60,50,cat,1,2,9,9", "b.png,120,100,cat,1,2,9,9")
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    (tmp_path / "classes.csv").write_text("cat,0")
    generator = CSVGenerator(tmp_path / "rows.csv", tmp_path / "classes.csv", **AS_FOUND)
    (finding,) = check_pictures(read_subject(generator))
    assert finding.kind == "mismatching pictures"
    assert finding.places == ("b.png: 60 x 50, annotated as 120 x 100",)


def test_csv_boxes_of_classes_to_ignore_are_no_boxes(tmp_path):
    picture(tmp_path / "a.png")
    rows = [(*BOX, "cat"), (*BOX, "dog"), (*BOX, "dog"), (*FLAT, "dog"), (*FLAT, "cat")]
    lines = [",".join(map(str, ("a.png", *row))) for row in rows]
    (tmp_path / "rows.csv").write_text("\n".join([*lines, lines[0]]))
    (tmp_path / "classes.csv").write_text("cat,0")
    files = (tmp_path / "rows.csv", tmp_path / "classes.csv")
    subject = read_subject(CSVGenerator(*files, ignore_classes=["dog"], **AS_FOUND))
    assert subject.samples.boxes.tolist() == subject.repeated.boxes.tolist() == [list(BOX)]
    assert [each.place for each in subject.flat] == ["line 5"]


def test_all_pictures_may_be_broken(tmp_path):
    (tmp_path / "rows.csv").write_text("x.png,1,2,3,4,cat\ny.png,,,,,")
    (tmp_path / "classes.csv").write_text("cat,0")
    generator = CSVGenerator(tmp_path / "rows.csv", tmp_path / "classes.csv", **AS_FOUND)
    subject = read_subject(generator)
    assert len(subject.broken) == 2 and len(subject.fitted.labels) == 0
    assert np.array_equal(subject.limits, np.zeros((1, 4)))


def test_training_still_refuses_boxes_without_an_area(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_text("a.png,9,2,3,4,cat")
    (tmp_path / "classes.csv").write_text("cat,0")
    with pytest.raises(AnnotationError, match="line 1: x2"):
        CSVGenerator(tmp_path / "rows.csv", tmp_path / "classes.csv")
