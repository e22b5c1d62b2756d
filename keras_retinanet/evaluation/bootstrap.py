"""How sure a number is: intervals by drawing pictures anew, and the comparison of two results.

The bootstrap (Efron 1979): pictures are drawn with replacement, as many as there are, and AP is
worked out for each draw; the middle 95 % of the values are the interval. Pictures are drawn, not
objects, since those of a picture are alike. For two results the same draws serve both, and the
interval is that of their difference: pictures that are hard for both then cancel out.

A draw is how often each picture counts, so that matching is done once. Only the numbers over all
sizes are drawn: AP, AP50 and AP75.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from keras_retinanet.evaluation.coco_numbers import RECALLS, THRESHOLDS
from keras_retinanet.evaluation.matching import match

DRAWS = 500
CONFIDENCE = 0.95
CELLS_AT_ONCE = 400_000  # draws x detections: 0.8 MB of 16 bits, which a processor keeps near
SMALL = np.iinfo(np.int16).max
KEYS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}  # of THRESHOLDS


@dataclass(frozen=True)
class Events:
    """Detections and objects of one class, as far as draws need them.

    Attributes:
        objects: int64 [M], the picture of each object that counts.
        found: int64 [D], the picture of each detection, highest score first.
        hits: for each threshold the places in `found` of those that find an object.
        skipped: for each threshold the places of those that do not count.
    """

    objects: np.ndarray
    found: np.ndarray
    hits: tuple
    skipped: tuple

    @cached_property
    def marks(self):
        """The places of those that find an object at any threshold, ascending: int64 [n]."""
        return np.unique(np.concatenate(self.hits))


def draw(rng, pictures, draws=DRAWS):
    """Return how often each picture counts in each draw: int32 [draws, pictures]."""
    if not pictures:
        return np.zeros((draws, 0), np.int32)
    chances = np.full(pictures, 1 / pictures)
    return rng.multinomial(pictures, chances, size=draws).astype(np.int32)


def drawn_ap(matched, weights):
    """Return the AP of each draw at each threshold and class: [draws, T, K], nan without objects.

    Args:
        matched: `coco_numbers.Matched`.
        weights: [draws, pictures], how often each picture counts; see `draw`.
    """
    classes, draws = _events(matched), len(weights)
    values = np.full((draws, len(THRESHOLDS), len(classes)), np.nan)
    # draws lie beside each other, so that what runs down the detections runs for all at once
    small = weights.max(initial=0) < SMALL
    weights = np.ascontiguousarray(weights.T, np.int16 if small else np.int32)
    for label, events in enumerate(classes):
        if len(events.objects):
            step = max(1, CELLS_AT_ONCE // max(1, len(events.marks)))
            for start in range(0, draws, step):
                part = slice(start, start + step)
                drawn = np.ascontiguousarray(weights[:, part])
                values[part, :, label] = _of_class(events, drawn)
    return values


def interval(values, confidence=CONFIDENCE):
    """Return [low, high] of the middle `confidence` of `values`, nan left out; nan if none is."""
    values = values[~np.isnan(values)]
    if not len(values):
        return [float("nan")] * 2
    return np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()


def intervals(values):
    """Return {"AP", "AP50", "AP75": [low, high], "classes": [[low, high] of AP, …]}.

    Args:
        values: what `drawn_ap` gives.
    """
    whole = {key: interval(_mean(values[:, rows], (1, 2))) for key, rows in KEYS.items()}
    classes = [interval(_mean(values[..., label], 1)) for label in range(values.shape[2])]
    return {**whole, "classes": classes}


def differences(first, second):
    """Return {key: {"difference", "plus_minus", "interval"}} of second less first.

    Args:
        first, second: what `drawn_ap` gives for [ones, draws…]: row 0 is the dataset as it is.

    `plus_minus` is half of the width of the interval. "classes" has AP's of each class.
    """

    def of(rows, labels, axes):
        values = _mean(second[:, rows, labels], axes) - _mean(first[:, rows, labels], axes)
        low, high = interval(values[1:])
        margin = (high - low) / 2
        return {"difference": float(values[0]), "plus_minus": margin, "interval": [low, high]}

    every = slice(None)
    whole = {key: of(rows, every, (1, 2)) for key, rows in KEYS.items()}
    return {**whole, "classes": [of(every, label, 1) for label in range(first.shape[2])]}


def with_whole(weights):
    """Return `weights` below a draw in which each picture counts once."""
    return np.concatenate([np.ones_like(weights[:1]), weights])


def _mean(values, axes):
    """Return the mean over `axes` of what is not nan, nan if nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axes)
    total = np.where(known, values, 0.0).sum(axis=axes)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _events(matched):
    """Return the Events of each class."""
    true, ranked = matched.columns.true, matched.ranked
    found = ranked.found.rows(ranked.by_class)
    owners = match(matched.pairs, true, true.crowd, THRESHOLDS)[:, matched.by_class]
    crowd = (owners >= 0) & true.crowd[owners]
    hits = (owners >= 0) & ~crowd
    bounds = np.searchsorted(found.labels, np.arange(len(matched.columns.classes) + 1))
    cuts = np.searchsorted(matched.places, bounds)
    counted = ~true.crowd
    return [
        Events(
            true.pictures[counted & (true.labels == label)],
            found.pictures[bounds[label] : bounds[label + 1]],
            *(
                _places(matched.places, rows, cuts[label : label + 2], bounds[label])
                for rows in (hits, crowd)
            ),
        )
        for label in range(len(matched.columns.classes))
    ]


def _places(places, rows, cut, start):
    """Return for each threshold the places in a class, from `start` on, where `rows` [T, C] are."""
    own = slice(*cut)
    return tuple(places[own][row[own]] - start for row in rows)


def _of_class(events, weights):
    """Return the AP [draws, T] of a class.

    Args:
        events: `Events`.
        weights: [pictures, draws].
    """
    objects = weights[events.objects].sum(axis=0, dtype=np.int64)  # [draws]
    counted = _down_to(events.marks, events.found, weights)
    reached = _recalls_reached(objects)
    columns = [
        _average_precision(
            _running_sum(weights[events.found[hits]]),
            counted[np.searchsorted(events.marks, hits)]
            - _skipped(weights[events.found[skipped]], np.searchsorted(skipped, hits)),
            *reached,
        )
        for hits, skipped in zip(events.hits, events.skipped, strict=True)
    ]
    return np.where(objects[:, None] > 0, np.stack(columns, axis=1), np.nan)


def _down_to(marks, found, weights):
    """Return how often each draw has the detections down to each of `marks`: int32 [n, draws].

    Between two marks detections are only added up, not their running sums written down.

    Args:
        marks: int64 [n], ascending places in `found`.
        found: int64 [D], the picture of each detection.
        weights: [pictures, draws].
    """
    most = max(1, min(CELLS_AT_ONCE // weights.shape[1], SMALL // max(1, weights.max(initial=0))))
    counts = np.empty((len(marks), weights.shape[1]), np.int32)
    total, start = np.zeros(weights.shape[1], np.int32), 0
    for row, end in zip(counts, (marks + 1).tolist(), strict=True):
        for piece in range(start, end, most):  # few enough for a sum of 16 bits
            drawn = weights.take(found[piece : min(piece + most, end)], axis=0)
            total += np.add.reduce(drawn, axis=0, dtype=weights.dtype)  # a fifth of reduceat's time
        row[:], start = total, end
    return counts


def _running_sum(values):
    return np.cumsum(values, axis=0, dtype=np.int32)


def _skipped(skipped, places):
    """Return how many detections before each hit do not count: [hits, draws].

    Args:
        skipped: [n, draws], how often each draw has each that does not count.
        places: int64 [hits], how many of them are before each hit.
    """
    if not len(skipped):
        return 0
    before = _running_sum(skipped)
    return np.concatenate([np.zeros_like(before[:1]), before])[places]


def _average_precision(true, counted, reached, columns):
    """Return COCO's AP over 101 recalls [draws] of one threshold.

    Args:
        true: [n, draws], hits down to each one.
        counted: [n, draws], detections down to it.
        reached, columns: of `_recalls_reached`.
    """
    precision = true / np.maximum(counted, 1)
    for later, row in pairwise(precision[::-1]):  # in a third of maximum.accumulate's time
        np.maximum(later, row, out=row)  # the best at this recall or above
    places = true * np.int32(reached.shape[1]) + columns
    steps = np.diff(np.take(reached, places), axis=0, prepend=np.int16(0))
    return np.einsum("nd,nd->d", steps, precision) / len(RECALLS)


def _recalls_reached(objects):
    """Return how many of the 101 recalls so many hits of so many objects reach, as a table.

    Args:
        objects: int64 [draws].

    Returns:
        (int16 [most + 1, n], int32 [draws]): rows by hits, and the column of each draw. Hits repeat
        from threshold to threshold, numbers of objects from draw to draw, and both are few.
    """
    different, columns = np.unique(objects, return_inverse=True)
    recall = np.arange(different[-1] + 1)[:, None] / np.maximum(different, 1)
    reached = np.searchsorted(RECALLS, recall, side="right")
    return reached.astype(np.int16), columns.astype(np.int32)
