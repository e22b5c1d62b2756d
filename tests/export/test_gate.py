"""The gate finds every row that has no like, by hand."""

import numpy as np
import pytest

from keras_retinanet.export.gate import Report, compare_batch, examine

BOX, FAR = (10.0, 10.0, 50.0, 40.0), (60.0, 10.0, 90.0, 40.0)


def rows(*detections, slots=4):
    """Return padded (boxes [1, 4, 4], scores [1, 4], labels [1, 4]) of (box, score, label)."""
    boxes, scores, labels = (
        np.full((1, slots, 4), -1.0),
        np.full((1, slots), -1.0),
        -np.ones((1, slots), int),
    )
    for place, (box, score, label) in enumerate(detections):
        boxes[0, place], scores[0, place], labels[0, place] = box, score, label
    return boxes, scores, labels


def moved(box, by):
    return tuple(side + by for side in box)


CASES = {
    "nothing": ((), (), 0, 0),
    "equal": (((BOX, 0.9, 1),), ((BOX, 0.9, 1),), 0, 0),
    "another order": (((BOX, 0.9, 1), (FAR, 0.9, 1)), ((FAR, 0.9, 1), (BOX, 0.9, 1)), 0, 0),
    "a little off": (((BOX, 0.9, 1),), ((moved(BOX, 0.09), 0.9009, 1),), 0, 0),
    "a box off": (((BOX, 0.9, 1),), ((moved(BOX, 0.2), 0.9, 1),), 1, 1),
    "a score off": (((BOX, 0.9, 1),), ((BOX, 0.902, 1),), 1, 1),
    "another label": (((BOX, 0.9, 1),), ((BOX, 0.9, 2),), 1, 1),
    "one missing": (((BOX, 0.9, 1), (FAR, 0.8, 0)), ((BOX, 0.9, 1),), 1, 0),
    "one twice": (((BOX, 0.9, 1),), ((BOX, 0.9, 1), (BOX, 0.9, 1)), 0, 1),
    "one at the threshold": (((BOX, 0.9, 1), (FAR, 0.5005, 0)), ((BOX, 0.9, 1),), 0, 0),
}


@pytest.mark.parametrize(("ours", "theirs", "missing", "surplus"), CASES.values(), ids=CASES)
def test_rows_without_their_like_are_counted(ours, theirs, missing, surplus):
    case = compare_batch((64, 96), rows(*ours), rows(*theirs), 0.5)
    edge = len(ours) - len(theirs) - missing if not surplus else 0
    assert (case.rows, case.missing, case.surplus) == (len(ours) - edge, missing, surplus)


def test_a_row_that_the_limit_left_out_may_be_another():
    """Four slots, all taken; the worst two scores are within the tolerance of each other."""
    three = [(moved(BOX, 100 * place), 0.9 - 0.1 * place, 0) for place in range(3)]
    ours, theirs = rows(*three, (FAR, 0.6, 1)), rows(*three, (moved(FAR, 9), 0.6004, 1))
    case = compare_batch((64, 96), ours, theirs, 0.5)
    assert (case.missing, case.surplus) == (0, 0)


def test_a_report_passes_with_rows_alone():
    found = rows((BOX, 0.9, 1))
    levels = [np.zeros((1, 8, 9, 3), np.uint8)]
    report = examine(lambda images: found, lambda images: found, levels, 0.5)
    assert report.passed and report.rows == 1 and report.cases[0].size == (8, 9)
    assert not Report((), 0.5).passed
    other = examine(lambda images: found, lambda images: rows(), levels, 0.5)
    assert not other.passed and "1 have no like" in other.line()
