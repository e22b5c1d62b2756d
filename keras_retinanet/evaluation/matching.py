"""Which detection finds which object, as COCO's evaluation says, for many pictures at once.

Within a picture and class, detections choose in order of score. Each takes the free object that it
overlaps most, an object that counts before one that is ignored; of equally good ones the last. A
crowd is never used up, and overlap with it is measured in shares of the detection.

pycocotools loops over detections and objects. Here all pictures go together: first the first
detection of each group (picture and class) chooses, then the second, up to the hundredth. Only
pairs that reach the least threshold take part; they are few.
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.evaluation.columns import FoundBoxes, argsort

PAIRS_AT_ONCE = 200_000  # 20 MB of intermediate columns
NOT_QUITE_ONE = 1 - 1e-10  # pycocotools lets a threshold of 1 be missed by rounding


@dataclass(frozen=True)
class Ranked:
    """Detections by picture, class and score, highest first: [D].

    Attributes:
        found: FoundBoxes in that order.
        rows: int64 [D], the place of each in what was ranked.
        ranks: int64 [D], 0 for the best of its picture and class.
        by_class: int64 [D], these rows in the order of class and score; ties by picture.
    """

    found: FoundBoxes
    rows: np.ndarray
    ranks: np.ndarray
    by_class: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Detections and objects of one picture and class that overlap enough.

    Attributes:
        found: int64 [P], row of `Ranked`.
        true: int64 [P], row of `TrueBoxes`.
        ious: float64 [P].
        candidates: int64 [C], the rows that occur in `found`, ascending.
        places: int64 [P], place of `found` in `candidates`.
        rounds: int64 [rounds + 1], where the pairs of each round start.
    """

    found: np.ndarray
    true: np.ndarray
    ious: np.ndarray
    candidates: np.ndarray
    places: np.ndarray
    rounds: np.ndarray


def rank(found, most):
    """Return FoundBoxes `found` as Ranked, `most` of a picture and class."""
    order = found.by_class
    pictures, labels = found.pictures[order], found.labels[order]
    grouped = argsort(pictures)  # rows of `order` by picture, class, score
    ranks = _places_in_runs(pictures[grouped], labels[grouped])
    kept = ranks < most
    grouped, ranks = grouped[kept], ranks[kept]
    by_class = np.full(len(order), -1)
    by_class[grouped] = np.arange(len(grouped))
    rows = order[grouped]
    return Ranked(found.rows(rows), rows, ranks, by_class[by_class >= 0])


def pair(true, found, classes, least):
    """Return the Pairs of one picture and class whose IoU is at least `least`.

    Args:
        true: TrueBoxes.
        found: FoundBoxes by picture and class.
        classes: number of classes.
    """
    wanted = found.pictures * classes + found.labels
    return _in_rounds(*overlapping(true, found, classes, least), wanted)


def overlapping(true, found, classes, least):
    """Return (row of found, row of true, IoU), each [P], of the pairs of one picture and class.

    Args:
        true: TrueBoxes.
        found: FoundBoxes; the pairs are in their order, and those of one in the order of `true`.
        classes: number of classes.
        least: the IoU from which they are pairs.
    """
    keys = true.pictures * classes + true.labels
    order = np.argsort(keys, kind="stable")
    wanted = found.pictures * classes + found.labels
    first = np.searchsorted(keys[order], wanted, side="left")
    counts = np.searchsorted(keys[order], wanted, side="right") - first
    pieces = [
        _overlapping(true, found, order, first, counts, rows, least)
        for rows in parts(counts, PAIRS_AT_ONCE)
    ]
    return tuple(np.concatenate(column) for column in zip(*pieces, strict=True))


def best_of_pairs(detections, objects, ious, count):
    """Return the largest IoU of each of `count` detections, and its object; the first of equals.

    Args:
        detections, objects, ious: [P], of `overlapping`.

    Returns:
        (float64 [count], int64 [count]); 0 and -1 for a detection without a pair.
    """
    best, rows = np.zeros(count), np.full(count, -1)
    starts = np.flatnonzero(np.diff(detections, prepend=-1))
    if len(starts):
        found = detections[starts]
        best[found] = np.maximum.reduceat(ious, starts)
        others = np.where(ious == best[detections], objects, objects.max() + 1)
        rows[found] = np.minimum.reduceat(others, starts)
    return best, rows


def match(pairs, true, ignored, thresholds):
    """Return which object each candidate finds.

    Args:
        pairs: Pairs.
        true: TrueBoxes.
        ignored: bool [M], objects that are neither hit nor missed.
        thresholds: IoUs [T] from which a detection finds an object.

    Returns:
        int32 [T, C], rows of `true`, -1 for none.
    """
    thresholds = np.minimum(np.asarray(thresholds, np.float64), NOT_QUITE_ONE)[:, None]
    owners = np.full((len(thresholds), len(pairs.candidates)), -1, np.int32)
    taken = np.zeros((len(thresholds), len(true.labels)), bool)
    for start, end in zip(pairs.rounds[:-1], pairs.rounds[1:], strict=True):
        objects, places = pairs.true[start:end], pairs.places[start:end]
        free = ~taken[:, objects] & (pairs.ious[start:end] >= thresholds)  # [T, P of the round]
        level, choice = _first_choices(free, ignored[objects], places)
        chosen = objects[choice]
        owners[level, places[choice]] = chosen
        used = ~true.crowd[chosen]
        taken[level[used], chosen[used]] = True
    return owners


def _first_choices(free, ignored, places):
    """Return (threshold, pair), each [n], of the detections that find an object.

    Pairs of a detection lie together, the best first; objects that count go before ignored ones.
    """
    count = len(places)
    worth = np.arange(count, 0, -1, dtype=np.int32) + np.where(ignored, 0, count).astype(np.int32)
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    best = np.maximum.reduceat(free * worth, starts, axis=1)  # [T, detections]
    level, detection = np.nonzero(best)
    best = best[level, detection]
    return level, count - np.where(best > count, best - count, best)


def _overlapping(true, found, order, first, counts, rows, least):
    """Return (row of found, row of true, IoU) of the pairs of the detections `rows`."""
    counts = counts[rows]
    owners = np.repeat(rows, counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    objects = order[first[owners] + within]
    ious = iou_of_pairs(found.boxes[owners], true.boxes[objects], true.crowd[objects])
    kept = ious >= min(least, NOT_QUITE_ONE)
    return owners[kept], objects[kept], ious[kept]


def iou_of_pairs(boxes, others, crowd):
    """Return the IoU of boxes (x1, y1, width, height) [P, 4] with others, as pycocotools rounds.

    Where `crowd` [P], the union is the area of the box alone.
    """
    x1, y1, width, height = boxes.T
    u1, v1, other_width, other_height = others.T
    shared_width = np.minimum(width + x1, other_width + u1) - np.maximum(x1, u1)
    shared_height = np.minimum(height + y1, other_height + v1) - np.maximum(y1, v1)
    shared = shared_width * shared_height
    area = width * height
    union = np.where(crowd, area, area + other_width * other_height - shared)
    apart = (shared_width <= 0) | (shared_height <= 0)
    return np.divide(shared, union, out=np.zeros_like(shared), where=~apart & (union != 0))


def _in_rounds(found, true, ious, groups):
    """Return the Pairs sorted by the turn of their detection in its group, then best first."""
    order = np.lexsort((-true, -ious, found))
    found, true, ious = found[order], true[order], ious[order]
    candidates, places = np.unique(found, return_inverse=True)
    turns = _places_in_runs(groups[candidates])[places]
    order = np.argsort(turns, kind="stable")
    turns = turns[order]
    rounds = np.searchsorted(turns, np.arange(turns.max(initial=-1) + 2))
    return Pairs(found[order], true[order], ious[order], candidates, places[order], rounds)


def _places_in_runs(*columns):
    """Return the place of each row in its run of equal rows."""
    rows = np.arange(len(columns[0]))
    first = np.ones(len(rows), bool)
    if len(rows):
        first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return rows - np.maximum.accumulate(np.where(first, rows, 0)) if len(rows) else rows


def parts(counts, most):
    """Return the rows of `counts` that have any, in parts of about `most` pairs."""
    rows = np.flatnonzero(counts)
    ends = np.cumsum(counts[rows])
    cuts = np.searchsorted(ends, np.arange(most, ends[-1] if len(ends) else 0, most))
    return np.split(rows, cuts)
