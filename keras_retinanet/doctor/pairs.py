"""Pairs of boxes that lie in one picture, for a whole dataset at once."""

import numpy as np

MOST_PAIRS = 1_000_000  # at a time: some 200 MB of boxes and their overlaps


def pairs_of_pictures(starts):
    """Yield (rows, other rows), each [pairs], of all pairs within a picture, rows < other rows.

    Args:
        starts: [P + 1], first row of each picture and at the end the number of rows.
    """
    counts = np.diff(starts)
    ends = np.repeat(starts[1:], counts)  # [T] one past the last row of each row's picture
    partners = ends - np.arange(len(ends)) - 1  # [T] rows after each in its picture
    before = np.concatenate([[0], np.cumsum(partners)])
    first = 0
    while first < len(partners):
        last = int(np.searchsorted(before, before[first] + MOST_PAIRS, side="right")) - 1
        last = max(last, first + 1)
        rows = np.repeat(np.arange(first, last), partners[first:last])
        within = np.arange(len(rows)) - np.repeat(
            before[first:last] - before[first], partners[first:last]
        )
        yield rows, rows + 1 + within
        first = last


def iou_of_rows(boxes, others):
    """Return the IoU [...] of boxes [..., 4] with others [..., 4], row by row, as `overlaps`."""
    corner = np.minimum(boxes[..., 2:], others[..., 2:])
    sides = np.maximum(corner - np.maximum(boxes[..., :2], others[..., :2]), 0)
    shared = sides[..., 0] * sides[..., 1]
    union = _area(boxes) + _area(others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlapping_pairs(samples, least=0.0):
    """Return (rows, other rows, IoU) of the pairs of a picture whose IoU is above `least`."""
    found = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0))]
    for rows, others in pairs_of_pictures(samples.starts):
        overlap = iou_of_rows(samples.boxes[rows], samples.boxes[others])
        kept = overlap > least
        found.append((rows[kept], others[kept], overlap[kept]))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))
