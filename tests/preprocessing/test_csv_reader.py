"""The CSV parser: what it accepts, what it refuses, and in which words."""

import random
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_retinanet.preprocessing.csv_generator import (
    AnnotationError,
    AnnotationWarning,
    _open_for_csv,
    _parse,
    _read_annotations,
    _read_classes,
)
from keras_retinanet.preprocessing.csv_reader import read_classes, read_samples
from keras_retinanet.preprocessing.csv_text import csv_rows

CLASSES = {"cat": 0, "dog": 3}
ROW = "a.jpg,1,2,3,4,cat\n"
HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def write(folder, content, name="rows.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(samples):
    """Return [(path, x1, y1, x2, y2, label)] of a table."""
    return [
        (samples.paths[picture], *box, label)
        for picture, box, label in zip(
            samples.pictures.tolist(), samples.boxes.tolist(), samples.labels.tolist(), strict=True
        )
    ]


ONE = [("a.jpg", 1, 2, 3, 4, 0)]
SILENT = {
    "plain": (ROW, ONE),
    "bom": (b"\xef\xbb\xbf" + ROW.encode(), ONE),
    "crlf": ("a.jpg,1,2,3,4,cat\r\n", ONE),
    "old mac line ends": (
        "a.jpg,1,2,3,4,cat\ra.jpg,5,6,7,8,dog\r",
        [*ONE, ("a.jpg", 5, 6, 7, 8, 3)],
    ),
    "no newline at the end": (ROW[:-1], ONE),
    "blank lines": ("\n\n" + ROW + "\n  \n,,,,,\n", ONE),
    "spaces": (" a.jpg , 1 ,2, 3 ,\t4, cat \n", ONE),
    "quotes": ('"a.jpg","1","2","3","4","cat"\n', ONE),
    "quotes after spaces": ('"a.jpg", "1", "2", 3, 4, "cat"\n', ONE),
    "comma in a quoted path": ('"a,b.jpg",1,2,3,4,cat\n', [("a,b.jpg", 1, 2, 3, 4, 0)]),
    "floats": ("a.jpg,1.5,2e0,3.25,4.,cat\n", [("a.jpg", 1.5, 2, 3.25, 4, 0)]),
    "negative coordinates": ("a.jpg,-1,-2,3,4,cat\n", [("a.jpg", -1, -2, 3, 4, 0)]),
    "extra columns": ("a.jpg,1,2,3,4,cat,0.9,x\n", ONE),
    "gap in ids": ("a.jpg,1,2,3,4,dog\n", [("a.jpg", 1, 2, 3, 4, 3)]),
    "picture without objects": ("b.jpg,,,,,\n" + ROW, ONE),
    "empty row keeps boxes": (ROW + "a.jpg,,,,,\n", ONE),
    "scattered rows": (
        ROW + "b.jpg,1,2,3,4,dog\n" + "a.jpg,5,6,7,8,dog\n",
        [*ONE, ("a.jpg", 5, 6, 7, 8, 3), ("b.jpg", 1, 2, 3, 4, 3)],
    ),
    "unicode": ("bü.jpg,1,2,3,4,cat\n", [("bü.jpg", 1, 2, 3, 4, 0)]),
}


@pytest.mark.parametrize(("content", "expected"), SILENT.values(), ids=SILENT)
def test_annotations_are_accepted_in_silence(tmp_path, content, expected):
    samples = read_samples(write(tmp_path, content), CLASSES)
    assert rows_of(samples) == expected


def test_pictures_keep_the_order_of_first_appearance(tmp_path):
    samples = read_samples(write(tmp_path, "c.jpg,,,,,\n" + ROW + "b.jpg,,,,,\n"), CLASSES)
    assert samples.paths == ("c.jpg", "a.jpg", "b.jpg")
    assert [len(samples.annotations(index)["labels"]) for index in range(3)] == [0, 1, 0]
    np.testing.assert_array_equal(samples.annotations(1)["bboxes"], [[1, 2, 3, 4]])


NOTICED = {
    "header": (HEADER + "a.jpg,9,9,cat,1,2,3,4\n", ONE, "line 1: a header was found"),
    "header of our own order": ("path,x1,y1,x2,y2,class_name\n" + ROW, ONE, "a header was found"),
    "header in capitals": (
        "Label , YMAX,XMAX,YMIN,XMIN,Image\ncat,4,3,2,1,a.jpg\n",
        ONE,
        "a header was found",
    ),
    "header and empty picture": (
        HEADER + "b.jpg,9,9,,,,,\na.jpg,9,9,cat,1,2,3,4\n",
        ONE,
        "a header was found",
    ),
    "duplicates": (
        ROW * 3 + "a.jpg,1,2,3,4,dog\n",
        [*ONE, ("a.jpg", 1, 2, 3, 4, 3)],
        "2 duplicate",
    ),
}


@pytest.mark.parametrize(("content", "expected", "notice"), NOTICED.values(), ids=NOTICED)
def test_annotations_are_accepted_with_one_notice(tmp_path, content, expected, notice):
    path = write(tmp_path, content)
    with pytest.warns(AnnotationWarning) as found:
        samples = read_samples(path, CLASSES)
    assert rows_of(samples) == expected
    assert len(found) == 1
    assert str(found[0].message).startswith(str(path))
    assert notice in str(found[0].message)


REFUSED = {
    "empty": (b"", ": the file is empty"),
    "blank lines only": (" \n\r\n,,,\n", ": the file holds nothing but blank lines"),
    "bom only": (b"\xef\xbb\xbf", ": the file holds nothing but blank lines"),
    "header only": (HEADER, ", line 1: there are no annotations"),
    "five fields": (ROW + "a.jpg,1,2,3,cat\n", ", line 2: format should be 'img_file,x1,y1,x2"),
    "semicolons": ("a.jpg;1;2;3;4;cat\n", "found 1 fields, separated by semicolons"),
    "tabs": ("a.jpg\t1\t2\t3\t4\tcat\n", "found 1 fields, separated by tabs"),
    "short row under a header": (HEADER + "a.jpg,9,9,cat,1,2,3\n", ", line 2: format should be"),
    "no file name": (",1,2,3,4,cat\n", ", line 1: format should be"),
    "text": ("a.jpg,1,two,3,4,cat\n", ", line 1: malformed y1: 'two' is not a finite number"),
    "nan": ("a.jpg,nan,2,3,4,cat\n", ", line 1: malformed x1: 'nan' is not a finite number"),
    "infinity": ("a.jpg,1,2,inf,4,cat\n", ", line 1: malformed x2: 'inf' is not a finite number"),
    "huge": ("a.jpg,1,2,3,1e300,cat\n", ", line 1: malformed y2: '1e300' is not a finite number"),
    "underscore": ("a.jpg,1_0,2,30,4,cat\n", ", line 1: malformed x1: '1_0'"),
    "missing number": ("a.jpg,1,,3,4,cat\n", ", line 1: malformed y1: ''"),
    "x2 below x1": ("a.jpg,5,2,3,4,cat\n", ", line 1: x2 (3) must be higher than x1 (5). Write x1"),
    "y2 equals y1": ("\n\na.jpg,1,2,3,2,cat\n", ", line 3: y2 (2) must be higher than y1 (2)"),
    "unknown class": (
        "a.jpg,1,2,3,4,caat\n",
        ", line 1: unknown class name: 'caat' (classes: cat, dog). Did you mean 'cat'?",
    ),
    "no class": ("a.jpg,1,2,3,4,\n", ", line 1: unknown class name: '' (classes: cat, dog)"),
    "latin-1": (ROW.encode() + b"b\xfc.jpg,1,2,3,4,cat\n", ", line 2: wrong encoding: byte 0xfc"),
    "utf-16": (ROW.encode("utf-16"), "looks like UTF-16). Save it as UTF-8"),
    "open quote": (ROW + '"a.jpg,1,2,3,4,cat\n' + ROW, ", line 2: a field holds a line break"),
    "nul": ("a\0.jpg,1,2,3,4,cat\n", ", line 1: a field holds a line break or NUL byte"),
    "header without a column": (
        "filename,class,xmin,ymin,xmax\na.jpg,cat,1,2,3\n",
        ", line 1: the header 'filename,class,xmin,ymin,xmax' has no column for y2",
    ),
    "header with two of a column": (
        "path,x1,y1,x2,y2,class,label\na.jpg,1,2,3,4,cat,dog\n",
        "has 2 columns for class",
    ),
    "field beyond csv's limit": (
        "a" * 140_000 + ",1,2,3,4,cat\n",
        ", line 1: not CSV: field larger",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_annotations_are_refused_in_one_line(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(AnnotationError) as error, warnings.catch_warnings():
        warnings.simplefilter("ignore", AnnotationWarning)
        read_samples(path, CLASSES)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 350


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(AnnotationError, match="none.csv: the file does not exist"):
        read_samples(tmp_path / "none.csv", CLASSES)
    with pytest.raises(AnnotationError, match="this is a folder. Name the CSV file in it"):
        read_classes(tmp_path)


CLASS_FILES = {
    "plain": ("cat,0\ndog,1\n", {"cat": 0, "dog": 1}),
    "bom, crlf, blank lines": (b"\xef\xbb\xbfcat,0\r\n\r\ndog,1\r\n\r\n", {"cat": 0, "dog": 1}),
    "spaces and quotes": (' "big cat" , 0 \n', {"big cat": 0}),
    "gaps": ("cat,7\ndog,2\n", {"cat": 7, "dog": 2}),
    "empty fields at the end": ("cat,0,,\n", {"cat": 0}),
}


@pytest.mark.parametrize(("content", "expected"), CLASS_FILES.values(), ids=CLASS_FILES)
def test_classes_are_accepted(tmp_path, content, expected):
    assert read_classes(write(tmp_path, content)) == expected


def test_a_header_of_a_class_file_is_taken_with_a_notice(tmp_path):
    path = write(tmp_path, "name,id\ncat,0\n")
    with pytest.warns(AnnotationWarning, match="line 1: 'name,id' is taken for a header"):
        assert read_classes(path) == {"cat": 0}


REFUSED_CLASSES = {
    "empty": ("", ": the file is empty"),
    "blank": ("\n\n", ": the file holds nothing but blank lines"),
    "header only": ("name,id\n", ", line 1: there are no classes"),
    "names only": ("cat\ndog\n", ", line 1: format should be 'class_name,class_id', found 'cat'"),
    "three fields": ("cat,0\ndog,1,x\n", ", line 2: format should be"),
    "no name": (",0\n", ", line 1: format should be"),
    "text id": ("cat,first\n", ", line 1: malformed class ID: 'first' is not a whole number"),
    "negative id": ("cat,-1\n", ", line 1: malformed class ID: '-1'"),
    "fractional id": ("cat,0\ndog,1.5\n", ", line 2: malformed class ID: '1.5'"),
    "huge id": ("cat,70000\n", ", line 1: malformed class ID: '70000'"),
    "duplicate name": (
        "cat,4\n\ncat,1\n",
        ", line 3: duplicate class name: 'cat', already on line 1",
    ),
    "duplicate id": ("cat,4\ndog,4\n", ", line 2: duplicate class ID: 4, already on line 1"),
    "latin-1": (b"k\xe4se,0\n", ", line 1: wrong encoding"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED_CLASSES.values(), ids=REFUSED_CLASSES)
def test_classes_are_refused_in_one_line(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(AnnotationError) as error:
        read_classes(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_old_helpers_read_rows_and_start_messages_with_the_line():
    assert _read_classes(csv_rows("")) == {}
    assert _read_classes(csv_rows("a,1\nb,2")) == {"a": 1, "b": 2}
    rows = "a.png,0,1,2,3,cat\nb.png,,,,,\na.png,4,5,6,7,dog\n"
    assert _read_annotations(csv_rows(rows), CLASSES) == {
        "a.png": [
            {"x1": 0, "y1": 1, "x2": 2, "y2": 3, "class": "cat"},
            {"x1": 4, "y1": 5, "x2": 6, "y2": 7, "class": "dog"},
        ],
        "b.png": [],
    }
    with pytest.raises(ValueError, match=r"^line 2: x2 \(5\) must be higher than x1 \(9\)"):
        _read_annotations(csv_rows(ROW + "a.png,9,2,5,3,cat"), CLASSES)
    with pytest.raises(ValueError, match="^line 3: duplicate class name: 'a'"):
        _read_classes(csv_rows("a,1\nb,2\na,3"))
    with pytest.raises(ValueError, match="^no: could not convert"):
        _parse("x", float, "no: {}")


def test_open_for_csv_leaves_the_bom_out(tmp_path):
    with _open_for_csv(write(tmp_path, b"\xef\xbb\xbfcat,0\r\n")) as file:
        assert file.read() == "cat,0\r\n"


fields = st.sampled_from(
    [
        "a.jpg",
        "1",
        "2.5",
        "-3",
        "9",
        "cat",
        "dog",
        "",
        "nan",
        "1e999",
        "x1",
        "class",
        '"',
        "\0",
        "é",
    ]
)
rows = st.lists(st.lists(fields, min_size=1, max_size=8).map(",".join), max_size=4)
contents = st.one_of(
    st.binary(max_size=80),
    rows.map("\n".join).map(str.encode),
    st.tuples(st.just(b"a.jpg,1,2,3,4,cat\n"), st.binary(max_size=20)).map(b"".join),
)


@settings(max_examples=300, deadline=None)
@given(content=contents)
def test_no_content_raises_anything_but_an_annotation_error(tmp_path_factory, content):
    path = write(tmp_path_factory.getbasetemp(), content, "fuzz.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnnotationWarning)
        for read in (read_classes, lambda path: read_samples(path, CLASSES)):
            try:
                read(path)
            except AnnotationError as error:
                assert str(error).startswith(str(path))  # noqa: PT017
                assert "\n" not in str(error)  # noqa: PT017


def test_a_hundred_thousand_rows_are_read_in_seconds(tmp_path):
    pick = random.Random(0).randrange
    lines = (f"{pick(9999)}.jpg,{pick(500)},1,501,{2 + pick(99999)},cat" for _ in range(100_000))
    path = write(tmp_path, "\n".join(lines))
    start = time.process_time()
    samples = read_samples(path, CLASSES)
    assert time.process_time() - start < 5
    assert len(samples.boxes) == 100_000


SIZED = {  # a file with a header, [height, width] of its pictures
    "no columns": ("path,x1,y1,x2,y2,class\na.png,1,2,3,4,cat", []),
    "one column alone": ("path,width,x1,y1,x2,y2,class\na.png,9,1,2,3,4,cat", []),
    "twice": ("path,width,width,height,x1,y1,x2,y2,class\na.png,9,9,9,1,2,3,4,cat", []),
    "as in tutorials": (
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,640,480,cat,1,2,3,4",
        [[480, 640]],
    ),
    "the first row of a picture counts": (
        "path,width,height,x1,y1,x2,y2,class\n"
        "a.png,640,480,1,2,3,4,cat\nb.png,20,10,,,,,\na.png,64,48,3,2,9,4,cat",
        [[480, 640], [10, 20]],
    ),
    "no numbers": (
        "path,width,height,x1,y1,x2,y2,class\na.png,wide,,1,2,3,4,cat\nb.png,-2,1e3,,,,,",
        [[0, 0], [0, 0]],
    ),
    "at the end, and left out": (
        "path,x1,y1,x2,y2,class,width,height\na.png,1,2,3,4,cat",
        [[0, 0]],
    ),
}


@pytest.mark.filterwarnings("ignore::keras_retinanet.preprocessing.samples.AnnotationWarning")
@pytest.mark.parametrize(("text", "stated"), SIZED.values(), ids=SIZED)
def test_sizes_of_pictures_are_read_where_a_header_has_them(tmp_path, text, stated):
    (tmp_path / "rows.csv").write_text(text)
    sizes = []
    read_samples(tmp_path / "rows.csv", {"cat": 0}, sizes=sizes)
    assert [row for size in sizes for row in size.tolist()] == stated
