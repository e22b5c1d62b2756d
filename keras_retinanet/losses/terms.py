"""One term of a class loss: that of one anchor and one class, elementwise on logits.

Written with x_t, the logit signed towards the truth (x for the true class of an object anchor,
-x for all else), and p_t = sigmoid(x_t):

    cross entropy            -log(p_t)
    balanced cross entropy   -alpha_t log(p_t)                      Lin et al. 2017, eq. 3
    focal                    -alpha_t (1 - p_t)^gamma log(p_t)      eq. 5
    focal star               -log(sigmoid(gamma x_t + beta)) / gamma      appendix A

The page is arXiv:1708.02002. Each has a soft form for targets y between 0 and 1, with p =
sigmoid(x); at y = 0 and y = 1 it is the hard one, and all but focal star are least at p = y:

    cross entropy            CE(y, p) = -y log(p) - (1 - y) log(1 - p)
    balanced cross entropy   (y alpha + (1 - y) (1 - alpha)) CE(y, p)
    focal                    (y alpha + (1 - y) (1 - alpha)) |y - p|^gamma CE(y, p)
    focal star               y FL*(x) + (1 - y) FL*(-x)
    quality focal            |y - p|^beta CE(y, p)      Li et al. 2020 (arXiv:2006.04388), eq. 2
"""

from keras import ops

ALPHA = 0.25
GAMMA = 2.0
QUALITY_BETA = 2.0  # section 4 of arXiv:2006.04388


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


def _soft_alpha(target, alpha):
    return target * alpha + (1.0 - target) * (1.0 - alpha)


def soft_cross_entropy_of(logits, target):
    """Return CE(y, p) of each element; `target` is y, from 0 to 1, and broadcasts."""
    return ops.softplus(logits) - target * logits


def soft_balanced_cross_entropy_of(logits, target, alpha=ALPHA):
    """Return CE(y, p) weighted by alpha, mixed as the target is."""
    return _soft_alpha(target, alpha) * soft_cross_entropy_of(logits, target)


def quality_focal_of(logits, target, beta=QUALITY_BETA):
    """Return |y - p|^beta CE(y, p) of each element, eq. 2 of arXiv:2006.04388."""
    distance = ops.abs(target - ops.sigmoid(logits))
    return ops.power(distance, beta) * soft_cross_entropy_of(logits, target)


def soft_focal_of(logits, target, alpha=ALPHA, gamma=GAMMA):
    """Return the focal loss of soft targets: quality focal loss weighted by alpha."""
    return _soft_alpha(target, alpha) * quality_focal_of(logits, target, gamma)


def soft_focal_star_of(logits, target, gamma=GAMMA, beta=1.0):
    """Return focal star, expected of a label that is true with the chance `target`."""
    true = focal_star_of(logits, True, gamma, beta)
    return target * true + (1.0 - target) * focal_star_of(logits, False, gamma, beta)
