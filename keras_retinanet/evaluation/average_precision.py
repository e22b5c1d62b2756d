"""Average precision as keras-retinanet 1.0 defines it (Pascal VOC 2010 and later).

Detections of a class go by score over all images. Each belongs to the box of its class and image
that it overlaps most; it is true if that IoU reaches the threshold and no better detection has
taken the box, else false: there is no second choice. AP is the area under the precision envelope.
Beyond 1.0: a detection that takes no box and lies in a region to ignore of its class does not count
at all, as in COCO's rule for crowds. Without such regions the numbers are 1.0's.
Detections of equal score keep the order of the images (1.0 left it to an unstable sort).
"""

import numpy as np

from keras_retinanet.utils.boxes import covered_shares, overlaps

IN_REGION = 0.5  # share of a detection's area inside a region to ignore, as for anchors in training


def average_precisions(truths, detections, labels, iou_threshold=0.5):
    """Return the AP and the number of objects of each class.

    Args:
        truths: a `Truths` for each image; its crowds are regions to ignore.
        detections: a `Detections` for each image.
        labels: the labels to report.
        iou_threshold: the IoU from which a detection counts.

    Returns:
        {label: (AP, objects)}, (0.0, 0) for a class without objects.
    """
    regions = [truth.regions() for truth in truths]
    objects = [truth.objects() for truth in truths]
    found, hits = _matched(objects, regions, detections, iou_threshold)
    true_labels = np.concatenate([truth.labels for truth in objects] or [np.zeros(0, np.int64)])
    values = {}
    for label in labels:
        instances = int(np.count_nonzero(true_labels == label))
        start, end = np.searchsorted(found, [label, label + 1])
        ap = _average_precision(hits[start:end], instances) if instances else 0.0
        values[label] = (ap, instances)
    return values


def mean_ap(average_precisions):
    """Return the mean AP over the classes that have objects; nan where none has any."""
    values = [ap for ap, instances in average_precisions.values() if instances > 0]
    return float(np.mean(values)) if values else float("nan")


def weighted_mean_ap(average_precisions):
    """Return the mean AP weighted by the objects of each class; nan where there are none."""
    total = sum(instances for _, instances in average_precisions.values())
    if not total:
        return float("nan")
    return float(sum(ap * instances for ap, instances in average_precisions.values()) / total)


def class_lines(average_precisions, label_to_name):
    """Return 1.0's line of text for each class."""
    return [
        f"{instances} instances of class {label_to_name(label)} with average precision: {ap:.4f}"
        for label, (ap, instances) in average_precisions.items()
    ]


def _matched(objects, regions, detections, iou_threshold):
    """Return the labels [D] of the detections that count, ascending, and whether each is true [D].

    Within a label the order is that of the scores, highest first.
    """
    labels, scores, owners = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    exempt = [np.zeros(0, bool)]
    first_box = 0  # boxes are numbered through the dataset
    for truth, ignored, detection in zip(objects, regions, detections, strict=True):
        best = _best_boxes(truth, detection, iou_threshold)
        owners.append(np.where(best >= 0, best + first_box, -1))
        exempt.append(_in_regions(ignored, detection))
        labels.append(detection.labels)
        scores.append(detection.scores)
        first_box += len(truth.boxes)
    labels = np.concatenate(labels)
    order = np.lexsort((-np.concatenate(scores), labels))
    hits = _first_claims(np.concatenate(owners)[order])
    counted = hits | ~np.concatenate(exempt)[order]
    return labels[order][counted], hits[counted]


def _in_regions(ignored, detection):
    """Return whether each detection [D] lies in a region of its class."""
    if not len(ignored.boxes) or not len(detection.boxes):
        return np.zeros(len(detection.boxes), bool)
    shares = covered_shares(detection.boxes, ignored.boxes)  # [D, I]
    own = detection.labels[:, np.newaxis] == ignored.labels
    return (own & (shares >= IN_REGION)).any(axis=1)


def _best_boxes(truth, detection, iou_threshold):
    """Return which box of its class each detection overlaps most [D]; -1: none far enough."""
    if not len(truth.boxes) or not len(detection.boxes):
        return np.full(len(detection.boxes), -1)
    ious = overlaps(detection.boxes, truth.boxes)  # [D, M]
    ious = np.where(detection.labels[:, np.newaxis] == truth.labels, ious, -1.0)
    best = ious.argmax(axis=1)
    return np.where(ious.max(axis=1) >= iou_threshold, best, -1)


def _first_claims(owners):
    """Return which of `owners` [D] (box numbers, -1 for none) names its box for the first time."""
    claims = np.flatnonzero(owners >= 0)
    _, first = np.unique(owners[claims], return_index=True)
    hits = np.zeros(len(owners), dtype=bool)
    hits[claims[first]] = True
    return hits


def _average_precision(hits, instances):
    """Return the AP of detections `hits` [D], highest score first, for `instances` objects."""
    true = np.cumsum(hits)
    return _compute_ap(true / instances, true / np.arange(1, len(hits) + 1))


def _compute_ap(recall, precision):
    """Return the area under the precision envelope.

    Args:
        recall: [D], ascending.
        precision: [D]; its envelope at a recall is the best precision at that recall or above.
    """
    steps = np.diff(np.asarray(recall, dtype=np.float64), prepend=0.0)
    envelope = np.maximum.accumulate(np.asarray(precision, dtype=np.float64)[::-1])[::-1]
    return float(np.sum(steps * envelope))
