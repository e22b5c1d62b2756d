"""The losses of RetinaNet, on logits, in float32.

Every classification loss is a sum of one elementwise loss over (anchor, class) pairs, divided
by the number of object anchors in the batch. Written with x_t, the logit signed towards the
truth (x for the true class of an object anchor, -x for all else), and p_t = sigmoid(x_t):

    cross entropy            -log(p_t)
    balanced cross entropy   -alpha_t log(p_t)                      Lin et al. 2017, eq. 3
    focal                    -alpha_t (1 - p_t)^gamma log(p_t)      eq. 5
    focal star               -log(sigmoid(gamma x_t + beta)) / gamma      appendix A

The page is arXiv:1708.02002. Online hard example mining (Shrivastava et al. 2016,
arXiv:1604.03540, at the fixed ratio of the paper's comparison) is cross entropy over the
hardest background anchors. Anchor states are those of `utils.targets`.

`focal()` and `smooth_l1()` keep keras-retinanet 1.0's form: closures on dense targets and
probabilities, for a bare network; their core is the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from keras import ops

ALPHA = 0.25
GAMMA = 2.0
SIGMA = 3.0
# 1.0 clips probabilities there before it takes their logarithm
PROBABILITY_CLIP = 1e-7


def normaliser(state):
    """Return the number of object anchors in the whole batch, at least 1 (float32 scalar)."""
    return ops.maximum(ops.sum(ops.cast(state == 1, "float32")), 1.0)


def _signed(logits, positive):
    return ops.where(positive, logits, -logits)


def _alpha_t(positive, alpha):
    return ops.where(positive, alpha, 1.0 - alpha)


def cross_entropy_of(logits, positive):
    """Return -log(p_t) of each element; `positive` is a boolean that broadcasts."""
    return ops.softplus(-_signed(logits, positive))


def balanced_cross_entropy_of(logits, positive, alpha=ALPHA):
    """Return -alpha_t log(p_t) of each element."""
    return _alpha_t(positive, alpha) * cross_entropy_of(logits, positive)


def modulation_of(logits, positive, alpha=ALPHA, gamma=GAMMA):
    """Return alpha_t (1 - p_t)^gamma, as an exponential: its gradient is finite everywhere."""
    damping = ops.exp(-gamma * ops.softplus(_signed(logits, positive)))
    return _alpha_t(positive, alpha) * damping


def focal_of(logits, positive, alpha=ALPHA, gamma=GAMMA):
    """Return -alpha_t (1 - p_t)^gamma log(p_t) of each element."""
    return modulation_of(logits, positive, alpha, gamma) * cross_entropy_of(logits, positive)


def focal_star_of(logits, positive, gamma=GAMMA, beta=1.0):
    """Return -log(sigmoid(gamma x_t + beta)) / gamma of each element."""
    return ops.softplus(-(gamma * _signed(logits, positive) + beta)) / gamma


def _sum_over_anchors(elementwise, logits, labels, state, background):
    """Sum `elementwise` over the anchors in play, without a one-hot [B, N, K].

    Every logit is first taken as background; at the true label of each object anchor the
    difference to the object's loss is added.

    Args:
        logits: [B, N, K].
        labels, state: int32 [B, N].
        background: float32 [B, N], weight of the anchor's K terms.
    """
    as_background = elementwise(logits, False)  # [B, N, K]
    total = ops.sum(ops.sum(as_background, axis=-1) * background)
    is_object = state == 1
    label = ops.where(is_object, labels, 0)[..., None]  # [B, N, 1]
    true_logit = ops.take_along_axis(logits, label, axis=-1)[..., 0]  # [B, N]
    change = elementwise(true_logit, True) - elementwise(true_logit, False)
    return total + ops.sum(ops.where(is_object, change, 0.0))


def _anchor_sum(logits, labels, state, elementwise):
    """Return the loss of one batch: all anchors but the ignored ones count."""
    logits = ops.cast(logits, "float32")
    in_play = ops.cast(state >= 0, "float32")
    return _sum_over_anchors(elementwise, logits, labels, state, in_play) / normaliser(state)


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


def mined_cross_entropy(logits, labels, state, ratio=3, at_least=100):
    """Return cross entropy over object anchors and the hardest background anchors.

    Args:
        logits: [B, N, K].
        labels, state: int32 [B, N].
        ratio, at_least: see `hardest_background`.

    Returns:
        float32 scalar, the sum over max(1, object anchors of the batch).
    """
    logits = ops.cast(logits, "float32")
    hardness = ops.stop_gradient(ops.sum(cross_entropy_of(logits, False), axis=-1))
    kept = ops.logical_or(hardest_background(hardness, state, ratio, at_least), state == 1)
    kept = ops.cast(kept, "float32")
    total = _sum_over_anchors(cross_entropy_of, logits, labels, state, kept)
    return total / normaliser(state)


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
    difference = ops.cast(deltas, "float32") - ops.cast(targets, "float32")
    # zero before the loss, so that an ignored anchor's infinity cannot reach the gradient
    difference = ops.where((state == 1)[..., None], difference, 0.0)
    return ops.sum(smooth_l1_of(difference, sigma)) / normaliser(state)


@dataclass(frozen=True)
class ClassificationLoss:
    """A row of `CLASSIFICATION_LOSSES`: f(logits, labels, state) -> scalar, and its words."""

    function: Callable
    summary: str


CLASSIFICATION_LOSSES = {
    "focal": ClassificationLoss(
        partial(_anchor_sum, elementwise=focal_of), "focal loss, alpha 0.25, gamma 2"
    ),
    "cross-entropy": ClassificationLoss(
        partial(_anchor_sum, elementwise=cross_entropy_of), "plain cross entropy"
    ),
    "balanced-cross-entropy": ClassificationLoss(
        partial(_anchor_sum, elementwise=balanced_cross_entropy_of),
        "cross entropy weighted by alpha 0.25",
    ),
    "focal-star": ClassificationLoss(
        partial(_anchor_sum, elementwise=focal_star_of), "focal*, gamma 2, beta 1"
    ),
    "ohem": ClassificationLoss(
        mined_cross_entropy, "cross entropy over the hardest background, 3 for each object"
    ),
}


def focal(alpha=ALPHA, gamma=GAMMA, cutoff=0.5):
    """Return keras-retinanet's focal loss on probabilities and dense targets.

    Args:
        alpha: weight of the true class; 1 - alpha weighs all else.
        gamma: how strongly what is already right is damped.
        cutoff: a target above it counts as the true class; soft targets enter the cross
            entropy as they are.

    Returns:
        f(y_true [B, N, K + 1], y_pred [B, N, K]) -> scalar; the last column of `y_true` is the
        anchor's state.
    """

    def _focal(y_true, y_pred):
        state = y_true[:, :, -1]
        targets = ops.cast(y_true[:, :, :-1], "float32")
        chance = ops.cast(y_pred, "float32")
        chance = ops.clip(chance, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
        logits = ops.log(chance) - ops.log1p(-chance)
        entropy = targets * ops.softplus(-logits) + (1.0 - targets) * ops.softplus(logits)
        terms = modulation_of(logits, targets > cutoff, alpha, gamma) * entropy
        terms = ops.where((state != -1)[..., None], terms, 0.0)
        return ops.sum(terms) / normaliser(state)

    return _focal


def smooth_l1(sigma=SIGMA):
    """Return keras-retinanet's box loss: f(y_true [B, N, 5], y_pred [B, N, 4]) -> scalar.

    The last column of `y_true` is the anchor's state; only object anchors count.
    """

    def _smooth_l1(y_true, y_pred):
        return box_loss(y_pred, y_true[:, :, :4], y_true[:, :, 4], sigma)

    return _smooth_l1
