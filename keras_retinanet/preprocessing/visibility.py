"""Which boxes are still worth showing to a network after a picture was moved or cut."""

import numpy as np

from keras_retinanet.preprocessing.annotations import select
from keras_retinanet.utils.anchors import REGION

MIN_VISIBLE = 0.1  # share of a box's area; what is left of a smaller one does not show its class
MIN_SIDE = 1.0  # pixels


def clip_visible(boxes, height, width):
    """Clip boxes to a picture and say which are still worth showing to a network.

    A box that lies inside stays, whatever its size. One that the border cuts stays if at least
    `MIN_VISIBLE` of its area is left and each of its sides is `MIN_SIDE` or longer.

    Returns:
        (boxes [M, 4] clipped, kept [M] bool).
    """
    clipped = np.clip(boxes, 0, [width, height, width, height])
    sides = clipped[:, 2:] - clipped[:, :2]
    full = boxes[:, 2:] - boxes[:, :2]
    visible = sides.prod(axis=1) >= MIN_VISIBLE * full.prod(axis=1)
    cut = (clipped != boxes).any(axis=1)
    return clipped, ~cut | (visible & (sides >= MIN_SIDE).all(axis=1))


def keep_visible(annotations, moved, size):
    """Return annotations with the boxes `moved` clipped to a frame, less those lost to sight.

    Regions to ignore stay as long as anything of them is seen.
    """
    boxes, kept = clip_visible(moved, *size)
    is_region = np.asarray(annotations["labels"]) == REGION
    seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return select(annotations, kept | (is_region & seen), boxes)
