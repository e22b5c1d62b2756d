"""How sure the threshold of a class is, and what it gives: intervals by drawing pictures anew.

The bootstrap of `evaluation.bootstrap`. The threshold is found again in each draw; precision,
recall and F1 are those of the one threshold that is kept, in each draw.
"""

import numpy as np

from keras_retinanet.evaluation.bootstrap import interval
from keras_retinanet.evaluation.operating_points import point

SHARES = ("precision", "recall", "F1")


def threshold_intervals(find, found, owners, threshold, weights):
    """Return {"threshold", "precision", "recall", "F1": [low, high]}, nan where nothing is known.

    Args:
        find: f(scores, hits, objects) -> a point; of `evaluation.operating_points`.
        found: (scores, hits, pictures), each [n], of the detections of a class, best first.
        owners: int [m], the picture of each of its objects.
        threshold: that is kept.
        weights: of `bootstrap.draw`.
    """
    scores, hits, pictures = found
    rows, kept = np.arange(len(scores)), scores > threshold
    values = {name: np.full(len(weights), np.nan) for name in ("threshold", *SHARES)}
    for draw, times in enumerate(weights):
        drawn = np.repeat(rows, times[pictures])
        objects = int(times[owners].sum())
        values["threshold"][draw] = find(scores[drawn], hits[drawn], objects)["threshold"]
        at_kept = point(hits[drawn][kept[drawn]], objects)
        for name in SHARES:
            values[name][draw] = at_kept[name]
    return {name: interval(column) for name, column in values.items()}
