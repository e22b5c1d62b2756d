"""Rules of assignment other than the paper's: adaptive thresholds, and an anchor for every box.

A rule is what `utils.targets` says it is. `ASSIGNMENTS` names them; `with_every_box` adds to any.
"""

from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from keras_retinanet.utils import boxes as geometry
from keras_retinanet.utils.anchors import REGION, REGION_SHARE
from keras_retinanet.utils.targets import (
    BACKGROUND,
    IGNORED,
    OBJECT,
    by_overlap,
    centred_inside,
    centres_of,
)

# cells of each level whose anchors are candidates of a box: k of Zhang et al. 2020, which they
# find to matter little from 7 to 17
CELLS = 9
ROUNDING = 1e-6  # of a mean of IoUs; candidates that all have one IoU reach it
# what passes for equal: IoUs by their ratio, squared distances in pixels. An object smaller than
# all anchors overlaps every anchor of a size around it alike, but for the last digits.
SAME_OVERLAP, SAME_DISTANCE = 1e-5, 1e-2


def by_statistics(anchors, boxes, labels, size, layout):
    """Give each box the anchors above its own threshold: ATSS, Zhang et al. 2020, algorithm 1.

    The page is arXiv:1912.02424. A box's candidates are the anchors of the 9 cells of each level
    whose centres are nearest to its own. Objects are those that overlap it at least by the mean
    plus the standard deviation (over count - 1) of their IoUs, and are centred in it. Of several
    boxes an anchor takes the one it overlaps most, the first on ties. The rest is background.

    Args:
        anchors: [N, 4].
        boxes, labels: [M, 4] and [M], M >= 1, padded with label -1; label -2 is a region.
        size: [2], (height, width) of the image on its canvas; cells outside are no candidates.
        layout: `Layout` of the anchors.
    """
    inside = centred_inside(anchors, size)
    candidates, valid = _candidates(anchors, boxes, inside, layout)  # [M, C]
    theirs = ops.take(anchors, candidates, axis=0)  # [M, C, 4]
    overlaps = geometry.iou_of_columns(
        geometry.columns(theirs), geometry.columns(boxes[:, None, :])
    )
    held = overlaps >= _thresholds(overlaps, valid)[:, None] - ROUNDING
    for condition in (valid, overlaps > 0.0, _centred_in(theirs, boxes), labels[:, None] >= 0):
        held = ops.logical_and(held, condition)
    holds, index = _best_pairs(candidates, overlaps, held, ops.shape(anchors)[0])
    covered = _covered(anchors, boxes, labels) >= REGION_SHARE
    state = ops.where(holds, OBJECT, ops.where(covered, IGNORED, BACKGROUND))
    return ops.cast(ops.where(inside, state, IGNORED), "int32"), index


def _candidates(anchors, boxes, inside, layout):
    """Return the indices [M, C] of each box's candidates, and which of them there are [M, C]."""
    centres = centres_of(boxes)
    start, found = 0, []
    for count in layout.counts:
        cells = anchors[start : start + count : layout.per_cell]
        outside = ops.logical_not(inside[start : start + count : layout.per_cell])
        nearest, there = _nearest_cells(cells, outside, *centres)  # [M, CELLS]
        first = start + nearest * layout.per_cell
        indices = first[..., None] + ops.arange(layout.per_cell, dtype="int32")  # [M, CELLS, A]
        there = ops.logical_and(there[..., None], indices >= 0)
        found.append((ops.reshape(indices, (-1, CELLS * layout.per_cell)), there))
        start = start + count
    indices = ops.concatenate([one for one, _ in found], axis=1)
    valid = ops.concatenate(
        [ops.reshape(there, (-1, CELLS * layout.per_cell)) for _, there in found], axis=1
    )
    return ops.where(valid, indices, 0), valid


def _nearest_cells(cells, outside, x, y):
    """Return the cells [M, CELLS] nearest to points, and which of them there are [M, CELLS].

    Args:
        cells: an anchor of each cell of a level, [cells, 4].
        outside: which of them do not count, [cells].
        x, y: the points, [M] each.
    """
    across, down = centres_of(cells)
    squared = (x[:, None] - across) ** 2 + (y[:, None] - down) ** 2  # [M, cells]
    squared = ops.where(outside, float("inf"), squared)
    # a level may have fewer cells
    squared = ops.pad(squared, ((0, 0), (0, CELLS)), constant_values=float("inf"))
    nearest, indices = ops.top_k(-squared, CELLS)
    return ops.cast(indices, "int32"), nearest > -float("inf")


def _thresholds(overlaps, valid):
    """Return mean + standard deviation [M] of the valid ones of `overlaps` [M, C]."""
    counted = ops.cast(valid, "float32")
    count = ops.sum(counted, axis=1)
    mean = ops.sum(overlaps * counted, axis=1) / ops.maximum(count, 1.0)
    squares = ops.sum(((overlaps - mean[:, None]) ** 2) * counted, axis=1)
    return mean + ops.sqrt(squares / ops.maximum(count - 1.0, 1.0))


def _centred_in(anchors, boxes):
    """Return which `anchors` [M, C, 4] have their centre strictly inside `boxes` [M, 4]."""
    x, y = centres_of(anchors)
    x1, y1, x2, y2 = geometry.columns(boxes[:, None, :])
    across = ops.logical_and(x > x1, x < x2)
    return ops.logical_and(across, ops.logical_and(y > y1, y < y2))


def _best_pairs(candidates, overlaps, held, count):
    """Return which anchors [N] hold a box, and the index int32 [N] of the one they overlap most.

    Args:
        candidates, overlaps, held: [M, C], the pairs of a box and an anchor.
        count: N.
    """
    number = ops.shape(candidates)[0]
    order = ops.cast(number - ops.arange(number), "float32")[:, None]  # M for the first, 1 for last
    anchor = ops.reshape(candidates, (-1,))

    def highest(values):
        return ops.maximum(ops.segment_max(ops.reshape(values, (-1,)), anchor, count), 0.0)

    most = highest(ops.where(held, overlaps, 0.0))  # [N]
    is_most = ops.logical_and(held, overlaps == ops.take(most, candidates, axis=0))
    first = highest(ops.where(is_most, order, 0.0))
    index = ops.where(first > 0.0, ops.cast(number, "float32") - first, 0.0)
    return most > 0.0, ops.cast(index, "int32")


def _for_each(chosen, body, start):
    """Return `body(index, so_far)` applied in turn to each index that is true in `chosen` [M]."""
    number = ops.shape(chosen)[0]
    places = ops.arange(number, dtype="int32")
    order = ops.cast(ops.argsort(ops.where(chosen, places, places + number)), "int32")
    turns = ops.sum(ops.cast(chosen, "int32"))
    return ops.fori_loop(0, turns, lambda turn, so_far: body(ops.take(order, turn), so_far), start)


def _covered(anchors, boxes, labels):
    """Return the largest share [N] of each anchor's area that a region to ignore covers."""
    sides = geometry.columns(anchors)
    areas = geometry.area_of_columns(sides)

    def compare(index, covered):
        box = geometry.columns(ops.take(boxes, index, axis=0))
        return ops.maximum(covered, geometry.shared_area_of_columns(box, sides))

    return _for_each(labels == REGION, compare, ops.zeros_like(areas)) / areas


def with_every_box(rule):
    """Return `rule`, extended by an anchor for each box to which it gives none.

    Such a box takes, of the anchors centred in the image that hold no object, the one it overlaps
    most; of equals the one whose centre is nearest, then the first. No other box loses one by it.
    Boxes choose in their order, and what one has taken the next cannot. A box that overlaps no
    such anchor, or has no area, stays without. Faster R-CNN (arXiv:1506.01497, section 3.1.2)
    marks the best anchor of each box, also where another box overlaps it more; here it has to be
    free.
    """

    def extended(anchors, boxes, labels, size, layout=None):
        state, index = rule(anchors, boxes, labels, size, layout)
        inside = centred_inside(anchors, size)

        def take_best(orphan, so_far):
            state, index = so_far
            free = ops.logical_and(inside, state != OBJECT)
            taken = _best_anchor(anchors, ops.take(boxes, orphan, axis=0), free)
            return ops.where(taken, OBJECT, state), ops.where(taken, orphan, index)

        orphans = ops.logical_and(labels >= 0, ops.logical_not(_served(state, index, labels)))
        return _for_each(orphans, take_best, (state, index))

    return extended


def _best_anchor(anchors, box, free):
    """Return the mask [N] of the one free anchor that a box overlaps most; of none if it cannot."""
    overlap = geometry.iou_of_columns(geometry.columns(box), geometry.columns(anchors))
    overlap = ops.where(free, overlap, 0.0)
    most = ops.logical_and(overlap > 0.0, overlap >= ops.max(overlap) * (1.0 - SAME_OVERLAP))
    (x, y), (u, v) = centres_of(box), centres_of(anchors)
    squared = ops.where(most, (x - u) ** 2 + (y - v) ** 2, float("inf"))
    nearest = ops.logical_and(most, squared <= ops.min(squared) + SAME_DISTANCE)
    first = ops.cast(ops.argmax(ops.cast(nearest, "int32")), "int32")
    return ops.logical_and(nearest, ops.arange(ops.shape(anchors)[0], dtype="int32") == first)


def _served(state, index, labels):
    """Return which boxes [M] have an object anchor."""
    held = ops.cast(state == OBJECT, "float32")
    return ops.segment_max(held, index, ops.shape(labels)[0]) > 0.0


@dataclass(frozen=True)
class Assignment:
    """A row of `ASSIGNMENTS`: the rule, and its words."""

    rule: Callable
    summary: str


ASSIGNMENTS = {
    "max-iou": Assignment(by_overlap, "each anchor's best box, IoU 0.5 and 0.4 as thresholds"),
    "atss": Assignment(by_statistics, "adaptive training sample selection, 9 cells a level"),
}
