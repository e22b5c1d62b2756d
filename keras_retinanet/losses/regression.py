"""The box losses, in float32: of deltas as they are, or of decoded boxes in pixels.

Of deltas d and their targets (whichever coder made them):

    l1           |d|
    smooth L1    0.5 s² d² below 1 / s², |d| - 0.5 / s² above      Girshick 2015, arXiv:1504.08083

Of a decoded box P and the true box T, with their IoU, the smallest box C around both, its
diagonal c, and the distance r of their centres:

    giou    1 - IoU + (area of C - area of the union) / area of C      arXiv:1902.09630, algorithm 2
    diou    1 - IoU + r² / c²                                          arXiv:1911.08287, eq. 7
    ciou    1 - IoU + r² / c² + a v                                    eq. 10
            v = 4/pi² (atan(w_T / h_T) - atan(w_P / h_P))²               eq. 9
            a = v / (1 - IoU + v), a constant to gradients             eq. 11

Each is summed over object anchors and divided by their number in the batch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from keras import ops

from keras_retinanet.losses.classification import normaliser
from keras_retinanet.utils import boxes as geometry

SIGMA = 3.0
# pixels; the aspect ratio of a thinner box is taken at this side: its slope grows as 1 / side
THINNEST = 1.0
# least denominator: square pixels around two boxes that are one point; what an IoU of 1 misses
SMALLEST = 1e-6
# of a side against the anchor's, as a logarithm, where the coder has no limit of its own: more
# than any picture holds, and its exponential is far from the largest float32
GROWTH_LIMIT = math.log(1000.0)


def smooth_l1_of(difference, sigma=SIGMA):
    """Return 0.5 s² d² below 1 / s² and |d| - 0.5 / s² above, elementwise (s = sigma).

    Girshick 2015 (arXiv:1504.08083, eq. 3), with the sigma of its published code.
    """
    squared = sigma**2
    size = ops.abs(difference)
    return ops.where(
        size < 1.0 / squared, 0.5 * squared * difference * difference, size - 0.5 / squared
    )


def box_loss(deltas, targets, state, sigma=SIGMA):
    """Return smooth L1 summed over the object anchors' four deltas, over their number.

    Args:
        deltas, targets: [B, N, 4].
        state: [B, N].
    """
    return _mean_of_deltas(partial(smooth_l1_of, sigma=sigma), deltas, targets, state)


def _mean_of_deltas(elementwise, deltas, targets, state):
    difference = ops.cast(deltas, "float32") - ops.cast(targets, "float32")
    # zero before the loss, so that an ignored anchor's infinity cannot reach the gradient
    difference = ops.where((state == 1)[..., None], difference, 0.0)
    return ops.sum(elementwise(difference)) / normaliser(state)


def _upright(boxes):
    """Return x1, y1, x2, y2 of `boxes` [..., 4] with x1 <= x2 and y1 <= y2.

    A network that predicts corners may cross them; algorithm 2 of arXiv:1902.09630 uncrosses them.
    """
    x1, y1, x2, y2 = geometry.columns(boxes)
    return ops.minimum(x1, x2), ops.minimum(y1, y2), ops.maximum(x1, x2), ops.maximum(y1, y2)


def _around(found, true):
    """Return the width and height of the smallest box around both."""
    x1, y1, x2, y2 = found
    u1, v1, u2, v2 = true
    width = ops.maximum(x2, u2) - ops.minimum(x1, u1)
    return width, ops.maximum(y2, v2) - ops.minimum(y1, v1)


def iou_of(found, true):
    """Return the IoU [...] of predicted and true boxes [..., 4]; crossed corners are uncrossed."""
    return geometry.iou_of_columns(_upright(found), geometry.columns(true))


def giou_of(found, true):
    """Return 1 - GIoU [...] of predicted and true boxes [..., 4], from 0 to 2."""
    found, true = _upright(found), geometry.columns(true)
    shared = geometry.shared_area_of_columns(found, true)
    areas = geometry.area_of_columns(found), geometry.area_of_columns(true)
    width, height = _around(found, true)
    enclosing, union = width * height, sum(areas) - shared
    empty = (enclosing - union) / ops.maximum(enclosing, SMALLEST)
    return 1.0 - geometry.iou_of_areas(shared, *areas) + empty


def diou_of(found, true):
    """Return 1 - DIoU [...] of predicted and true boxes [..., 4], from 0 to 2."""
    found, true = _upright(found), geometry.columns(true)
    width, height = _around(found, true)
    (x1, y1, x2, y2), (u1, v1, u2, v2) = found, true
    apart = ((x1 + x2 - u1 - u2) ** 2 + (y1 + y2 - v1 - v2) ** 2) / 4.0
    diagonal = ops.maximum(width * width + height * height, SMALLEST)
    return 1.0 - geometry.iou_of_columns(found, true) + apart / diagonal


def _angle(box):
    """Return atan(w / h) of the box whose columns are given."""
    x1, y1, x2, y2 = box
    return ops.arctan2(ops.maximum(x2 - x1, THINNEST), ops.maximum(y2 - y1, THINNEST))


def ciou_of(found, true):
    """Return 1 - CIoU [...] of predicted and true boxes [..., 4]; a is a constant to gradients."""
    upright, columns = _upright(found), geometry.columns(true)
    v = 4.0 / math.pi**2 * (_angle(columns) - _angle(upright)) ** 2
    missed = 1.0 - geometry.iou_of_columns(upright, columns)
    trade_off = ops.stop_gradient(v / ops.maximum(missed + v, SMALLEST))
    return diou_of(found, true) + trade_off * v


@dataclass(frozen=True)
class DeltaLoss:
    """A row of `BOX_LOSSES` that compares deltas.

    Attributes:
        elementwise: f(difference) of each delta.
        summary: its words.
        weight: factor on the loss unless another is asked for.
    """

    elementwise: Callable
    summary: str
    weight: float = 1.0

    def function(self, deltas, anchors, boxes, state, coder):
        """Return the loss of a batch, a float32 scalar.

        Args:
            deltas: [B, N, 4], what the network predicts.
            anchors: [N, 4].
            boxes: [B, N, 4], the true box of each anchor that holds an object.
            state: int32 [B, N].
            coder: `BoxCoder` of the network.
        """
        return _mean_of_deltas(self.elementwise, deltas, coder.encode(boxes, anchors), state)


@dataclass(frozen=True)
class OverlapLoss:
    """A row of `BOX_LOSSES` that decodes, and compares boxes in pixels.

    Attributes:
        of_boxes: f(predicted, true) of boxes [..., 4].
        summary: its words.
        weight: factor on the loss unless another is asked for; 2 is that of Li et al. 2020
            (arXiv:2006.04388, section 3.3): the slopes of an IoU are smaller than those of deltas.
    """

    of_boxes: Callable
    summary: str
    weight: float = 2.0

    def function(self, deltas, anchors, boxes, state, coder):
        """Return the loss of a batch, a float32 scalar; arguments as in `DeltaLoss`."""
        found, true = boxes_of_objects(deltas, anchors, boxes, state, coder)
        of_each = ops.where(state == 1, self.of_boxes(found, true), 0.0)
        return ops.sum(of_each) / normaliser(state)


def boxes_of_objects(deltas, anchors, boxes, state, coder):
    """Return the decoded and the true boxes [B, N, 4] of object anchors; the anchor for the rest.

    What an ignored anchor predicts cannot reach a gradient, were it infinite.
    """
    if coder.clamp is None:
        coder = replace(coder, clamp=GROWTH_LIMIT)
    is_object = (state == 1)[..., None]
    anchors = anchors[None]
    deltas = ops.where(is_object, ops.cast(deltas, "float32"), 0.0)
    found = ops.where(is_object, coder.decode(deltas, anchors), anchors)
    return found, ops.where(is_object, boxes, anchors)


def quality_of(deltas, anchors, boxes, state, coder):
    """Return the IoU [B, N] of what object anchors predict with their box, a constant to gradients.

    Args: as in `DeltaLoss.function`. The rest of the anchors have 1.
    """
    found, true = boxes_of_objects(ops.stop_gradient(deltas), anchors, boxes, state, coder)
    return iou_of(found, true)


BOX_LOSSES = {
    "smooth-l1": DeltaLoss(smooth_l1_of, "smooth L1 of the deltas, sigma 3"),
    "l1": DeltaLoss(ops.abs, "L1 of the deltas"),
    "giou": OverlapLoss(giou_of, "generalized IoU of the boxes"),
    "diou": OverlapLoss(diou_of, "distance IoU of the boxes"),
    "ciou": OverlapLoss(ciou_of, "complete IoU of the boxes"),
}
