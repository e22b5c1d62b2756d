"""Parsers under fuzzing: whatever a file holds, it is read or refused in one line of our own.

Each case is a whole file with some bytes cut out and others put in, or bytes without any sense;
the cases are the same in every run. What is read must be usable: finite boxes with an area.
"""

import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_retinanet.preprocessing import kitti, open_images_classes, pascal_voc, yolo_files
from keras_retinanet.preprocessing.annotation_files import MAX_COORDINATE
from keras_retinanet.preprocessing.class_lists import parse_class_list
from keras_retinanet.preprocessing.coco_file import read_coco_file
from keras_retinanet.preprocessing.csv_reader import read_classes, read_samples
from keras_retinanet.preprocessing.open_images_boxes import read_boxes
from keras_retinanet.preprocessing.rows import Rows
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning
from keras_retinanet.utils.image import ImageError

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{AnnotationWarning.__module__}.{AnnotationWarning.__qualname__}"
)
CASES = 2000
CLASSES = {"cat": 0, "dog": 1}

CSV = b'a.png,1,2,3,4,cat\r\n"b.png",10,20,30.5,40,dog\nc.png,,,,,\n'
CSV_HEADER = b"filename,width,height,class,xmin,ymin,xmax,ymax\na.png,9,9,cat,1,2,3,4\n"
CLASS_FILE = b"cat,0\ndog,1\n"
COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "s/b.png"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2.5, 3, 4], "iscrowd": 0},
            {"id": 2, "image_id": 2, "category_id": 4, "bbox": [0, 0, 9, 9], "area": 7.5},
        ],
    }
).encode()
VOC = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<annotation><size><width>9</width></size>'
    b"<object><name>cat</name><difficult>0</difficult><truncated>1</truncated><bndbox>"
    b"<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>"
)
KITTI = (
    b"Car 0.00 0 -1.57 10.5 5 20 15.25 1.6 1.5 3.7 -16 2.4 58 1.57\n"
    b"DontCare -1 -1 -10 1 2 30 40 -1 -1 -1 -1000 -1000 -1000 -10\n"
)
OID = (
    b"ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"
    b"aa,xclick,/m/cat,1,0.1,0.5,0.25,0.75,0\nbb,xclick,/m/dog,1,0,1,0,1,1\n"
)
OID_CLASSES = b'/m/cat,"Cat"\n/m/dog,Dog\n'
HIERARCHY = b'{"LabelName": "/m/a", "Subcategory": [{"LabelName": "/m/cat", "Part": []}]}'
YOLO = b"0 0.5 0.5 0.2 0.3\n1 0.1 0.1 0.4 0.1 0.4 0.4\n"
YAML = b"path: .  # root\ntrain: images/a\nval: [x, 'y']\nnc: 2\nnames:\n  0: cat\n  1: dog\n"
YAML_LIST = (
    b'train: ../train/images\nval:\n- a\n- "b"\nnames: [cat,\n  dog]\ndownload: |\n  import os\n'
)
LIST = b"cat\ndog\n"

VALUES = [
    *(b"0 1 -1 2 3 9 0.5 0.9 1e400 nan NaN -inf 1_0 1e9 1e10 99999999999999999999 0x1f".split()),
    *(b"true null cat dog Car elk a.png id bbox name object bndbox xmin names path".split()),
    *(b"0.1 0.4 20 80 1.0 LabelName /m/cat images/a x .. ../x /x 007 1,5 '' \xc3\xa9".split()),
]
TOKENS = [
    *(b", ; : - ' \" \\ / .. ../ < > & [ ] { } ( ) # | ! * % @ ` ? = << &a *a !!int ---".split()),
    *(b"<!DOCTYPE a> <![CDATA[ ]]> &lt; &#0; <object> </object> <?xml \\u0000 \\ud800".split()),
    *(b"!!python/object/apply:os.system ${HOME} {a: b} [1, 2] 12:30:45 2001-02-30".split()),
    *(b"\n,\r\n,\r,\t,\0, ,\x0b,\x85,\xff,\xfe\xff,\xef\xbb\xbf,\xc3\xa9,\xe2\x80\xa8".split(b",")),
    *(b"9" * 5000, b"[" * 2000, b"{" * 300, b" " * 300, b"a" * 300, b"<a>" * 300),
]
WORDS = re.compile(rb"[\w.-]+|[^\w.-]")  # what edits cut out and put in: words and single marks
CUTS = (0, 1, 1, 1, 1, 2, 8, 400)  # words
EDITS = (1, 1, 1, 1, 2, 2, 3, 5)
PROGRAM = 2 + 5 * max(EDITS)  # bytes; hypothesis draws one string of bytes fastest


def edited(seeds, program):
    """Return the file that a string of bytes stands for.

    The first byte chooses the whole file to start from, or none at all; the second the number of
    edits; five for each edit say where, how many words are cut out, and what is put in: a byte, a
    copy of other words, or a token. Most edits only put a value in place of another.
    """
    content = (*seeds, *seeds, *seeds, *seeds, b"")[program[0] % (4 * len(seeds) + 1)]
    words = WORDS.findall(content)
    for start in range(2, 2 + 5 * EDITS[program[1] % len(EDITS)], 5):
        high, low, cut, kind, value = program[start : start + 5]
        if cut < 160:
            values = [at for at, word in enumerate(words) if word[-1:].isalnum()] or [0]
            place = values[(256 * high + low) % len(values)]
            words[place : place + 1] = [VALUES[value % len(VALUES)]]
            continue
        place = (256 * high + low) % (len(words) + 1)
        put = [bytes([value])] if kind < 64 else words[value : value + kind - 64]
        put = [TOKENS[value % len(TOKENS)]] if kind >= 128 else put
        words[place : place + CUTS[cut % len(CUTS)]] = put
    return b"".join(words)


def check_boxes(boxes, limit=MAX_COORDINATE):
    boxes = np.reshape(boxes, (-1, 4))
    assert (np.abs(boxes) <= limit).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def csv_rows(path):
    samples = read_samples(path, CLASSES)
    check_boxes(samples.boxes)
    assert set(samples.labels.tolist()) <= {0, 1} and all(samples.paths)


def csv_classes(path):
    assert all(type(label) is int and name for name, label in read_classes(path).items())


def coco_json(path):
    coco = read_coco_file(path, path.parent)
    assert np.isfinite(coco.boxes).all() and (np.abs(coco.boxes) <= MAX_COORDINATE).all()
    assert set(coco.category_ids.tolist()) <= coco.categories.keys()


def voc_xml(path):
    rows = Rows()
    pascal_voc.add_objects(rows, 0, path, CLASSES)
    check_boxes(rows.boxes)
    pascal_voc.read_class_names([path])


def kitti_txt(path):
    rows = Rows()
    kitti.add_objects(rows, 0, path)
    check_boxes(rows.boxes)


def oid_boxes(path):
    table = read_boxes(path.parent, "train", {"/m/cat": 0, "/m/dog": 1}, "v5")
    check_boxes(table.boxes[~table.flat()], 1)
    assert len(table.flat_lines) == table.flat().sum()


def oid_classes(path):
    names, index = open_images_classes.get_labels(path.parent, "v5")
    assert len(names) == len(index) and all(names.values())


def oid_hierarchy(path):
    tree = open_images_classes.load_hierarchy(path.parent, "v5")
    assert open_images_classes.load_hierarchy_children(tree)


def yolo_txt(path):
    rows = Rows()
    yolo_files.add_objects(rows, 0, path, {0: 0, 1: 1})
    check_boxes(rows.boxes, 2)


def yolo_yaml(path):
    data = yolo_files.read_data_file(path)
    assert all(type(number) is int and name for number, name in data.names.items())
    assert all(data.sets.values())


def class_list(path):
    assert all(parse_class_list(str(path)))


PARSERS = {  # name: (parser, name of the file, whole files to start from)
    "csv": (csv_rows, "rows.csv", (CSV, CSV_HEADER)),
    "csv classes": (csv_classes, "classes.csv", (CLASS_FILE,)),
    "coco json": (coco_json, "coco.json", (COCO,)),
    "voc xml": (voc_xml, "voc.xml", (VOC,)),
    "kitti txt": (kitti_txt, "kitti.txt", (KITTI,)),
    "oid csv": (oid_boxes, "train-annotations-bbox.csv", (OID,)),
    "oid classes": (oid_classes, "class-descriptions-boxable.csv", (OID_CLASSES,)),
    "oid hierarchy": (oid_hierarchy, "bbox_labels_600_hierarchy.json", (HIERARCHY,)),
    "yolo txt": (yolo_txt, "yolo.txt", (YOLO,)),
    "yolo yaml": (yolo_yaml, "data.yaml", (YAML, YAML_LIST)),
    "class list": (class_list, "names.txt", (LIST,)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("name", PARSERS)
def test_whole_files_are_read(name, folder):
    parse, file, seeds = PARSERS[name]
    for seed in seeds:
        (folder / file).write_bytes(seed)
        parse(folder / file)


@pytest.mark.parametrize("name", PARSERS)
def test_any_file_is_read_or_refused_in_one_line(name, folder):
    parse, file, seeds = PARSERS[name]
    counts = {"read": 0, "refused": 0}

    @settings(
        max_examples=CASES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=PROGRAM, max_size=PROGRAM))
    def check(program):
        path = folder / file
        path.write_bytes(edited(seeds, program))
        try:
            parse(path)
            counts["read"] += 1
        except (AnnotationError, ImageError) as error:
            counts["refused"] += 1
            message = str(error)
            assert message.startswith((str(path), f"invalid annotations file: {path}"))
            assert len(message.splitlines()) == 1 and len(message) < 1000

    check()
    assert min(counts.values()) > CASES / 200, counts
