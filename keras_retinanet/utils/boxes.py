"""Box geometry. A box is (x1, y1, x2, y2) in continuous pixels; boxes are [..., 4].

No pixel is added to a side: a box from 0 to 10 is 10 wide, and boxes that only touch do not
overlap. Deltas are keras-retinanet's: each corner's offset in anchor widths and heights,
standardised by `DELTA_MEAN` and `DELTA_STD`.
"""

import numpy as np
from keras import ops

DELTA_MEAN = (0.0, 0.0, 0.0, 0.0)
DELTA_STD = (0.2, 0.2, 0.2, 0.2)


def _sides(boxes):
    """Return the widths and heights of `boxes`, each [...]."""
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def area(boxes):
    """Return the areas [...] of `boxes` [..., 4] in square pixels."""
    widths, heights = _sides(boxes)
    return widths * heights


def columns(boxes):
    """Return x1, y1, x2, y2 of `boxes` [..., 4], each [...]."""
    return tuple(boxes[..., i] for i in range(4))


def area_of_columns(boxes):
    """Return the areas of what `columns` gives."""
    x1, y1, x2, y2 = boxes
    return (x2 - x1) * (y2 - y1)


def shared_area_of_columns(boxes, others):
    """Return the area of the intersection elementwise, where shapes broadcast.

    Args:
        boxes, others: what `columns` gives.
    """
    x1, y1, x2, y2 = boxes
    u1, v1, u2, v2 = others
    width = ops.maximum(ops.minimum(x2, u2) - ops.maximum(x1, u1), 0.0)
    height = ops.maximum(ops.minimum(y2, v2) - ops.maximum(y1, v1), 0.0)
    return width * height


def iou_of_columns(boxes, others):
    """Return the intersection over union elementwise, where shapes broadcast.

    Args:
        boxes, others: what `columns` gives.

    Returns:
        0 where either box has no area.
    """
    shared = shared_area_of_columns(boxes, others)
    return iou_of_areas(shared, area_of_columns(boxes), area_of_columns(others))


def iou_of_areas(shared, area, other):
    """Return the intersection over union of boxes of two areas that share a third, elementwise."""
    union = area + other - shared
    return ops.where(union > 0.0, shared / ops.maximum(union, 1e-12), 0.0)


def iou(boxes, others):
    """Return the intersection over union of every pair.

    Args:
        boxes: [..., N, 4].
        others: [..., M, 4].

    Returns:
        [..., N, M]; 0 where either box has no area.
    """
    return iou_of_columns(columns(boxes[..., :, None, :]), columns(others[..., None, :, :]))


def overlaps(boxes, others):
    """Return `iou` of NumPy boxes [N, 4] and [M, 4] as float64 [N, M], on the host."""
    shared, areas, other_areas = _shared_areas(boxes, others)
    union = areas + other_areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def covered_shares(boxes, regions):
    """Return which share of each NumPy box [N, 4] each region [M, 4] covers, float64 [N, M]."""
    shared, areas, _ = _shared_areas(boxes, regions)
    return np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)


def _shared_areas(boxes, others):
    """Return the areas of all intersections [N, M], of the boxes [N, 1] and the others [1, M]."""
    boxes = np.asarray(boxes, dtype=np.float64)[:, None, :4]
    others = np.asarray(others, dtype=np.float64)[None, :, :4]
    corner = np.minimum(boxes[..., 2:], others[..., 2:])
    sides = np.maximum(corner - np.maximum(boxes[..., :2], others[..., :2]), 0)
    return sides[..., 0] * sides[..., 1], area(boxes), area(others)


def _reference_sides(anchors):
    """Return [..., 4]: the anchor's width, height, width, height."""
    widths, heights = _sides(anchors)
    return ops.stack([widths, heights, widths, heights], axis=-1)


def _constant(values, like):
    return ops.convert_to_tensor(np.asarray(values, dtype=np.float32), dtype=like.dtype)


def standardise(deltas, mean, std):
    """Return (deltas - mean) / std, both four numbers."""
    return (deltas - _constant(mean, deltas)) / _constant(std, deltas)


def unstandardise(deltas, mean, std):
    """Return what `standardise` made `deltas` of."""
    return deltas * _constant(std, deltas) + _constant(mean, deltas)


def encode(boxes, anchors, mean=DELTA_MEAN, std=DELTA_STD):
    """Return deltas [..., 4] such that decode(encode(boxes, anchors), anchors) == boxes."""
    return standardise((boxes - anchors) / _reference_sides(anchors), mean, std)


def decode(deltas, anchors, mean=DELTA_MEAN, std=DELTA_STD):
    """Return the boxes [..., 4] that `deltas` [..., 4] make of `anchors` [..., 4]."""
    return anchors + unstandardise(deltas, mean, std) * _reference_sides(anchors)


def clip(boxes, height, width, margin=1.0):
    """Move the corners of `boxes` [..., 4] into [0, width - margin] and [0, height - margin].

    Args:
        boxes: [..., 4].
        height, width: numbers, or [...].
        margin: 1 as keras-retinanet 1.0 clips; 0 lets boxes reach the last pixel's far edge.
    """
    right = ops.cast(width, boxes.dtype) - margin
    bottom = ops.cast(height, boxes.dtype) - margin
    limit = ops.stack([right, bottom, right, bottom], axis=-1)
    return ops.maximum(ops.minimum(boxes, limit), 0.0)
