"""keras-retinanet 1.0's losses: closures on dense targets and probabilities, for a bare network.

Their core is that of the other modules; their inner names stand in saved files.
"""

from keras import ops

from keras_retinanet.losses.classification import normaliser
from keras_retinanet.losses.regression import SIGMA, box_loss
from keras_retinanet.losses.terms import ALPHA, GAMMA, modulation_of

# 1.0 clips probabilities there before it takes their logarithm
PROBABILITY_CLIP = 1e-7


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
