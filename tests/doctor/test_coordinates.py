"""Coordinates that are no x1,y1,x2,y2 in pixels, and those that are."""

import numpy as np
import pytest

from keras_retinanet.doctor.coordinates import check_coordinates
from keras_retinanet.doctor.subject import read_subject
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator
from keras_retinanet.preprocessing.samples import FlatBox

HEIGHT, WIDTH = 300, 500


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


def as_coco_reads(boxes):
    """Corners in the file, taken for x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def examined(subject, columns, sizes=((HEIGHT, WIDTH),)):
    """Return the findings on columns; rows without an area come as FlatBoxes, as readers do it."""
    flat = (columns[:, 2:] <= columns[:, :2]).any(axis=1)
    places = [FlatBox(0, tuple(box), 0, "line 1") for box in columns[flat].tolist()]
    rows = [(0, *box, 0) for box in columns[~flat].tolist()]
    return check_coordinates(subject(rows, sizes, places))


@pytest.mark.parametrize(
    ("written", "spoil"),
    [
        ("shares of the picture's sides", lambda b: b / (WIDTH, HEIGHT, WIDTH, HEIGHT)),
        ("shares of the picture's sides", lambda b: centres_of(b) / (WIDTH, HEIGHT, WIDTH, HEIGHT)),
        ("x,y,width,height", sizes_of),
        ("y1,x1,y2,x2", lambda b: b[:, [1, 0, 3, 2]]),
        ("x1,x2,y1,y2", lambda b: b[:, [0, 2, 1, 3]]),
        ("the centre's x,y, and width,height", centres_of),
        ("x1,y1,x2,y2 where the format wants x,y,width,height", as_coco_reads),
    ],
    ids=["shares", "YOLO", "widths", "swapped", "x x y y", "centres", "corners in COCO"],
)
def test_other_coordinates_are_recognised(subject, written, spoil):
    (finding,) = examined(subject, spoil(true_boxes()))
    assert finding.severity == "fault"
    assert f"look like {written}," in finding.text
    assert finding.remedy and finding.count == len(finding.places) >= 3


@pytest.mark.parametrize("seed", range(5))
def test_true_coordinates_are_no_suspects(subject, seed):
    assert examined(subject, true_boxes(seed=seed)) == []


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
