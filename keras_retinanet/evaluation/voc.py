"""Average precision of Pascal VOC: eleven points (to 2009) and the whole area (from 2010).

Everingham et al. 2010 (doi:10.1007/s11263-009-0275-4), 4.2. Detections of a class go by score over
all pictures. Each belongs to the object of its class that it overlaps most; it is true if that
overlap reaches the threshold and no better detection has the object, else false: there is no second
choice. A detection of a difficult object does not count, and neither does the object. The
development kit counts the last pixel of a box in, so that a box from 1 to 10 is 10 wide; boxes here
are continuous, which moves overlaps of small boxes by some percent.
"""

from dataclasses import replace

import numpy as np

from keras_retinanet.evaluation.matching import best_of_pairs, overlapping

ELEVEN = np.linspace(0, 1, 11)


def area_under_envelope(hits, counted, objects):
    """Return the area under the precision envelope (VOC 2010 and later).

    Args:
        hits: [n], what each detection adds to the true ones, highest score first.
        counted: [n], what it adds to all.
        objects: number of objects, above 0.
    """
    recall, precision = _recall_and_precision(hits, counted, objects)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def eleven_points(hits, counted, objects):
    """Return the mean of the best precision at recall 0, 0.1, …, 1 or above (VOC 2007)."""
    recall, precision = _recall_and_precision(hits, counted, objects)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    # a recall of 3/10 must reach the point 0.3, whatever the last bit of 3 * 0.1
    return float(np.mean(envelope[np.searchsorted(recall, ELEVEN - 1e-12)]))


METRICS = {"VOC07": eleven_points, "VOC12": area_under_envelope}


def voc_by_class(columns, threshold=0.5):
    """Return [{VOC07, VOC12}] of each class of Columns, nan without objects; crowds as difficult.

    Args:
        threshold: the IoU from which a detection counts.
    """
    true = columns.true
    found = columns.found.rows(columns.found.by_class)
    boxes = replace(true, crowd=np.zeros_like(true.crowd))  # overlap with them is a usual IoU
    owners = nearest(boxes, found, len(columns.classes), threshold)
    hits = first_claims(owners)
    counted = ~np.append(true.crowd, False)[owners]  # no object is not difficult
    labels = found.labels[counted]
    objects = np.bincount(true.labels[~true.crowd], minlength=len(columns.classes))
    return by_class(labels, hits[counted], np.ones(len(labels)), objects)


def by_class(labels, hits, counted, objects):
    """Return [{VOC07, VOC12}] of each class.

    Args:
        labels: [n], ascending; within a class the order is that of the scores.
        hits, counted: [n], as of `area_under_envelope`.
        objects: [K].
    """
    bounds = np.searchsorted(labels, np.arange(len(objects) + 1))
    rows = [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]
    return [
        {
            name: metric(hits[own], counted[own], count) if count else float("nan")
            for name, metric in METRICS.items()
        }
        for own, count in zip(rows, objects, strict=True)
    ]


def nearest(true, found, classes, threshold):
    """Return the object of its class that each detection overlaps most [D]; -1: none enough.

    Of objects that it overlaps alike, the first.

    Args:
        true: TrueBoxes.
        found: FoundBoxes.
        classes: number of classes.
        threshold: IoU.
    """
    pairs = overlapping(true, found, classes, threshold)
    return best_of_pairs(*pairs, len(found.labels))[1]


def first_claims(owners):
    """Return which of `owners` [D] (rows of objects, -1 for none) names its object first."""
    claims = np.flatnonzero(owners >= 0)
    _, first = np.unique(owners[claims], return_index=True)
    hits = np.zeros(len(owners), bool)
    hits[claims[first]] = True
    return hits


def _recall_and_precision(hits, counted, objects):
    """Return recall and precision [n] after each detection; 0 of 0 is precise by 0."""
    true, count = np.cumsum(hits, dtype=np.float64), np.cumsum(counted, dtype=np.float64)
    return true / objects, np.divide(true, count, out=np.zeros_like(true), where=count > 0)
