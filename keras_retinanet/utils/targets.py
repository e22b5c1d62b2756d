"""Assignment of anchors to true boxes, on the device.

State of an anchor: 1 it holds an object, 0 it is background, -1 it takes no part in the loss.
Padding of the true boxes has label -1. A box of label -2 is a region to ignore: objects in it were
not annotated one by one (COCO's crowds, VOC's difficult ones, KITTI's DontCare), so what the
network finds there is neither right nor wrong.

A rule is f(anchors [N, 4], boxes [M, 4], labels [M], size [2], layout) -> state int32 [N] and
index int32 [N] of the anchor's box, which counts where the state is 1. Anchors centred on or
beyond the image's right or bottom edge are ignored under every rule: there is only padding. So
is background of whose area a region to ignore covers a half or more; an object there stays one.
"""

from dataclasses import dataclass

import keras
from keras import ops

from keras_retinanet.utils import boxes as geometry
from keras_retinanet.utils.anchors import (
    NEGATIVE_OVERLAP,
    POSITIVE_OVERLAP,
    REGION,
    REGION_SHARE,
)
from keras_retinanet.utils.gpu import on_gpu

OBJECT, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Layout:
    """How the anchors of a canvas follow each other.

    Attributes:
        counts: number of anchors of each level; whole numbers or scalar tensors.
        per_cell: A, anchors of a cell, which have one centre and stand side by side.
    """

    counts: tuple
    per_cell: int


def centres_of(boxes):
    """Return the centres x, y [...] of `boxes` [..., 4]."""
    return (boxes[..., 0] + boxes[..., 2]) / 2.0, (boxes[..., 1] + boxes[..., 3]) / 2.0


def centred_inside(anchors, size):
    """Return which anchors [N, 4] are centred left of and above the image's far edges: [N]."""
    x, y = centres_of(anchors)
    return ops.logical_and(x < size[1], y < size[0])


def _best_boxes(anchors, boxes, labels):
    """Return for each anchor the index [N] of the box it overlaps most, that IoU [N], and the
    largest share [N] of its area that a region to ignore covers.

    The first box on ties. Box by box, which stays in the processor's caches (1.4 times faster
    than [N, M] at once) and needs no memory for pairs (2.7 GB for 200,000 anchors, 8 images of
    100 boxes).
    """

    def compare(index, so_far):
        best, highest, covered = so_far
        box, label = geometry.columns(ops.take(boxes, index, axis=0)), ops.take(labels, index)
        shared = geometry.shared_area_of_columns(box, sides)  # [N]
        overlap = geometry.iou_of_areas(shared, geometry.area_of_columns(box), areas)
        overlap = ops.where(label >= 0, overlap, -1.0)
        better = overlap > highest
        region = ops.maximum(covered, ops.where(label == REGION, shared, 0.0))
        return ops.where(better, index, best), ops.where(better, overlap, highest), region

    sides = geometry.columns(anchors)
    areas = geometry.area_of_columns(sides)
    nothing = ops.full_like(areas, -2.0)  # worse than padding
    start = ops.zeros_like(nothing, dtype="int32"), nothing, ops.zeros_like(nothing)
    best, highest, covered = ops.fori_loop(0, ops.shape(boxes)[0], compare, start)
    return best, highest, covered / areas


def by_overlap(anchors, boxes, labels, size, layout=None):
    """Give each anchor the box that it overlaps best: the paper's rule.

    IoU >= 0.5 makes an object, > 0.4 is ignored, the rest is background (Lin et al. 2017,
    section 4, with keras-retinanet's edge: exactly 0.4 is background).

    Args:
        anchors: [N, 4].
        boxes, labels: [M, 4] and [M], M >= 1, padded with label -1; label -2 is a region.
        size: [2], (height, width) of the image on its canvas.
        layout: not needed.
    """
    best, highest, covered = _best_boxes(anchors, boxes, labels)
    unsure = ops.logical_or(highest > NEGATIVE_OVERLAP, covered >= REGION_SHARE)
    state = ops.where(unsure, IGNORED, BACKGROUND)
    state = ops.where(highest >= POSITIVE_OVERLAP, OBJECT, state)
    state = ops.where(centred_inside(anchors, size), state, IGNORED)
    return ops.cast(state, "int32"), best


def assign_per_image(anchors, boxes, labels, size, rule=by_overlap, layout=None):
    """Assign the anchors of one image; arguments as in `by_overlap` and `assign`.

    Returns:
        state int32 [N], label int32 [N], box [N, 4]; the last two count where state is 1.
    """
    state, index = rule(anchors, boxes, labels, size, layout)
    return state, ops.take(labels, index), ops.take(boxes, index, axis=0)


def assign(anchors, boxes, labels, sizes, rule=by_overlap, layout=None):
    """Assign a batch: boxes [B, M, 4], labels [B, M], sizes [B, 2] -> [B, N], [B, N], [B, N, 4].

    Image by image: each has boxes of its own, and the anchors are shared. A GPU, on which each
    step of a loop costs a launch, takes them side by side where the backend can.

    Args:
        anchors: [N, 4].
        boxes, labels, sizes: see above.
        rule: how one image is assigned.
        layout: `Layout` of the anchors, for rules that need it.
    """
    side_by_side = keras.backend.backend() == "jax" and on_gpu()
    each = ops.vectorized_map if side_by_side else ops.map
    return each(
        lambda image: assign_per_image(anchors, *image, rule, layout),
        (
            ops.cast(boxes, "float32"),
            ops.cast(labels, "int32"),
            ops.cast(sizes, "float32"),
        ),
    )
