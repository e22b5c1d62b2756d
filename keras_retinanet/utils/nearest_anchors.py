"""Which anchors of one grid are most like those of another: whose weights new anchors get.

A head is shared by all levels and sees cells, so anchors are compared by their sides in strides.
"""

import numpy as np

from keras_retinanet.utils.anchors import generate_anchors

DIGITS = 6  # of an IoU; what is left decides between anchors that lie inside a larger one


def cell_shapes(anchors):
    """Return (width, height) of the anchors of a cell, in strides: float64 [A, 2].

    Where size / stride differs between levels, its geometric mean counts.
    """
    size = np.exp(np.mean(np.log(np.divide(anchors.sizes, anchors.strides))))
    corners = generate_anchors(size, anchors.ratios, anchors.scales, order=anchors.order)
    return corners[:, 2:] - corners[:, :2]


def concentric_overlaps(one, other):
    """Return the IoU [A, B] of boxes of shapes [A, 2] and [B, 2] around the same centre."""
    shared = np.minimum(one[:, None], other[None]).prod(axis=-1)
    return shared / (one.prod(axis=-1)[:, None] + other.prod(axis=-1)[None] - shared)


def nearest_anchors(old, new):
    """Return for each anchor of a cell of `new` the index of the nearest of `old`: int [A].

    The nearest has the highest IoU, and among equals the most similar ratio.
    None where a head can stay as it is: both have as many ratios and scales, in the same order.
    Sides may differ then, as those of anchors fitted to a dataset do; the head learns the rest.
    """
    counts = [(len(each.ratios), len(each.scales), each.order) for each in (old, new)]
    if counts[0] == counts[1]:
        return None
    shapes, olds = cell_shapes(new), cell_shapes(old)
    ratios, old_ratios = (np.log(each[:, 1] / each[:, 0]) for each in (shapes, olds))
    apart = np.abs(ratios[:, None] - old_ratios[None]) / 10**DIGITS
    return (concentric_overlaps(shapes, olds).round(DIGITS) - apart / 10).argmax(axis=1)
