"""The Pascal VOC dataset: values from real and written files, marks, and errors."""

import csv

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing.annotation_files import read_xml
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator, voc_classes
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning
from keras_retinanet.utils.image import ImageError


def element(name="cat", box=(11, 21, 31, 36), marks="<truncated>0</truncated>"):
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    bounds = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{marks}<bndbox>{bounds}</bndbox></object>"


def mark(truncated, difficult):
    return f"<truncated>{truncated}</truncated><difficult>{difficult}</difficult>"


@pytest.fixture
def voc_tree(tmp_path):
    """Return f(*objects of picture "a") -> folder with 40x50 pictures a and b (b is empty)."""

    def make(*objects, names="a\nb\n", xml=None):
        for folder in ("ImageSets/Main", "JPEGImages", "Annotations"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "ImageSets/Main/val.txt").write_text(names)
        for name, content in (("a", "".join(objects)), ("b", "")):
            Image.new("RGB", (50, 40)).save(tmp_path / f"JPEGImages/{name}.jpg")
            text = f"<annotation>{content}</annotation>"
            (tmp_path / f"Annotations/{name}.xml").write_text(text)
        if xml is not None:
            (tmp_path / "Annotations/a.xml").write_bytes(xml)
        return tmp_path

    return make


def test_boxes_count_pixels_from_0_as_1_0_does(voc_tree):
    generator = PascalVocGenerator(voc_tree(element(), element("dog", (1, 1, 50, 40))), "val")
    assert generator.size() == 2
    assert generator.load_annotations(0)["bboxes"].tolist() == [[10, 20, 30, 35], [0, 0, 49, 39]]
    assert generator.load_annotations(0)["labels"].tolist() == [7, 11]
    assert generator.load_annotations(1)["bboxes"].shape == (0, 4)
    assert generator.image_path(1) == str(voc_tree() / "JPEGImages/b.jpg")
    assert generator.image_names == ("a.jpg", "b.jpg")


def test_the_classes_are_those_of_voc_unless_given(voc_tree):
    generator = PascalVocGenerator(voc_tree(), "val")
    assert generator.num_classes() == len(voc_classes) == 20
    assert (voc_classes["aeroplane"], voc_classes["tvmonitor"]) == (0, 19)
    assert generator.name_to_label("person") == 14
    assert generator.label_to_name(14) == "person"
    assert generator.has_label(19)
    assert not generator.has_label(20)
    assert generator.has_name("sofa")
    assert not generator.has_name("background")
    mapped = PascalVocGenerator(voc_tree(element("elk")), "val", classes={"elk": 3})
    assert mapped.num_classes() == 4
    assert mapped.load_annotations(0)["labels"].tolist() == [3]
    listed = PascalVocGenerator(voc_tree(element("elk")), "val", classes=["emu", "elk"])
    assert listed.load_annotations(0)["labels"].tolist() == [1]


def test_marks_make_boxes_regions_to_ignore_on_request(voc_tree):
    root = voc_tree(
        element(box=(1, 1, 5, 5), marks=mark(0, 0)),
        element(box=(2, 2, 6, 6), marks=mark(1, 0)),
        element(box=(3, 3, 7, 7), marks=mark(0, 1)),
    )
    for options, kept in (
        ({}, [0, 1, 2]),
        ({"skip_truncated": True}, [0, 2]),
        ({"skip_difficult": True}, [0, 1]),
        ({"skip_truncated": True, "skip_difficult": True}, [0]),
    ):
        generator = PascalVocGenerator(root, "val", **options)
        assert generator.load_annotations(0)["bboxes"][:, 0].tolist() == kept
        assert len(generator.load_annotations(0)["labels"]) == len(kept)
        left = sorted({0, 1, 2} - set(kept))
        assert generator.load_ignored(0)["bboxes"][:, 0].tolist() == left


def test_missing_optional_elements_and_parts_of_objects_do_no_harm(voc_tree):
    part = "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part>"
    root = voc_tree(element(marks=""), element(box=(2.5, 3, 8, 9), marks=part + mark("", " 0 ")))
    generator = PascalVocGenerator(root, "val")
    assert generator.load_annotations(0)["bboxes"].tolist() == [[10, 20, 30, 35], [1.5, 2, 7, 8]]


def test_border_boxes_of_tools_that_count_from_0_stay_at_the_border_in_silence(voc_tree):
    generator = PascalVocGenerator(voc_tree(element(box=(0, 0, 50, 40))), "val")
    assert generator.load_annotations(0)["bboxes"].tolist() == [[0, 0, 49, 39]]


def test_boxes_without_area_or_outside_are_counted(voc_tree):
    root = voc_tree(
        element(box=(5, 5, 5, 9)),
        element(box=(9, 5, 5, 9)),
        element(box=(-7, 5, 9, 9)),
        element(box=(60, 5, 70, 9)),
        element(),
        element(),
    )
    with pytest.warns(AnnotationWarning) as found:
        generator = PascalVocGenerator(root, "val")
    assert [str(warning.message).removeprefix(f"{root}: ") for warning in found] == [
        "boxes without an area are left out: 2, the first in a.xml, object #0",
        "repeated boxes are left out: 1",
        "1 boxes reach outside their pictures and are clipped",
        "1 boxes lie wholly outside their pictures and are left out",
    ]
    assert generator.load_annotations(0)["bboxes"].tolist() == [[0, 4, 8, 8], [10, 20, 30, 35]]


def test_a_list_of_pictures_may_have_marks_comments_and_blank_lines(voc_tree):
    root = voc_tree(names="\n# first\n b  -1\r\na 1\nb 1\n")
    assert PascalVocGenerator(root, "val").image_names == ("b.jpg", "a.jpg")


def test_another_extension_is_looked_for(voc_tree):
    with pytest.raises(ImageError, match="a.png: there is no such file"):
        PascalVocGenerator(voc_tree(names="a"), "val", image_extension=".png")


@pytest.mark.parametrize(
    "broken, message",
    [
        ("<object></object>", "object #1: missing element 'name'"),
        ("<object><name>cat</name></object>", "object #1: missing element 'bndbox'"),
        (element().replace("xmax", "xmex"), "object #1: missing element 'xmax'"),
        (element(box=(1, 2, "", 4)), "object #1: missing element 'xmax'"),
        (element(box=(1, "two", 3, 4)), "object #1: illegal value for 'ymin': 'two'"),
        (element(box=(1, 2, "nan", 4)), "illegal value for 'xmax': 'nan'"),
        (element(box=(1, 2, 3, "1e99")), "illegal value for 'ymax': '1e99'"),
        (element(marks=mark("yes", 0)), "illegal value for 'truncated': 'yes'"),
        (element(marks=mark(0, 2)), "illegal value for 'difficult': '2'"),
        (element("elk"), "class name 'elk' not found in classes: aeroplane, bicycle"),
    ],
)
def test_a_bad_object_is_named_with_file_and_number(voc_tree, broken, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        PascalVocGenerator(voc_tree(element(), broken), "val")
    assert str(caught.value).startswith("invalid annotations file: ")
    assert "a.xml: could not parse object #1: " in str(caught.value)
    assert "\n" not in str(caught.value)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]>'
    b"<annotation>&y;</annotation>"
)


@pytest.mark.parametrize(
    "xml, message",
    [
        (b"", "a.xml: the file is empty"),
        (b"<annotation>\n<object>", "a.xml, line 2: not XML"),
        (b"<annotation></annotation", "not XML"),
        (b"<annotation>\xff</annotation>", "not XML"),
        (b'<?xml version="1.0" encoding="none"?><annotation/>', "not XML: unknown encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><annotation/>', "not XML"),
        (b"<annotation>&x;</annotation>", "not XML: undefined entity"),
        (b"<html></html>", "begins with 'html', not 'annotation'"),
        (BOMB, "line 1: a DOCTYPE is not accepted"),
        (BOMB.decode().encode("utf-16"), "line 1: a DOCTYPE is not accepted"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "a DOCTYPE is not accepted"),
    ],
)
def test_what_is_no_plain_xml_is_refused_in_one_line(voc_tree, xml, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        PascalVocGenerator(voc_tree(xml=xml), "val")
    assert "\n" not in str(caught.value)


def test_xml_of_any_depth_is_read(tmp_path):
    (tmp_path / "deep.xml").write_bytes(b"<annotation>" * 50_000 + b"</annotation>" * 50_000)
    assert read_xml(tmp_path / "deep.xml").findall("object") == []


@pytest.mark.parametrize(
    "names, message",
    [
        ("", "val.txt: names no picture"),
        ("# a\n", "val.txt: names no picture"),
        ("a\n../../x\n", "val.txt, line 2: '../../x' leads out of the folder"),
        ("a\nc\n", "c.xml: the file does not exist"),
    ],
)
def test_a_bad_list_of_pictures_is_refused(voc_tree, names, message):
    with pytest.raises(AnnotationError, match=message):
        PascalVocGenerator(voc_tree(names=names), "val")


def test_an_unknown_set_tells_those_there_are(voc_tree):
    with pytest.raises(AnnotationError, match="trian.txt: the file does not exist. .*there: val$"):
        PascalVocGenerator(voc_tree(), "trian")


@pytest.mark.parametrize(
    "voc_set, csv_name, flat", [("trainval", "train.csv", 2), ("test", "val.csv", 0)]
)
def test_blood_cells_are_those_of_the_csv_files_less_the_offset(
    real_data, recwarn, voc_set, csv_name, flat
):
    root = real_data / "blood_cells"
    table = CSVGenerator(root / csv_name, root / "classes.csv")
    generator = PascalVocGenerator(root, voc_set, classes=table.classes)
    notices = [str(w.message) for w in recwarn.list if "without an area" in str(w.message)]
    first = ", the first in BloodImage_00338.xml, object #12"
    expected = [f"{root}: boxes without an area are left out: {flat}{first}"] if flat else []
    assert notices == expected
    places = {f"JPEGImages/{name}": place for place, name in enumerate(generator.image_names)}
    assert places.keys() == set(table.image_names)
    for index, name in enumerate(table.image_names):
        csv_found = table.load_annotations(index)
        voc_found = generator.load_annotations(places[name])
        np.testing.assert_array_equal(voc_found["bboxes"], csv_found["bboxes"] - 1)
        np.testing.assert_array_equal(voc_found["labels"], csv_found["labels"])


def test_a_folder_without_image_sets_is_read_once_it_has_a_list(real_data, tmp_path):
    root = real_data / "raccoons"
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "JPEGImages").symlink_to(root / "images")
    (tmp_path / "Annotations").symlink_to(root / "annotations")
    names = sorted(path.stem for path in (root / "annotations").glob("*.xml"))
    (tmp_path / "ImageSets/Main/all.txt").write_text("\n".join(names))
    generator = PascalVocGenerator(tmp_path, "all", classes=["raccoon"])
    with (root / "data" / "raccoon_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    for index, name in enumerate(generator.image_names):
        boxes = [
            [max(int(row[side]), 1) - 1 for side in ("xmin", "ymin", "xmax", "ymax")]
            for row in rows
            if row["filename"] == name
        ]
        assert sorted(generator.load_annotations(index)["bboxes"].tolist()) == sorted(boxes)


def test_the_trees_of_an_annotation_converter_are_read(real_data):
    root = real_data / "formats/datumaro/tests/assets/voc_dataset"
    generator = PascalVocGenerator(root / "voc_dataset1", "train")
    assert generator.load_annotations(0)["bboxes"].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]
    assert generator.load_annotations(0)["labels"].tolist() == [7, 14]
    marked = PascalVocGenerator(root / "voc_dataset3", "train", skip_truncated=True)
    assert marked.load_annotations(0)["bboxes"].shape == (0, 4)
    assert marked.load_ignored(0)["labels"].tolist() == [7]
    with pytest.raises(AnnotationError, match="a.xml: .*'background' not found in classes"):
        PascalVocGenerator(root / "voc_dataset2", "trainval")
