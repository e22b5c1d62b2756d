"""Four pictures in one, around a cross: mosaic of Bochkovskiy et al. 2020 (arXiv:2004.10934).

As in its published code, the cross lies anywhere from 0.2 to 0.8 of the frame, and a picture
larger than its quarter is cropped at random. A smaller one touches the cross; beyond it is fill.
"""

import numpy as np

from keras_retinanet.preprocessing.visibility import keep_visible
from keras_retinanet.utils.transform import scaling, transform_aabb, translation
from keras_retinanet.utils.warp import warp

PICTURES = 4


def quarters(cross, size):
    """Return (x1, y1, x2, y2) of the quarters of a frame: top left, top right, bottom left, right.

    Args:
        cross: (x, y) in whole pixels.
        size: (height, width) of the frame.
    """
    (x, y), (height, width) = cross, size
    return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]


def place(quarter, cross, size, factor, position):
    """Return the matrix [3, 3] from a picture's pixels into its quarter of the frame.

    Args:
        quarter: (x1, y1, x2, y2).
        cross: (x, y), the corner of the quarter that a smaller picture touches.
        size: (height, width) of the picture.
        factor: by which it is scaled.
        position: (0 to 1, 0 to 1), which part of a larger picture is seen, along x and y.
    """
    corner, shift = np.array(quarter, float).reshape(2, 2), np.zeros(2)
    for axis, side in enumerate((size[1] * factor, size[0] * factor)):
        low, high = corner[:, axis]
        if side >= high - low:
            shift[axis] = low - position[axis] * (side - (high - low))
        else:
            shift[axis] = cross[axis] if low == cross[axis] else high - side
    return translation(shift) @ scaling((factor, factor))


def compose(pictures, annotations, matrices, cross, size, parameters):
    """Return (frame [H, W, C], annotations) of pictures in their quarters.

    Args:
        pictures: four arrays [h, w, C] of one dtype.
        annotations: of each, a dict with "bboxes" and "labels".
        matrices: from each picture's pixels to the frame's.
        cross: (x, y), whole pixels.
        size: (height, width) of the frame.
        parameters: `TransformParameters`.
    """
    frame = np.empty((*size, pictures[0].shape[2]), pictures[0].dtype)
    kept = []
    items = zip(quarters(cross, size), pictures, annotations, matrices, strict=True)
    for (x1, y1, x2, y2), picture, own, matrix in items:
        matrix, quarter = translation((-x1, -y1)) @ matrix, (y2 - y1, x2 - x1)
        if min(quarter):  # a frame of some pixels may have empty quarters
            frame[y1:y2, x1:x2] = warp(picture, matrix, parameters, quarter)
        own = keep_visible(own, transform_aabb(matrix, own["bboxes"]), quarter)
        kept.append({**own, "bboxes": own["bboxes"] + (x1, y1, x1, y1)})
    return frame, joined(kept)


def joined(parts):
    """Return one dict of annotations of several, with the keys that have a row a box in all."""
    rows = [
        {
            key
            for key, value in part.items()
            if isinstance(value, np.ndarray) and value.shape[:1] == (len(part["bboxes"]),)
        }
        for part in parts
    ]
    common = set.intersection(*rows) | {"labels", "bboxes"}
    return {
        key: np.concatenate([np.asarray(part[key]) for part in parts])
        for key in parts[0]
        if key in common
    }
