"""Average precision and recall by what objects are like: size, aspect ratio, crowding.

As with COCO's small, medium and large: objects of other bins are ignored, and so are detections
that find nothing and would themselves fall into another bin.
"""

import numpy as np

from keras_retinanet.evaluation.coco_numbers import accumulate, mean
from keras_retinanet.evaluation.matching import PAIRS_AT_ONCE, iou_of_pairs, parts

INF = float("inf")
# name: least value, and the first above; the first row of each table that fits counts
SIDES = {  # pixels, of the square of the same area; the default anchors are 32 to 512
    "below 16": (0, 16),
    "16 to 32": (16, 32),
    "32 to 64": (32, 64),
    "64 to 128": (64, 128),
    "128 to 256": (128, 256),
    "256 to 512": (256, 512),
    "512 and more": (512, INF),
}
RATIOS = {  # width / height; symmetric around the square
    "below 1/3": (0, 1 / 3),
    "1/3 to 2/3": (1 / 3, 2 / 3),
    "2/3 to 3/2": (2 / 3, 3 / 2),
    "3/2 to 3": (3 / 2, 3),
    "3 and more": (3, INF),
}
NEIGHBOURS = {  # largest IoU with another object of the picture, whatever the class
    "apart": (-1, 1e-9),
    "up to 0.25": (1e-9, 0.25),
    "above 0.25": (0.25, INF),
}


def by_size(matched):
    """Return {bin of `SIDES`: numbers}; see `in_bins`."""
    true, found = matched.columns.true, matched.ranked.found
    return in_bins(matched, np.sqrt(true.areas), np.sqrt(np.maximum(found.areas, 0)), SIDES)


def by_ratio(matched):
    """Return {bin of `RATIOS`: numbers}; see `in_bins`."""
    true, found = matched.columns.true, matched.ranked.found
    return in_bins(matched, _ratios(true.boxes), _ratios(found.boxes), RATIOS)


def by_crowding(matched):
    """Return {bin of `NEIGHBOURS`: numbers}; see `in_bins`.

    A box's crowding is its second largest IoU with the objects of its picture: the largest is, for
    an object, the one with itself, and for a detection that with the object it may mean.
    """
    true, found = matched.columns.true, matched.ranked.found
    objects = true.rows(~true.crowd)
    columns = (second_largest_iou(each.boxes, each.pictures, objects) for each in (true, found))
    return in_bins(matched, *columns, NEIGHBOURS)


def in_bins(matched, true_values, found_values, bins):
    """Return {bin: {"AP", "AP50", "AR100", "objects"}}, nan in bins without objects.

    Args:
        matched: `coco_numbers.Matched`.
        true_values: [M], of the objects.
        found_values: [D], of `matched.ranked`.
        bins: {name: (least value, first value above)}.
    """
    return {
        name: _numbers(
            matched,
            matched.columns.true.crowd | (true_values < low) | (true_values >= high),
            (found_values < low) | (found_values >= high),
        )
        for name, (low, high) in bins.items()
    }


def _numbers(matched, ignored, outside):
    objects = int(np.count_nonzero(~ignored))
    if not objects:
        return {**dict.fromkeys(("AP", "AP50", "AR100"), float("nan")), "objects": 0}
    found = accumulate(matched, ignored, outside)
    return {
        "AP": mean(found.precision),
        "AP50": mean(found.precision[0]),
        "AR100": mean(found.recall[..., -1]),
        "objects": objects,
    }


def _ratios(boxes):
    """Return width / height [n]; a box without height is as wide as can be."""
    width, height = np.maximum(boxes[:, 2], 0), np.maximum(boxes[:, 3], 0)
    return np.divide(width, height, out=np.full(len(boxes), INF), where=height > 0)


def second_largest_iou(boxes, pictures, objects):
    """Return the second largest IoU [n] of each box with the `objects` of its picture, 0 for none.

    Args:
        boxes: [n, 4], (x1, y1, width, height).
        pictures: [n].
        objects: TrueBoxes.
    """
    order = np.argsort(objects.pictures, kind="stable")
    sorted_pictures = objects.pictures[order]
    first = np.searchsorted(sorted_pictures, pictures, side="left")
    counts = np.searchsorted(sorted_pictures, pictures, side="right") - first
    values = np.zeros(len(boxes))
    for rows in parts(counts, PAIRS_AT_ONCE):
        rows = rows[counts[rows] > 1]
        if not len(rows):
            continue
        owners = np.repeat(np.arange(len(rows)), counts[rows])
        ends = np.cumsum(counts[rows])
        within = np.arange(len(owners)) - np.repeat(ends - counts[rows], counts[rows])
        others = order[first[rows][owners] + within]
        no_crowd = np.zeros(len(owners), bool)
        ious = iou_of_pairs(boxes[rows[owners]], objects.boxes[others], no_crowd)
        values[rows] = _second_largest(ious, ends, owners)
    return values


def _second_largest(values, ends, owners):
    """Return the second largest of each run of `values`, of two or more.

    Args:
        values: [n].
        ends: int64 [runs], where each ends.
        owners: int64 [n], the run of each value.
    """
    starts = np.concatenate([[0], ends[:-1]])
    largest = np.maximum.reduceat(values, starts)
    is_largest = values == largest[owners]
    others = np.maximum.reduceat(np.where(is_largest, -np.inf, values), starts)
    return np.where(np.add.reduceat(is_largest, starts, dtype=np.int64) > 1, largest, others)
