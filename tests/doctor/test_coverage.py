"""Shares of boxes with an anchor by class and size, and what would help."""

import numpy as np
import pytest

from keras_retinanet.doctor.coverage import Resize, check_coverage, measure, remedies
from keras_retinanet.doctor.examination import examine, examine_briefly, lines
from keras_retinanet.doctor.reach import Grid
from keras_retinanet.utils.anchors import AnchorParameters

# squares of 16 pixels around (4, 4), (12, 4), … and of 32 around (8, 8), (24, 8), …
GRID = Grid(AnchorParameters((16, 32, 64), (8, 16, 32), (1,), (1,)), (3, 4, 5))
ROWS = [
    (0, 4, 4, 20, 20, 0),  # an anchor itself
    (0, 40, 8, 72, 40, 1),  # likewise: around (56, 24)
    (0, 102, 42, 110, 50, 1),  # 8 pixels: at most 64 of 256
    (1, 0, 0, 64, 64, 0),  # between the centres 16 and 48: 48 x 48 shared of 64 x 64 twice
]
SIZES = ((100, 200), (64, 64))


def measured(subject, resize, rows=ROWS):
    made = subject(rows, SIZES)
    return made, measure(made.fitted, made.sizes, GRID, resize)


def test_shares_by_hand(subject):
    made, coverage = measured(subject, Resize(None, None))
    assert coverage.trained.tolist() == [True, True, False, False]
    np.testing.assert_allclose(coverage.overlap, [1, 1, 0.25, 48**2 / (2 * 64**2 - 48**2)])
    assert coverage.share() == 0.5
    assert coverage.by_class() == {0: (2, 1), 1: (2, 1)}
    assert coverage.by_size() == [
        (8, 16, 1, 0),
        (16, 24, 1, 1),
        (24, 32, 0, 0),
        (32, 48, 1, 1),
        (48, 64, 0, 0),
        (64, 96, 1, 0),
    ]
    (finding,) = check_coverage(made, coverage)
    assert finding.severity == "fault" and finding.count == 2
    assert finding.places == (
        "0.png: 102,42,110,50 (dog, 8 px, IoU 0.25)",
        "1.png: 0,0,64,64 (cat, 64 px, IoU 0.39)",
    )


def test_the_size_that_counts_is_that_after_resizing(subject):
    _, coverage = measured(subject, Resize(200, 400))
    assert coverage.scales.tolist() == [2, 200 / 64]
    assert coverage.trained.tolist() == [True, True, True, False]  # 32, 64, 16; 200 is too large
    np.testing.assert_allclose(coverage.lengths(), [32, 64, 16, 200])


def test_no_boxes_are_reached_all(subject):
    made, coverage = measured(subject, Resize(), [])
    assert coverage.share() == 1 and coverage.by_class() == {} and coverage.by_size() == []
    assert check_coverage(made, coverage) == []


def test_a_small_share_without_an_anchor_is_a_note(subject):
    rows = ROWS[:1] + ROWS[2:3] + [(2, 4 + 8 * place, 4, 20 + 8 * place, 20, 0)
                                   for place in range(0, 60, 3)]  # fmt: skip
    made = subject(rows, (*SIZES, (64, 600)))
    (finding,) = check_coverage(made, measure(made.fitted, made.sizes, GRID, Resize(None, None)))
    assert finding.severity == "note" and "1 box (4.5%) has" in finding.text


def test_remedies_are_named_with_what_they_gain(subject):
    rows = [(0, 50, 50, 58, 58, 0), (0, 4, 4, 20, 20, 0), (0, 100, 20, 104, 44, 0)]
    made = subject(rows)
    now, *helping = remedies(made.fitted, made.sizes, GRID, Resize(100, 200))
    assert now == ("as it is", pytest.approx(1 / 3))
    found = dict(helping)
    assert found["--image-min-side 200 --image-max-side 400"] == pytest.approx(2 / 3)
    # squares of 8 around (50, 54), …: one lies on (50, 50)-(58, 58) but for 4 of its pixels
    assert found["level P2 with half the smallest anchor"] == pytest.approx(2 / 3)


def test_the_examination_says_it_all_in_lines(subject):
    made = subject([*ROWS, (0, 150, 10, 230, 50, 0)], SIZES, notices=("a stray line",))
    found = lines(examine(made, GRID, Resize(None, None)))
    assert found[0] == (
        "2 pictures, 5 boxes of 2 classes; 40.0% of the boxes have an anchor at own size"
    )
    assert found[1].startswith("fault: 1 box reaches more than 1 pixel outside the picture")
    assert "note: a stray line" in found
    assert any(line.startswith("would help: ") for line in found)


def test_the_short_examination_looks_at_no_picture(subject):
    made = subject([*ROWS, (1, 0, 0, 64, 63, 0)], SIZES, broken={}, files=("gone", "gone too"))
    kinds = [finding.kind for finding in examine_briefly(made, GRID, Resize(None, None)).findings]
    assert kinds == ["nearly repeated boxes", "boxes without an anchor"]
