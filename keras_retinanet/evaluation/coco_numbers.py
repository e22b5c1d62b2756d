"""COCO's precision and recall from matches: the engine behind the twelve numbers.

The same as pycocotools' accumulate, to the last bit, from the matched detections alone: precision
can only rise where an object is found, so only there it is worked out. How many detections came
before is a running count of all, corrected at the matched ones.
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.evaluation.matching import Pairs, Ranked, match, pair, rank

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # IoU
RECALLS = np.linspace(0, 1, 101)
MOST = (1, 10, 100)  # detections of a picture and class that count
AREAS = {  # square pixels, both ends included
    "all": (0, 1e5**2),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e5**2),
}


@dataclass(frozen=True)
class Matched:
    """Columns with their detections ranked and paired.

    Attributes:
        columns: Columns.
        ranked: Ranked.
        pairs: Pairs.
        by_class: int64 [C], places of the candidates in the order of class and score.
        places: int64 [C], the rows of `ranked.by_class` that those are.
    """

    columns: object
    ranked: Ranked
    pairs: Pairs
    by_class: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class Accumulated:
    """Precision and recall; -1 where a class has no object.

    Attributes:
        precision: [T, 101, K], the best at each recall or above.
        recall: [T, K, most].
        objects: int64 [K].
    """

    precision: np.ndarray
    recall: np.ndarray
    objects: np.ndarray


def prepare(columns, least=THRESHOLDS[0], most=MOST[-1]):
    """Return Columns as Matched: what all metrics of one set of results share.

    Args:
        least: the least IoU that any of them asks for.
        most: detections of a picture and class that count.
    """
    ranked = rank(columns.found, most)
    pairs = pair(columns.true, ranked.found, len(columns.classes), least)
    place = np.empty(len(ranked.by_class), np.int64)
    place[ranked.by_class] = np.arange(len(ranked.by_class))
    by_class = np.argsort(place[pairs.candidates])
    return Matched(columns, ranked, pairs, by_class, place[pairs.candidates][by_class])


def area_range(matched, low, high):
    """Return (ignored [M], outside [D]) of the objects and detections not from `low` to `high`."""
    true, found = matched.columns.true, matched.ranked.found
    ignored = (true.areas < low) | (true.areas > high)
    return true.crowd | ignored, (found.areas < low) | (found.areas > high)


def accumulate(matched, ignored, outside, thresholds=THRESHOLDS, most=MOST):
    """Return the Accumulated precision and recall.

    Args:
        matched: Matched.
        ignored: bool [M], objects that are neither hit nor missed.
        outside: bool [D], detections that do not count where they find nothing, in the order of
            `matched.ranked`.
        thresholds: IoUs [T].
        most: numbers of detections of a picture and class, for recall.
    """
    true, ranked, classes = matched.columns.true, matched.ranked, len(matched.columns.classes)
    owners = match(matched.pairs, true, ignored, thresholds)[:, matched.by_class]
    objects = np.bincount(true.labels[~ignored], minlength=classes)
    precision = np.full((len(thresholds), len(RECALLS), classes), -1.0)
    recall = np.full((len(thresholds), classes, len(most)), -1.0)
    rows = ranked.by_class[matched.places]  # of the candidates
    labels, ranks = ranked.found.labels[rows], ranked.ranks[rows]
    running = _RunningCount(matched, labels, outside)
    needed = [np.searchsorted(np.arange(1, n + 1) / n, RECALLS) if n else None for n in objects]
    for level, owner in enumerate(owners):
        events = np.flatnonzero(owner >= 0)
        hits = ~ignored[owner[events]]
        counted = running.at_hits(events, hits)
        events = events[hits]
        _fill_recall(recall[level], labels[events], ranks[events], objects, most)
        _fill_precision(precision[level], counted, labels[events], needed)
    return Accumulated(precision, recall, objects)


class _RunningCount:
    """How many detections of a class count down to each hit.

    Args:
        matched: Matched.
        labels: int64 [C], class of each candidate, by class and score.
        outside: bool [D], as of `accumulate`.
    """

    def __init__(self, matched, labels, outside):
        by_class = matched.ranked.by_class
        counts = ~outside[by_class]
        classes = np.arange(len(matched.columns.classes))
        self._down_to = np.concatenate([[0], np.cumsum(counts)])
        self._starts = np.searchsorted(matched.ranked.found.labels[by_class], classes)
        self._places, self._labels, self._classes = matched.places, labels, classes
        self._unmatched_counts = counts[matched.places].astype(np.int64)

    def at_hits(self, events, hits):
        """Return the counts [hits], each hit included.

        Args:
            events: int64 [E], places of the candidates that find an object, ascending.
            hits: bool [E], which of the objects count.
        """
        # a candidate counts if its object does, wherever it is itself
        corrections = np.cumsum(hits.astype(np.int64) - self._unmatched_counts[events])
        corrections = np.concatenate([[0], corrections])
        first = np.searchsorted(self._labels[events], self._classes)
        of_classes_before = self._down_to[self._starts] + corrections[first]
        counted = self._down_to[self._places[events] + 1] + corrections[1:]
        return (counted - of_classes_before[self._labels[events]])[hits]


def _fill_recall(recall, kinds, ranks, objects, most):
    """Fill the recall [K, most] of one threshold.

    Args:
        kinds, ranks: [hits], the class of each and its rank in its picture and class.
    """
    some = objects > 0
    for place, limit in enumerate(most):
        found = np.bincount(kinds[ranks < limit], minlength=len(objects))
        recall[some, place] = found[some] / objects[some]


def _fill_precision(precision, counted, kinds, needed):
    """Fill the precision [101, K] of one threshold.

    Args:
        counted: [hits], detections of the class down to each hit, itself included.
        kinds: [hits], its class, ascending.
        needed: for each class which hit, from 0, first reaches each recall; None without objects.
    """
    bounds = np.searchsorted(kinds, np.arange(len(needed) + 1))
    hits = np.arange(1, len(kinds) + 1) - bounds[kinds]
    values = hits / ((counted - hits) + hits + np.spacing(1))  # pycocotools' order of sums
    for label, reached in enumerate(needed):
        if reached is not None:
            own = values[bounds[label] : bounds[label + 1]]
            envelope = np.maximum.accumulate(own[::-1])[::-1]
            column = np.zeros(len(RECALLS))
            within = reached < len(own)
            column[within] = envelope[reached[within]]
            precision[:, label] = column


def accumulate_areas(matched):
    """Return {area: Accumulated} for each of `AREAS`."""
    return {
        name: accumulate(matched, *area_range(matched, *limits)) for name, limits in AREAS.items()
    }


def mean(values):
    """Return the mean of the `values` that are not -1; -1 if none is."""
    values = values[values > -1]
    return float(np.mean(values)) if values.size else -1.0


def twelve_numbers(areas):
    """Return {short name: number} of what `accumulate_areas` gives, in pycocotools' order."""
    every = areas["all"]
    sizes = {letter: areas[name] for letter, name in zip("sml", list(AREAS)[1:], strict=True)}
    return {
        "AP": mean(every.precision),
        "AP50": mean(every.precision[0]),
        "AP75": mean(every.precision[5]),
        **{f"AP{letter}": mean(size.precision) for letter, size in sizes.items()},
        **{f"AR{most}": mean(every.recall[..., i]) for i, most in enumerate(MOST)},
        **{f"AR{letter}": mean(size.recall[..., -1]) for letter, size in sizes.items()},
    }


def numbers_by_class(areas):
    """Return [{AP, AP50, AP75, APs, APm, APl, AR100, objects}] of each class; -1 as above."""
    every = areas["all"]
    return [
        {
            "AP": mean(every.precision[..., label]),
            "AP50": mean(every.precision[0, :, label]),
            "AP75": mean(every.precision[5, :, label]),
            **{f"AP{name[0]}": mean(areas[name].precision[..., label]) for name in list(AREAS)[1:]},
            "AR100": mean(every.recall[:, label, -1]),
            "objects": int(every.objects[label]),
        }
        for label in range(len(every.objects))
    ]
