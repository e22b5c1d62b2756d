"""Coordinates that are no x1,y1,x2,y2 in pixels, and those that are."""

import numpy as np
import pytest

from keras_retinanet.doctor.coordinates import check_coordinates
from keras_retinanet.doctor.subject import read_subject
from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator
from keras_retinanet.preprocessing.samples import FlatBox

HEIGHT, WIDTH = 300, 500
SIDES = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])


def true_boxes(count=60, seed=5):
    rng = np.random.default_rng(seed)
    sides = rng.uniform(20, 120, (count, 2))
    corners = rng.uniform(0, 1, (count, 2)) * ((WIDTH, HEIGHT) - sides)
    return np.concatenate([corners, corners + sides], axis=1)


def sizes_of(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def centres_of(boxes):
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([middles, boxes[:, 2:] - boxes[:, :2]], axis=1)


def as_read(numbers, form):
    """Return the corners in pixels that a format's reader makes of four numbers."""
    if form.unit == box_forms.SHARES:
        numbers = numbers * SIDES
    if form.kind == "sizes":
        return np.concatenate([numbers[:, :2], numbers[:, :2] + numbers[:, 2:]], axis=1)
    if form.kind == "centres":
        half = numbers[:, 2:] / 2
        return np.concatenate([numbers[:, :2] - half, numbers[:, :2] + half], axis=1)
    return numbers


def examined(subject, columns, sizes=((HEIGHT, WIDTH),), form=box_forms.CSV):
    """Return the findings on columns; rows without an area come as FlatBoxes, as readers do it."""
    flat = (columns[:, 2:] <= columns[:, :2]).any(axis=1)
    places = [FlatBox(0, tuple(box), 0, "line 1") for box in columns[flat].tolist()]
    rows = [(0, *box, 0) for box in columns[~flat].tolist()]
    return check_coordinates(subject(rows, sizes, places, form=form))


def in_shares(numbers):
    return numbers / SIDES


def turned(numbers):
    return numbers[:, [1, 0, 3, 2]]


MISTAKES = {  # the format, f(true corners) -> what the file has, what is said, what helps
    "shares in CSV": (
        box_forms.CSV, in_shares,
        "like shares of the picture's sides, not x1,y1,x2,y2 in pixels", "by the picture's width",
    ),
    "YOLO's numbers in CSV": (
        box_forms.CSV, lambda b: in_shares(centres_of(b)),
        "like shares of the picture's sides, not x1,y1,x2,y2 in pixels", "by the picture's width",
    ),
    "COCO's numbers in CSV": (
        box_forms.CSV, sizes_of,
        "like x,y,width,height, not x1,y1,x2,y2 in pixels",
        "Write x2 = x1 + width and y2 = y1 + height",
    ),
    "COCO's numbers in VOC": (
        box_forms.PASCAL, sizes_of,
        "like x,y,width,height, not xmin,ymin,xmax,ymax in pixels",
        "Write xmax = xmin + width and ymax = ymin + height",
    ),
    "x and y swapped in CSV": (
        box_forms.CSV, turned, "like y1,x1,y2,x2, not x1,y1,x2,y2", "Swap them: x1,y1,x2,y2",
    ),
    "x and y swapped in KITTI": (
        box_forms.KITTI, turned,
        "like top,left,bottom,right, not left,top,right,bottom in pixels",
        "Swap them: left,top,right,bottom",
    ),
    "in pairs": (
        box_forms.CSV, lambda b: b[:, [0, 2, 1, 3]],
        "like x1,x2,y1,y2, not", "Write x1,y1,x2,y2 in this order",
    ),
    "centres in CSV": (
        box_forms.CSV, centres_of, "like the centre's x,y, and width,height, not", "the corners",
    ),
    "corners in COCO": (
        box_forms.COCO, lambda b: b,
        "like x1,y1,x2,y2, not x,y,width,height in pixels",
        "Write width = x2 - x1 and height = y2 - y1",
    ),
    "centres in COCO": (
        box_forms.COCO, centres_of,
        "like the centre's x,y, and width,height, not x,y,width,height in pixels",
        "Take half of width and height from the centre",
    ),
    "x and y swapped in COCO": (
        box_forms.COCO, lambda b: turned(sizes_of(b)),
        "like y,x,height,width, not x,y,width,height in pixels", "Swap them: x,y,width,height",
    ),
    "corners in YOLO": (
        box_forms.YOLO, in_shares,
        "like x1,y1,x2,y2, not centre x,centre y,width,height in shares of the picture's sides",
        "Write the centre of each box, its width and its height",
    ),
    "COCO's numbers in YOLO": (
        box_forms.YOLO, lambda b: in_shares(sizes_of(b)),
        "like x,y,width,height, not centre x,", "Add half of width and height to x and y",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("form", "spoil", "said", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_other_coordinates_are_recognised(subject, form, spoil, said, remedy):
    columns = as_read(spoil(true_boxes()), form)
    (finding,) = examined(subject, columns, form=form)
    assert finding.severity == "fault"
    assert f"look {said}" in finding.text
    assert remedy in finding.remedy and finding.count == len(finding.places) >= 3


TRUTHS = {
    "CSV": (box_forms.CSV, lambda b: b),
    "COCO": (box_forms.COCO, sizes_of),
    "Open Images": (box_forms.OPEN_IMAGES, in_shares),
    "YOLO": (box_forms.YOLO, lambda b: in_shares(centres_of(b))),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("form", "write"), TRUTHS.values(), ids=TRUTHS)
def test_true_coordinates_of_every_format_are_no_suspects(subject, form, write, seed):
    columns = as_read(write(true_boxes(seed=seed)), form)
    assert examined(subject, columns, form=form) == []
    small = columns * 1e-4 if form.unit == box_forms.SHARES else columns
    assert examined(subject, small, form=form) == []  # tiny shares are none of shares


@pytest.mark.parametrize("size", [(300, 300), (3000, 4000)], ids=["square", "large"])
def test_boxes_of_one_corner_of_the_picture_are_no_suspects(subject, size):
    assert examined(subject, true_boxes() * 0.5, (size,)) == []


def test_a_few_slips_are_no_system(subject):
    boxes = true_boxes()
    boxes[:5, [0, 2]] = boxes[:5, [2, 0]]
    assert examined(subject, boxes) == []


def test_boxes_that_no_reading_makes_plausible_are_left_to_other_checks(subject):
    boxes = true_boxes()
    boxes[:40] += 5 * WIDTH
    assert examined(subject, boxes) == []


def test_no_boxes_and_unreadable_pictures_say_nothing(subject):
    assert check_coordinates(subject([])) == []
    assert examined(subject, true_boxes() / 1000, ((0, 0),)) == []


@pytest.mark.parametrize("dataset", ["blood cells", "blood cells, XML", "raccoons"])
def test_real_boxes_are_no_suspects(real_data, dataset, tmp_path):
    options = {"as_found": True, "group_method": "none", "shuffle_groups": False}
    blood, raccoons = real_data / "blood_cells", real_data / "raccoons"
    (tmp_path / "classes.csv").write_text("raccoon,0\n")
    if dataset == "raccoons":
        files = raccoons / "data" / "raccoon_labels.csv", tmp_path / "classes.csv"
        generator = CSVGenerator(*files, base_dir=raccoons / "images", **options)
    elif dataset == "blood cells":
        generator = CSVGenerator(blood / "train.csv", blood / "classes.csv", **options)
    else:
        classes = ["RBC", "WBC", "Platelets"]
        generator = PascalVocGenerator(blood, "trainval", classes=classes, **options)
    assert check_coordinates(read_subject(generator)) == []
