"""Comparing two lists of detections as sets, and excusing what no tolerance can settle."""

import numpy as np

from tests.weights.torch_references import iou

SCORE, BOX = 1e-4, 0.05  # pixels
NEAR = 5e-3  # of IoUs; boxes that differ by 0.05 px on sides of 20


def _twin(row, rows, used):
    """Return the place of an unused row equal to `row` within tolerance, or None."""
    box, score, label = row
    for place, (other, its_score, its_label) in enumerate(rows):
        close = abs(its_score - score) <= SCORE and np.abs(other - box).max() <= BOX
        if place not in used and its_label == label and close:
            return place
    return None


def _is_excused(row, rows, threshold, nms, full):
    """Return whether rounding decides if `row` is there."""
    box, score, label = row
    edges = [threshold, *([rows[-1][1]] if full and rows else [])]
    if any(abs(score - edge) <= SCORE for edge in edges):
        return True
    same = [other for other, _, its_label in rows if its_label == label]
    return bool(same) and bool((np.abs(iou(box, np.array(same)) - nms) <= NEAR).any())


def compare(found, expected, threshold=0.05, nms=0.5, most=100):
    """Return (rows that differ, rows that are excused).

    Args:
        found, expected: (boxes [D, 4], scores [D], labels [D]), best first.
        threshold, nms, most: the rule that made them.
    """
    sets = [list(zip(*rows, strict=True)) for rows in (found, expected)]
    used, alone = set(), []
    for row in sets[0]:
        place = _twin(row, sets[1], used)
        if place is None:
            alone.append(row)
        else:
            used.add(place)
    alone += [row for place, row in enumerate(sets[1]) if place not in used]
    full = max(map(len, sets)) == most
    excused = [
        row for row in alone if any(_is_excused(row, rows, threshold, nms, full) for rows in sets)
    ]
    return len(alone) - len(excused), len(excused)
