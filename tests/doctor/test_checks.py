"""Planted faults of boxes and pictures: each is found, counted and placed."""

import shutil

import cv2
import numpy as np
import pytest

from keras_retinanet.doctor.box_checks import check_boxes
from keras_retinanet.doctor.picture_checks import check_pictures, check_same
from keras_retinanet.doctor.same_pictures import look_alikes, same_bytes, thumbnails
from keras_retinanet.doctor.subject import part_of
from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.samples import FlatBox


def by_kind(findings):
    return {finding.kind: finding for finding in findings}


def test_sound_boxes_give_no_finding(subject):
    assert check_boxes(subject([])) == []
    rows = [(0, 0, 0, 200, 100, 0), (0, 10, 10, 60, 60, 1), (0, 10, 10, 60, 60, 0)]
    assert check_boxes(subject(rows)) == []  # one place, two classes


def test_boxes_reaching_outside_are_sorted_by_how_far(subject):
    rows = [
        (0, 10, 10, 201, 50, 0),  # one pixel is forgiven
        (0, 10, 60, 203.5, 90, 0),
        (0, 10, -7, 30, 50, 1),
        (0, 200, 10, 230, 50, 0),  # wholly outside: it only touches
    ]
    found = by_kind(check_boxes(subject(rows)))
    assert set(found) == {"boxes reaching outside", "boxes outside"}
    reaching = found["boxes reaching outside"]
    assert reaching.places == ("0.png: 10,-7,30,50 dog", "0.png: 10,60,203.5,90 cat")
    assert "by 7 pixels at most" in reaching.text
    assert found["boxes outside"].places == ("0.png: 200,10,230,50 cat",)


def test_boxes_of_unreadable_pictures_are_not_called_outside(subject):
    assert check_boxes(subject([(0, 10, 10, 20, 20, 0)], ((0, 0),), broken={0: "gone"})) == []


def test_empty_and_repeated_boxes_come_from_the_reader(subject):
    found = by_kind(
        check_boxes(
            subject(
                [(0, 10, 10, 60, 60, 0)],
                flat=[FlatBox(0, (5.0, 5.0, 5.0, 9.0), 1, "line 7")],
                repeated=[(0, 10, 10, 60, 60, 0)] * 2,
            )
        )
    )
    assert found["empty boxes"].places == ("0.png: 5,5,5,9 (line 7)",)
    assert found["repeated boxes"].count == 2
    assert "2 boxes stand" in found["repeated boxes"].text


@pytest.mark.parametrize(
    ("form", "said", "remedy"),
    [
        (box_forms.CSV, "x2 is not right of x1, or y2 not below y1", "training stops at them"),
        (box_forms.KITTI, "right is not right of left, or bottom not below top", "leaves them out"),
        (box_forms.COCO, "width or height is not above 0", "training leaves them out"),
        (box_forms.YOLO, "width or height is not above 0", "training leaves them out"),
    ],
)
def test_empty_boxes_are_told_in_the_words_of_their_format(subject, form, said, remedy):
    flat = [FlatBox(0, (5.0, 5.0, 5.0, 9.0), 1, "line 7")]
    (finding,) = check_boxes(subject([], flat=flat, form=form))
    assert finding.text == f"1 box has no area: {said}" and remedy in finding.remedy


def test_boxes_of_one_class_at_iou_0_9_are_one_object(subject):
    rows = [
        (0, 0, 0, 100, 10, 0),
        (0, 0, 0, 90, 10, 0),  # IoU 0.9 with the first
        (1, 0, 0, 100, 10, 0),  # another picture
        (1, 0, 0, 89, 10, 0),  # IoU 0.89
        (1, 0, 0, 99, 10, 1),  # another class
        (1, 50, 0, 80, 10, 1),
        (1, 50, 0, 79, 10, 1),  # IoU 29 / 30
    ]
    (finding,) = check_boxes(subject(rows, ((100, 200), (100, 200))))
    assert finding.kind == "nearly repeated boxes"
    assert finding.places == (
        "1.png: 50,0,80,10 dog (IoU 0.967)",
        "0.png: 0,0,100,10 cat (IoU 0.900)",
    )


def test_pictures_and_classes_are_counted(subject):
    found = by_kind(
        check_pictures(
            subject(
                [(0, 10, 10, 20, 20, 0)],
                ((100, 200), (0, 0), (100, 200), (200, 100)),
                broken={1: "1.png: cut off"},
                declared=np.array([(100, 200), (50, 60), (0, 0), (100, 200)]),
            )
        )
    )
    assert found["unreadable pictures"].places == ("1.png: cut off",)
    assert found["mismatching pictures"].places == ("3.png: 100 x 200, annotated as 200 x 100",)
    assert "--ignore-exif" in found["mismatching pictures"].remedy
    assert found["pictures without objects"].places == ("1.png", "2.png", "3.png")
    assert found["classes without boxes"].places == ("dog",)
    assert {finding.severity for finding in found.values()} == {"fault", "note"}


def test_unknown_classes_are_listed_the_commonest_first(subject):
    unknown = {"cta": [1, "line 4"], "cow": [20, "line 9"]}
    found = by_kind(check_pictures(subject([(0, 10, 10, 20, 20, 0)], unknown=unknown)))
    finding = found["unknown classes"]
    assert (finding.severity, finding.count) == ("fault", 21)
    assert finding.text == "21 boxes have names that no class has: 'cow' (20), 'cta' (1)"
    assert finding.places == ("'cow' in line 9", "'cta' in line 4")


def test_pictures_with_regions_alone_are_not_called_pure_background(subject):
    sizes, regions = ((100, 200),) * 4, np.array([0, 2, 0, 1])
    found = by_kind(check_pictures(subject([(3, 10, 10, 20, 20, 0)], sizes, regions=regions)))
    assert found["pictures without objects"].places == ("0.png", "2.png")
    alone = found["pictures with regions to ignore alone"]
    assert alone.places == ("1.png",) and "background" in alone.remedy
    assert alone.text == "1 picture has no object, but regions to ignore"


def test_a_part_keeps_every_nth_picture_with_its_boxes(subject):
    rows = [(picture, 0, 0, 9, 9, picture % 2) for picture in range(6) for _ in range(2)]
    flat = [FlatBox(3, (0, 0, 0, 1), 0, "a"), FlatBox(4, (0, 0, 0, 1), 0, "b")]
    more = {"broken": {2: "x", 5: "y"}, "regions": np.arange(6)}
    whole = subject(rows, [(10 + index, 20) for index in range(6)], flat, **more)
    assert part_of(whole, 12) is whole
    part = part_of(whole, 6)
    assert part.names == ("0.png", "2.png", "4.png")
    assert part.samples.pictures.tolist() == [0, 0, 1, 1, 2, 2]
    assert part.sizes[:, 0].tolist() == [10, 12, 14]
    assert part.broken == {1: "x"} and part.regions.tolist() == [0, 2, 4]
    assert [(each.picture, each.place) for each in part.flat] == [(2, "b")]


# --- the same picture twice


@pytest.fixture
def files(tmp_path):
    """Return paths: a photograph-like picture, a copy, saved again small, turned, another, two
    blank ones, one that is missing and one that is no picture."""
    rng = np.random.default_rng(4)

    def smooth():
        return cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (320, 240))

    first, other = smooth(), smooth()
    pictures = {
        "first.png": first,
        "again.jpg": cv2.resize(first, (150, 112), interpolation=cv2.INTER_AREA),
        "turned.png": first[:, ::-1],
        "other.png": other,
        "blank.png": np.full((60, 60, 3), 200, np.uint8),
        "white.png": np.full((60, 61, 3), 202, np.uint8),
    }
    for name, image in pictures.items():
        cv2.imwrite(str(tmp_path / name), image, [cv2.IMWRITE_JPEG_QUALITY, 50])
    shutil.copy(tmp_path / "first.png", tmp_path / "copy.png")
    (tmp_path / "text.png").write_bytes(b"no picture")
    names = ("first", "copy", "again", "turned", "other", "blank", "white", "missing", "text")
    return [str(tmp_path / f"{name}.{'jpg' if name == 'again' else 'png'}") for name in names]


SIZES = [(240, 320)] * 2 + [(112, 150)] + [(240, 320)] * 2 + [(60, 60), (60, 61), (0, 0), (0, 0)]


def test_copies_are_found_by_their_bytes(files, tmp_path):
    assert same_bytes(files) == [[0, 1]]
    assert same_bytes([]) == same_bytes(files[2:]) == []
    near = tmp_path / "near.bin"  # equal size and first block, another end
    near.write_bytes(b"a" * 20_000 + b"b")
    (tmp_path / "far.bin").write_bytes(b"a" * 20_000 + b"c")
    assert same_bytes([near, tmp_path / "far.bin"]) == []


def test_pictures_saved_again_are_found_by_their_looks(files):
    found = thumbnails(files, SIZES)
    assert np.isnan(found[7:]).all() and np.isfinite(found[:7]).all()
    assert look_alikes(found) == look_alikes(found, rows_at_once=2) == [(0, 1), (0, 2), (1, 2)]


def test_both_sets_are_compared(subject, files):
    def of(*places):
        chosen = [files[place] for place in places]
        return subject([], [SIZES[place] for place in places], files=tuple(chosen))

    one = of(0, 4, 7)
    assert check_same(one) == []
    (finding,) = check_same(one, of(3, 1))
    assert finding.kind == "same picture in both sets, byte for byte"
    assert finding.places == ("0.png = 1.png",)
    (finding,) = check_same(one, of(3, 2))
    assert finding.kind == "same picture in both sets, saved again"
    assert check_same(one, of(3, 2), alike=False) == []
    kinds = [finding.kind for finding in check_same(of(0, 1, 2))]
    assert kinds == ["same picture twice, byte for byte", "same picture twice, saved again"]
