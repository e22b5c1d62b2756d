"""The class losses: sums of one term over (anchor, class) pairs, on logits, in float32.

Every loss is divided by the number of object anchors in the batch. Online hard example mining
(Shrivastava et al. 2016, arXiv:1604.03540, at the fixed ratio of the comparison in
arXiv:1708.02002) is cross entropy over the hardest background anchors. Anchor states are those
of `utils.targets`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_retinanet.losses import terms
from keras_retinanet.utils import replicas


def normaliser(state):
    """Return the number of object anchors in the whole batch, at least 1 (float32 scalar).

    Where replicas share the batch, their mean number: the mean of what they compute with it is
    then the loss of the whole batch, however unevenly the objects lie.
    """
    objects = replicas.summed(ops.sum(ops.cast(state == 1, "float32")))
    return ops.maximum(objects, 1.0) / replicas.number()


def _sum_over_anchors(term, logits, labels, state, weights, aims=(False, True)):
    """Sum `term` over the anchors in play, without a one-hot [B, N, K].

    Every logit is first taken for a class that the anchor does not hold; at the true label of
    each object anchor the difference to the true term is added.

    Args:
        term: f(logits, aim), elementwise.
        logits: [B, N, K].
        labels, state: int32 [B, N].
        weights: float32 [B, N], of all K terms of an anchor.
        aims: what `term` gets for the other classes, and for the true one of an object anchor;
            each broadcasts with [B, N, 1].
    """
    other, true = aims
    total = ops.sum(ops.sum(term(logits, other), axis=-1) * weights)
    is_object = state == 1
    label = ops.where(is_object, labels, 0)[..., None]  # [B, N, 1]
    true_logit = ops.take_along_axis(logits, label, axis=-1)  # [B, N, 1]
    change = (term(true_logit, true) - term(true_logit, other))[..., 0]
    return total + ops.sum(ops.where(is_object, change * weights, 0.0))


def hardest_background(hardness, state, ratio=3, at_least=100):
    """Return the mask [B, N] of the background anchors that online mining keeps.

    Args:
        hardness: [B, N], the loss of each anchor as background.
        state: [B, N].
        ratio: background anchors for each object anchor of the image.
        at_least: how many where an image has no object anchor.
    """
    is_background = state == 0
    objects = ops.sum(ops.cast(state == 1, "int32"), axis=1)  # [B]
    wanted = ops.where(objects > 0, ratio * objects, at_least)
    order = ops.argsort(ops.where(is_background, -hardness, float("inf")), axis=1)
    rank = ops.argsort(order, axis=1)  # [B, N], 0 the hardest
    return ops.logical_and(is_background, rank < wanted[:, None])


def all_in_play(logits, state):
    """Return 1 for each anchor that is not ignored, else 0: float32 [B, N]."""
    return ops.cast(state >= 0, "float32")


def objects_and_hardest(logits, state):
    """Return 1 for object anchors and the hardest background anchors, else 0: float32 [B, N]."""
    hardness = ops.stop_gradient(ops.sum(terms.cross_entropy_of(logits, False), axis=-1))
    return ops.cast(ops.logical_or(hardest_background(hardness, state), state == 1), "float32")


@dataclass(frozen=True)
class ClassificationLoss:
    """A row of `CLASSIFICATION_LOSSES`.

    Attributes:
        term: f(logits, is true), elementwise.
        soft_term: f(logits, target from 0 to 1), elementwise.
        summary: its words.
        in_play: f(logits [B, N, K], state [B, N]) -> float32 [B, N], which anchors count.
        aims_at_quality: the target of an object anchor is not 1, but the IoU of the box that the
            network gives it with the true one.
    """

    term: Callable
    soft_term: Callable
    summary: str
    in_play: Callable = all_in_play
    aims_at_quality: bool = False

    def function(
        self, logits, labels, state, quality=None, class_weights=None, label_smoothing=0.0
    ):
        """Return the loss of a batch, a float32 scalar.

        Args:
            logits: [B, N, K].
            labels, state: int32 [B, N].
            quality: float32 [B, N], the target of object anchors at their true class; None for 1.
            class_weights: K factors on all terms of the object anchors of each class.
            label_smoothing: an object anchor aims at 1 - E for its class and E / (K - 1) for each
                other (He et al. 2019, arXiv:1812.01187, eq. 4). Background still aims at 0:
                a target of E for 100,000 anchors would drown the objects.
        """
        logits = ops.cast(logits, "float32")
        weights = self.in_play(logits, state)
        if class_weights is not None:
            weights = weights * _weights_of_anchors(labels, state, class_weights)
        term, aims = self.term, (False, True)
        if self.aims_at_quality:
            term, aims = self.soft_term, (0.0, 1.0 if quality is None else quality[..., None])
        if label_smoothing:
            term, aims = self.soft_term, _smoothed(state, logits.shape[-1], label_smoothing)
        total = _sum_over_anchors(term, logits, labels, state, weights, aims)
        return total / normaliser(state)


def _weights_of_anchors(labels, state, class_weights):
    """Return the weight of the class of each object anchor, 1 for all else: float32 [B, N]."""
    is_object = state == 1
    table = ops.convert_to_tensor(np.asarray(class_weights, np.float32))
    return ops.where(is_object, ops.take(table, ops.where(is_object, labels, 0)), 1.0)


def _smoothed(state, num_classes, smoothing):
    """Return the aims [B, N, 1] for the classes that an anchor does not hold, and for its own."""
    share = smoothing / max(num_classes - 1, 1)
    return ops.where(state == 1, share, 0.0)[..., None], 1.0 - smoothing


CLASSIFICATION_LOSSES = {
    "focal": ClassificationLoss(
        terms.focal_of, terms.soft_focal_of, "focal loss, alpha 0.25, gamma 2"
    ),
    "cross-entropy": ClassificationLoss(
        terms.cross_entropy_of, terms.soft_cross_entropy_of, "plain cross entropy"
    ),
    "balanced-cross-entropy": ClassificationLoss(
        terms.balanced_cross_entropy_of,
        terms.soft_balanced_cross_entropy_of,
        "cross entropy weighted by alpha 0.25",
    ),
    "focal-star": ClassificationLoss(
        terms.focal_star_of, terms.soft_focal_star_of, "focal*, gamma 2, beta 1"
    ),
    "ohem": ClassificationLoss(
        terms.cross_entropy_of,
        terms.soft_cross_entropy_of,
        "cross entropy over the hardest background, 3 for each object",
        in_play=objects_and_hardest,
    ),
    "quality-focal": ClassificationLoss(
        terms.quality_focal_of,
        terms.quality_focal_of,
        "quality focal loss, beta 2",
        aims_at_quality=True,
    ),
}
