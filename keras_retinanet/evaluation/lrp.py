"""Localisation recall precision (LRP) error of Oksuz et al. 2018 (arXiv:1807.01696).

At a score threshold, with τ the IoU from which a detection finds an object (eq. 3):

    LRP = (Σ over true detections of (1 - IoU) / (1 - τ)  +  false ones  +  objects missed)
          / (true ones + false ones + objects missed)

0 is perfect, 1 nothing right. The optimal LRP is the least over all thresholds, at which the three
components are given: 1 - mean IoU of the true ones, 1 - precision, 1 - recall.
"""

import numpy as np

from keras_retinanet.evaluation.matching import NOT_QUITE_ONE
from keras_retinanet.evaluation.outcomes import between, ends_of_ties

KEYS = ("oLRP", "localisation", "false", "missed", "threshold")
NOTHING_RIGHT = (1.0, float("nan"), float("nan"), 1.0)


def optimal_lrp(scores, hits, ious, objects, threshold):
    """Return {oLRP, localisation, false, missed, threshold} of a class, nan without objects.

    Args:
        scores: [n], descending, of the detections that count.
        hits: bool [n].
        ious: [n], overlap with the object found.
        objects: number of objects.
        threshold: τ.
    """
    if not objects:
        return dict.fromkeys(KEYS, float("nan"))
    ends = ends_of_ties(scores)
    true = np.cumsum(hits)[ends]
    errors = np.cumsum(np.where(hits, 1 - ious, 0.0))[ends]
    false = ends + 1 - true
    slack = 1 - min(threshold, NOT_QUITE_ONE)
    lrp = (errors / slack + false + objects - true) / (false + objects)
    if not len(lrp) or lrp.min() >= 1:
        return dict(zip(KEYS, (*NOTHING_RIGHT, between(scores, -1)), strict=True))
    best = int(lrp.argmin())
    count = true[best]
    parts = (errors[best] / count, false[best] / (ends[best] + 1), 1 - count / objects)
    values = (lrp[best], *parts, between(scores, int(ends[best])))
    return dict(zip(KEYS, map(float, values), strict=True))


def lrp_by_class(outcomes, threshold):
    """Return (mean over classes with objects, [optimal LRP of each class]).

    The mean of a component leaves out classes of which nothing was found.
    """
    classes = [
        optimal_lrp(*outcomes.of_class(label), int(objects), threshold)
        for label, objects in enumerate(outcomes.objects)
    ]
    return {key: nan_mean([each[key] for each in classes]) for key in KEYS[:4]}, classes


def nan_mean(values):
    """Return the mean of the `values` that are not nan; nan if none is."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
