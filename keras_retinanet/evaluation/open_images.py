"""Open Images' average precision: boxes around groups of objects.

After the rules of the Open Images Challenge (Kuznetsova et al. 2020, arXiv:1811.00982, 6.3.1;
storage.googleapis.com/openimages/web/evaluation.html). A detection first looks for a single object,
as in Pascal VOC. If it gets none, and at least half of its own area lies in a group's box of its
class, it belongs to the group. All detections of a group are one: true, with the best of their
scores; a group without any is missed. `weight` 1 counts groups so, as the challenge does; with 0
groups and their detections do not count, as in the dataset's first metric (V2).

The challenge also spreads boxes to parent classes, see `parents`, and counts only classes that were
checked for a picture, which is the dataset's business, before boxes come here.
"""

import numpy as np

from keras_retinanet.evaluation.voc import by_class, first_claims, nearest

CHALLENGE, V2 = 1.0, 0.0


def open_images_by_class(columns, threshold=0.5, weight=CHALLENGE):
    """Return the AP of each class of Columns [K], crowds being groups; nan without objects.

    Args:
        threshold: the IoU with an object, or share inside of a group, from which one is found.
        weight: what a group counts beside an object.
    """
    true, classes = columns.true, len(columns.classes)
    found = columns.found.rows(columns.found.by_class)
    hits = first_claims(_among(true, ~true.crowd, found, classes, threshold))
    groups = _among(true, true.crowd, found, classes, threshold)
    grouped = ~hits & (groups >= 0)
    best = grouped & first_claims(np.where(grouped, groups, -1))
    counted = np.where(grouped, np.where(best, weight, 0.0), 1.0)
    objects = np.bincount(true.labels, np.where(true.crowd, weight, 1.0), minlength=classes)
    values = by_class(found.labels, np.where(hits, 1.0, best * weight), counted, objects)
    return [each["VOC12"] for each in values]


def _among(true, rows, found, classes, threshold):
    """Return which of the objects `rows` (bool [M]) each detection overlaps most, -1 for none."""
    rows = np.flatnonzero(rows)
    owners = nearest(true.rows(rows), found, classes, threshold)
    return np.where(owners >= 0, np.append(rows, -1)[owners], -1)
