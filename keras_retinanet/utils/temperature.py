"""Scores put right by a temperature: their logits divided by one number.

Guo et al. 2017 (arXiv:1706.04599, section 4.2). The order of scores stays, and so does every
average precision. Snapshots keep thresholds of the network's own scores; people are told, and
give, those after the temperature.
"""

import numpy as np


def tempered(scores, temperature):
    """Return scores, 0 to 1, as sigmoid(logit / temperature); those below 0, of padding, stay.

    `tempered(threshold, 1 / temperature)` is the threshold of the scores before.
    """
    scores = np.asarray(scores)
    if temperature == 1.0:
        return scores
    kind = scores.dtype if np.issubdtype(scores.dtype, np.floating) else np.float64
    inside = np.clip(scores.astype(np.float64), 0.0, 1.0)
    with np.errstate(divide="ignore", over="ignore"):  # 0 and 1 stay
        logits = np.log(inside) - np.log1p(-inside)
        changed = 1.0 / (1.0 + np.exp(-logits / temperature))
    return np.where(scores < 0, scores, changed).astype(kind)
