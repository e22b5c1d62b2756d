"""Pascal VOC without lists: folders of sets, LabelImg's single folder, classes from the files."""

import shutil

import pytest
from PIL import Image

from keras_retinanet.preprocessing.class_lists import parse_class_list
from keras_retinanet.preprocessing.pascal_layout import find_set
from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning

SPLIT = "ignore:.*about a fifth is held out"


def annotation(*names, marks=""):
    boxes = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
    objects = (f"<object><name>{name}</name>{marks}{boxes}</object>" for name in names)
    return f"<annotation>{''.join(objects)}</annotation>"


@pytest.fixture
def labelled(tmp_path):
    """Return f({name of a picture: class names}, folders) -> folder of pictures with XML files."""

    def make(files, images=".", annotations=".", root=tmp_path):
        for folder in (images, annotations):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, classes in files.items():
            Image.new("RGB", (20, 10)).save(root / images / name)
            xml = root / annotations / f"{name.rpartition('.')[0]}.xml"
            xml.write_text(annotation(*classes))
        return root

    return make


@pytest.mark.parametrize(
    "images, annotations",
    [(".", "."), ("JPEGImages", "Annotations"), ("images", "annotations"), ("images", ".")],
)
def test_xml_files_lie_beside_the_pictures_or_in_a_folder(labelled, images, annotations):
    root = labelled(
        {"b.png": ["dog", "cat"], "a.jpg": [], "c.d.jpeg": ["cat"]}, images, annotations
    )
    generator = PascalVocGenerator(root, "all")
    assert generator.image_names == ("a.jpg", "b.png", "c.d.jpeg")
    assert generator.classes == {"cat": 0, "dog": 1}
    assert [generator.load_annotations(i)["labels"].tolist() for i in range(3)] == [[], [1, 0], [0]]
    assert generator.load_annotations(1)["bboxes"].tolist() == [[1, 2, 8, 7]] * 2
    assert generator.load_image(2).shape == (10, 20, 3)


def test_pictures_without_an_xml_file_are_told_and_not_used(labelled):
    root = labelled({"a.jpg": ["cat"]})
    Image.new("RGB", (9, 9)).save(root / "unlabelled.png")
    (root / "classes.txt").write_text("cat")
    with pytest.warns(AnnotationWarning, match="pictures without an XML file are not used: 1$"):
        assert PascalVocGenerator(root, "all").image_names == ("a.jpg",)


@pytest.mark.parametrize("extension, name", [(".jpg", "a.jpg"), (".png", "a.png")])
def test_the_extension_decides_between_pictures_of_one_name(labelled, extension, name):
    root = labelled({"a.jpg": ["cat"], "a.png": ["cat"]})
    assert PascalVocGenerator(root, "all", image_extension=extension).image_names == (name,)


def test_folders_of_sets_are_the_sets_and_share_their_classes(labelled, tmp_path):
    labelled({"a.jpg": ["dog"]}, root=tmp_path / "train")
    labelled({"b.jpg": ["cat"]}, "images", "annotations", root=tmp_path / "valid")
    train, val = (PascalVocGenerator(tmp_path, name) for name in ("train", "val"))
    assert train.classes == val.classes == {"cat": 0, "dog": 1}
    assert train.load_annotations(0)["labels"].tolist() == [1]
    assert val.image_path(0) == str(tmp_path / "valid/images/b.jpg")
    with pytest.raises(
        AnnotationError, match="no folder test for the set 'test'. Folders there: train, v"
    ):
        PascalVocGenerator(tmp_path, "test")


def test_a_single_folder_is_split_by_name_and_says_so(labelled):
    names = [f"{number}.png" for number in range(100)]
    root = labelled({name: ["cat"] for name in names})
    with pytest.warns(
        AnnotationWarning, match="held out, by name: train has 86 of 100; the set 'all'"
    ):
        train = PascalVocGenerator(root, "train")
    with pytest.warns(AnnotationWarning, match="held out, by name: val has 14 of 100"):
        val = PascalVocGenerator(root, "val")
    assert set(train.image_names) | set(val.image_names) == set(names)
    assert not set(train.image_names) & set(val.image_names)
    with pytest.warns(AnnotationWarning):
        assert PascalVocGenerator(root, "test").image_names == val.image_names
    assert PascalVocGenerator(root, "all").size() == 100


def test_a_picture_stays_in_its_part_when_others_are_added(labelled):
    root = labelled({f"{number}.png": ["cat"] for number in range(30)})
    before = set(find_set(root, "val").image_names)
    labelled({f"new{number}.png": ["cat"] for number in range(30)})
    after = set(find_set(root, "val").image_names)
    assert before == {name for name in after if not name.startswith("new")}


@pytest.mark.parametrize(
    "name, message",
    [
        ("val", "the set 'val' gets none of 1 pictures. Take the set 'all', or write lists to"),
        ("mine", "no ImageSets/, so there is no set 'mine'. Sets there: train, val, test, all"),
    ],
)
def test_a_set_that_a_single_folder_has_not_is_refused(labelled, name, message):
    with pytest.raises(AnnotationError, match=message):
        PascalVocGenerator(labelled({"1.png": ["cat"]}), name)


def test_no_folder_and_no_xml_files_are_named(tmp_path):
    with pytest.raises(AnnotationError, match="nowhere: there is no such folder"):
        PascalVocGenerator(tmp_path / "nowhere", "all")
    with pytest.raises(
        AnnotationError, match="neither ImageSets/ nor XML files. Put the XML files"
    ):
        PascalVocGenerator(tmp_path, "all")


@pytest.fixture
def listed(labelled):
    """Return a VOC tree whose only set is "some", of classes that are not VOC's."""
    root = labelled({"a.jpg": ["elk", "cat"], "b.jpg": ["bear"]}, "JPEGImages", "Annotations")
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/some.txt").write_text("a\n")
    return root


def test_classes_are_vocs_where_there_are_lists_unless_others_are_asked_for(listed):
    with pytest.raises(AnnotationError, match="class name 'elk' not found in classes: aeroplane"):
        PascalVocGenerator(listed, "some")
    found = PascalVocGenerator(listed, "some", classes="auto")
    assert found.classes == {"bear": 0, "cat": 1, "elk": 2}  # of all files, in no set as well
    given = PascalVocGenerator(listed, "some", classes=["elk", "cat"])
    assert given.load_annotations(0)["labels"].tolist() == [0, 1]
    mapped = PascalVocGenerator(
        listed, "some", classes={"cat": 5, "elk": 2}, ignore_classes=["elk"]
    )
    assert mapped.classes == {"cat": 5}
    assert mapped.load_ignored(0)["labels"].tolist() == [-1]
    unlisted = PascalVocGenerator(listed, "some", classes=["cat"], ignore_classes="elk")
    assert unlisted.num_classes() == 1
    assert unlisted.load_ignored(0)["bboxes"].tolist() == [[1, 2, 8, 7]]


def test_lists_may_name_pictures_outside_only_if_allowed(listed, tmp_path):
    (tmp_path / "ImageSets/Main/some.txt").write_text("../far/a\n")
    with pytest.raises(AnnotationError, match="'../far/a' leads out of the folder of the pictures"):
        PascalVocGenerator(listed, "some", classes="auto")
    for folder, name in (("JPEGImages", "a.jpg"), ("Annotations", "a.xml")):
        (tmp_path / "far").mkdir(exist_ok=True)
        shutil.move(tmp_path / folder / name, tmp_path / "far" / name)
    generator = PascalVocGenerator(listed, "some", classes=["elk", "cat"], allow_outside=True)
    assert generator.load_image(0).shape == (10, 20, 3)


@pytest.mark.parametrize(
    "text, classes",
    [
        ("cat", ["cat"]),
        (" cat , big dog,elk", ["cat", "big dog", "elk"]),
        ("{d}/names.txt", ["b", "a, or c"]),
        ("{d}/classes.csv", {"cat": 0, "dog": 3}),
    ],
)
def test_a_list_of_classes_is_words_or_a_file(tmp_path, text, classes):
    (tmp_path / "names.txt").write_text("b\n\n a, or c \r\n")
    (tmp_path / "classes.csv").write_text("cat,0\ndog,3\n")
    assert parse_class_list(text.format(d=tmp_path)) == classes


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,,b", "a,,b: a class has no name. Write a,b,c, or name a file"),
        ("a,b,a", "a,b,a: names the class 'a' 2 times. Name it once"),
        ("gone.txt", "gone.txt: the file does not exist. Check the path"),
        ("gone.csv", "gone.csv: the file does not exist. Check the path"),
    ],
)
def test_a_bad_list_of_classes_is_refused(text, message):
    with pytest.raises(AnnotationError) as caught:
        parse_class_list(text)
    assert str(caught.value) == message


@pytest.mark.filterwarnings(SPLIT)
def test_raccoons_are_read_without_lists(real_data):
    root = real_data / "raccoons"
    parts = [PascalVocGenerator(root, name) for name in ("train", "val", "all")]
    assert [part.size() for part in parts] == [150, 50, 200]
    assert parts[2].classes == {"raccoon": 0}
    assert len(parts[2].samples.boxes) == 217
    first = parts[2].image_names.index("raccoon-1.jpg")
    assert parts[2].load_annotations(first)["bboxes"].tolist() == [[80, 87, 521, 407]]


def test_an_export_of_roboflow_is_read_as_it_is(real_data):
    root = real_data / "formats/datumaro/tests/assets/roboflow_dataset/voc"
    train = PascalVocGenerator(root, "train")
    with pytest.warns(AnnotationWarning, match="without an area are left out: 2"):
        val = PascalVocGenerator(root, "val")
    assert train.classes == val.classes == {"label_0": 0, "label_1": 1}
    assert train.image_names == ("train_001.jpg", "train_002.jpg")
    assert train.load_annotations(0)["bboxes"].tolist() == [[1, 0, 4, 1]]
