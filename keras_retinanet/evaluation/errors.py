"""Which errors a detector makes, and what each kind costs.

After TIDE (Bolya et al. 2020, arXiv:2008.08115, sections 2.2 and 2.3). A false detection is put
down to the first of these that holds, in the order of the authors' program:

- localisation: it overlaps an object of its class, but less than the IoU that counts;
- classification: it overlaps an object of another class by as much as counts;
- duplicate: it overlaps an object of its class that a better detection has found;
- background: it overlaps nothing by more than `BACKGROUND`;
- both: it overlaps an object of another class, and too little.

An object is missed if nothing found it and neither of the first two could have. The cost of a kind
is the AP that is won where it is mended alone: the box or the class is put right, the detection
goes, the missed object goes. Of all detections of an object whose box or class could be put right,
only the best is, and the others of the kind go, as in the authors' program.
"""

from dataclasses import dataclass, replace

import numpy as np

from keras_retinanet.evaluation.coco_numbers import RECALLS
from keras_retinanet.evaluation.matching import best_of_pairs, overlapping

BACKGROUND = 0.1  # IoU, t_b of the paper
LOCALISATION, CLASSIFICATION, DUPLICATE, FALSE_BACKGROUND, BOTH = range(5)
KINDS = ("localisation", "classification", "duplicate", "background", "both")
MENDED = (LOCALISATION, CLASSIFICATION)  # by an object; the others go


@dataclass(frozen=True)
class Errors:
    """The errors of a dataset.

    Attributes:
        kinds: int8 [D], place in `KINDS` of each row of `Outcomes`; -1 for what is no error.
        objects: int64 [D], row of `TrueBoxes` that it should have found, was taken for, or
            repeats; -1 for none.
        missed: bool [M], of each object.
    """

    kinds: np.ndarray
    objects: np.ndarray
    missed: np.ndarray


def find_errors(matched, outcomes, iou_threshold):
    """Return the Errors of a `coco_numbers.Matched`.

    Args:
        matched: paired from `iou_threshold` or less.
        outcomes: its Outcomes at `iou_threshold`.
    """
    true = matched.columns.true
    kinds = np.full(len(outcomes.labels), -1, np.int8)
    objects = np.full(len(kinds), -1)
    false = np.flatnonzero(outcomes.counts & ~outcomes.hits)
    found = matched.ranked.found.rows(outcomes.rows[false])
    own, other = _best_overlaps(true, found)
    order = (
        (LOCALISATION, own, (own[0] >= BACKGROUND) & (own[0] < iou_threshold)),
        (CLASSIFICATION, other, other[0] >= iou_threshold),
        (DUPLICATE, own, own[0] >= iou_threshold),
        (
            FALSE_BACKGROUND,
            (None, np.full(len(false), -1)),
            np.maximum(own[0], other[0]) <= BACKGROUND,
        ),
        (BOTH, other, np.ones(len(false), bool)),
    )
    for kind, (_, rows), holds in order:
        chosen = holds & (kinds[false] < 0)
        kinds[false[chosen]], objects[false[chosen]] = kind, rows[chosen]
    return Errors(kinds, objects, _missed(true, outcomes, kinds, objects))


def _missed(true, outcomes, kinds, objects):
    """Return which objects nothing found, and nothing could have that is put right."""
    missed = ~true.crowd
    missed[outcomes.owners[outcomes.hits]] = False
    missed[objects[np.isin(kinds, MENDED)]] = False
    return missed


def _best_overlaps(true, found):
    """Return ((IoU [n], row of true [n]) of the class, the same of other classes).

    Crowds do not count; rows are -1, and the IoU 0, below `BACKGROUND`.
    """
    rows = np.flatnonzero(~true.crowd)
    some = replace(true.rows(rows), labels=np.zeros(len(rows), np.int64))
    of_one_class = replace(found, labels=np.zeros_like(found.labels))
    detections, objects, ious = overlapping(some, of_one_class, 1, BACKGROUND)
    objects = rows[objects]
    is_own = found.labels[detections] == true.labels[objects]
    return tuple(
        best_of_pairs(detections[chosen], objects[chosen], ious[chosen], len(found.labels))
        for chosen in (is_own, ~is_own)
    )


def average_precision(scores, hits, objects):
    """Return COCO's AP at one IoU; nan without objects.

    Args:
        scores: [n], in any order; equal ones count as they come.
        hits: bool [n].
        objects: how many there are.
    """
    if not objects:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / objects, RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].sum() / len(RECALLS))


def _mean_ap(labels, scores, hits, objects):
    """Return the mean AP over classes with objects [K]; nan without any."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(len(objects) + 1))
    parts = [order[start:end] for start, end in zip(ends[:-1], ends[1:], strict=True)]
    values = [
        average_precision(scores[rows], hits[rows], count)
        for rows, count in zip(parts, objects, strict=True)
        if count
    ]
    return float(np.mean(values)) if values else float("nan")


def costs(matched, outcomes, errors):
    """Return the AP at one IoU, and what each kind of error costs of it, 0 to 1.

    Returns:
        {"AP", each of `KINDS`, "missed", "false": all false detections go, "not_found": all
        objects that nothing found go}; nan where there is no object.
    """
    true = matched.columns.true
    counted = np.flatnonzero(outcomes.counts)
    labels, scores, hits = (
        column[counted] for column in (outcomes.labels, outcomes.scores, outcomes.hits)
    )
    kinds, objects = errors.kinds[counted], errors.objects[counted]
    owners, totals = outcomes.owners[counted], outcomes.objects
    whole = _mean_ap(labels, scores, hits, totals)
    found = np.zeros(len(true.labels), bool)
    found[owners[hits]] = True

    def without(gone, totals=totals):
        return _mean_ap(labels[~gone], scores[~gone], hits[~gone], totals) - whole

    best = _best_of_objects(np.isin(kinds, MENDED), objects, scores, found)
    cost = {"AP": whole}
    for kind, name in enumerate(KINDS):
        of_kind = kinds == kind
        if kind not in MENDED:
            cost[name] = without(of_kind)
            continue
        right = of_kind & best
        mended_labels = labels.copy()
        mended_labels[right] = true.labels[objects[right]]
        kept = ~of_kind | right
        cost[name] = (
            _mean_ap(mended_labels[kept], scores[kept], (hits | right)[kept], totals) - whole
        )
    missed = np.bincount(true.labels[errors.missed], minlength=len(totals))
    cost["missed"] = _mean_ap(labels, scores, hits, totals - missed) - whole
    cost["false"] = without(~hits)
    cost["not_found"] = (
        _mean_ap(labels, scores, hits, np.bincount(labels[hits], minlength=len(totals))) - whole
    )
    return cost


def _best_of_objects(chosen, objects, scores, found):
    """Return which of the `chosen` detections is the best of an object that nothing found."""
    rows = np.flatnonzero(chosen)
    rows = rows[~found[objects[rows]]]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    _, first = np.unique(objects[rows], return_index=True)
    best = np.zeros(len(chosen), bool)
    best[rows[first]] = True
    return best


def error_numbers(matched, outcomes, errors):
    """Return {"AP", "counts": {kind: detections or objects}, "costs": {kind: AP}} for JSON."""
    cost = costs(matched, outcomes, errors)
    counts = {name: int((errors.kinds == kind).sum()) for kind, name in enumerate(KINDS)}
    counts["missed"] = int(errors.missed.sum())
    return {"AP": cost.pop("AP"), "counts": counts, "costs": cost}
