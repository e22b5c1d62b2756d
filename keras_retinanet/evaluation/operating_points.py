"""Precision, recall and F1 of each class by score threshold, and the threshold of the best F1.

A detection counts where its score is above the threshold. F1 = 2 TP / (2 TP + FP + FN), the
harmonic mean of precision and recall (van Rijsbergen 1979).
"""

import numpy as np

from keras_retinanet.evaluation.outcomes import between, ends_of_ties

STEPS = tuple(round(0.05 * step, 2) for step in range(20))  # 0 to 0.95


def point(hits, objects):
    """Return precision, recall and F1 of detections `hits` [n] for `objects` objects.

    Without detections the precision is nan; without objects recall and F1 are.
    """
    true, count = int(np.count_nonzero(hits)), len(hits)
    return {
        "precision": true / count if count else float("nan"),
        "recall": true / objects if objects else float("nan"),
        "F1": 2 * true / (count + objects) if objects else float("nan"),
    }


def curve(scores, hits, objects, thresholds=STEPS):
    """Return a `point` with its threshold for each of `thresholds`.

    Args:
        scores: [n], descending.
        hits: bool [n].
    """
    counts = np.searchsorted(-scores, -np.asarray(thresholds, np.float64), side="left")
    return [
        {"threshold": threshold, **point(hits[:count], objects)}
        for threshold, count in zip(thresholds, counts, strict=True)
    ]


def best_point(scores, hits, objects):
    """Return the `point` of the highest F1 with its threshold; the highest threshold of several.

    Where nothing is found there is no best, and the threshold is nan.
    """
    if not objects or not np.any(hits):
        return {"threshold": float("nan"), **point(hits, objects)}
    ends = ends_of_ties(scores)
    f1 = 2 * np.cumsum(hits)[ends] / (ends + 1 + objects)
    place = int(ends[np.argmax(f1)])
    return {"threshold": between(scores, place), **point(hits[: place + 1], objects)}


def point_of_precision(scores, hits, objects, least):
    """Return the `point` of the highest recall whose precision is at least `least`.

    The threshold is nan where no score gives it.
    """
    ends = ends_of_ties(scores)
    precision = np.cumsum(hits)[ends] / (ends + 1) if len(ends) else np.zeros(0)
    places = ends[(precision >= least) & (np.cumsum(hits)[ends] > 0)] if len(ends) else ends
    return _at(scores, hits, objects, places[-1:])


def point_of_recall(scores, hits, objects, least):
    """Return the `point` of the highest threshold whose recall is at least `least`.

    The threshold is nan where no score gives it.
    """
    ends = ends_of_ties(scores)
    recall = np.cumsum(hits)[ends] / max(objects, 1) if len(ends) else np.zeros(0)
    return _at(scores, hits, objects, ends[recall >= least][:1])


def _at(scores, hits, objects, places):
    """Return the `point` at the only one of `places`, or of nan."""
    if not objects or not len(places):
        return {"threshold": float("nan"), **point(hits[:0], objects)}
    place = int(places[0])
    return {"threshold": between(scores, place), **point(hits[: place + 1], objects)}


def of_all_classes(outcomes):
    """Return (scores [n], hits [n], objects) of all classes together, scores descending."""
    kept = np.flatnonzero(outcomes.counts)
    order = kept[np.argsort(-outcomes.scores[kept], kind="stable")]
    return outcomes.scores[order], outcomes.hits[order], int(outcomes.objects.sum())


def operating_points(outcomes):
    """Return (points over all classes, [points of each class]).

    Points are {"best": …, "curve": […]}; over all classes, objects and detections are pooled.
    """
    pooled = of_all_classes(outcomes)
    classes = [
        (*outcomes.of_class(label)[:2], int(objects))
        for label, objects in enumerate(outcomes.objects)
    ]
    return _points(*pooled), [_points(*each) for each in classes]


def _points(scores, hits, objects):
    return {
        "best": best_point(scores, hits, objects),
        "curve": curve(scores, hits, objects) if objects else [],
    }
