"""Boxes of a whole dataset as columns: one array a property, not an object a box.

Here boxes are (x1, y1, width, height), as COCO's files have them: its numbers are equal to the last
bit only if the corner is found as x1 + width, as pycocotools does. Pictures and classes are places
in ascending lists of their ids, since pycocotools breaks ties of scores by the id.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class TrueBoxes:
    """True objects.

    Attributes:
        pictures: int64 [M], place of the picture.
        labels: int64 [M], place of the class.
        boxes: float64 [M, 4], (x1, y1, width, height) in pixels.
        areas: float64 [M], square pixels, of the mask where there is one.
        crowd: bool [M], whether it stands for a crowd, which is neither hit nor missed.
    """

    pictures: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray

    def rows(self, rows):
        """Return the objects of `rows`, in their order."""
        columns = (self.pictures, self.labels, self.boxes, self.areas, self.crowd)
        return TrueBoxes(*(column[rows] for column in columns))


@dataclass(frozen=True)
class FoundBoxes:
    """Detections.

    Attributes:
        pictures: int64 [D].
        labels: int64 [D].
        boxes: float64 [D, 4], (x1, y1, width, height) in pixels.
        scores: float [D].
    """

    pictures: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    @cached_property
    def areas(self):
        """Square pixels [D]."""
        return self.boxes[:, 2] * self.boxes[:, 3]

    @cached_property
    def by_class(self):
        """The rows in the order of class and score, highest first, ties by picture: int64 [D]."""
        order = np.argsort(self.pictures, kind="stable")
        order = order[np.argsort(-self.scores[order], kind="stable")]
        return order[argsort(self.labels[order])]

    def rows(self, rows):
        """Return the detections of `rows`, in their order."""
        columns = (self.pictures, self.labels, self.boxes, self.scores)
        return FoundBoxes(*(column[rows] for column in columns))


@dataclass(frozen=True)
class Columns:
    """A dataset and what was found in it.

    Attributes:
        true: TrueBoxes.
        found: FoundBoxes.
        pictures: number of pictures.
        classes: ids of the classes, ascending.
    """

    true: TrueBoxes
    found: FoundBoxes
    pictures: int
    classes: tuple


def columns_of(truths, detections, labels=None):
    """Return the Columns of a `Truths` and a `Detections` for each picture.

    Args:
        labels: the classes; those that occur in `truths` if None. Boxes of others do not count.
    """
    true = true_boxes_of(truths)
    classes = np.unique(true.labels if labels is None else np.asarray(labels, np.int64))
    return Columns(
        of_classes(true, classes),
        of_classes(found_boxes_of(detections), classes),
        len(truths),
        tuple(classes.tolist()),
    )


def true_boxes_of(truths):
    """Return the TrueBoxes of a `Truths` for each picture, with their labels."""
    labels = [truth.labels for truth in truths]
    boxes = _xywh([truth.boxes for truth in truths])
    crowd = [_or(truth.crowd, np.zeros(len(truth.labels), bool)) for truth in truths]
    areas = [_or(truth.areas, np.full(len(truth.labels), np.nan)) for truth in truths]
    areas = _joined(areas, np.float64)
    areas = np.where(np.isnan(areas), boxes[:, 2] * boxes[:, 3], areas)
    return TrueBoxes(_owners(labels), _joined(labels, np.int64), boxes, areas, _joined(crowd, bool))


def found_boxes_of(detections):
    """Return the FoundBoxes of a `Detections` for each picture, with their labels."""
    labels = [found.labels for found in detections]
    return FoundBoxes(
        _owners(labels),
        _joined(labels, np.int64),
        _xywh([found.boxes for found in detections]),
        _joined([found.scores for found in detections], np.float64),
    )


def of_classes(boxes, classes):
    """Return TrueBoxes or FoundBoxes of the labels `classes` only, as places in that list.

    Args:
        classes: [K], ascending.
    """
    known = boxes.rows(np.isin(boxes.labels, classes))
    return replace(known, labels=np.searchsorted(classes, known.labels))


def columns_of_coco(dataset, results, image_ids=None):
    """Return the Columns of the contents of a COCO annotation file and of a results file.

    Boxes of pictures and categories that do not count are left out.

    Args:
        dataset: with "images", "categories" and "annotations".
        results: list of {"image_id", "category_id", "bbox", "score"}.
        image_ids: the pictures that count; all if None.
    """
    image_ids = [image["id"] for image in dataset["images"]] if image_ids is None else image_ids
    places = {key: place for place, key in enumerate(sorted(set(image_ids)))}
    classes = sorted({category["id"] for category in dataset["categories"]})
    kinds = {key: place for place, key in enumerate(classes)}
    rows = dataset["annotations"]
    true = TrueBoxes(
        *_located(rows, places, kinds),
        np.array([row["area"] for row in rows], np.float64),
        np.array([bool(row.get("iscrowd", 0)) for row in rows], bool),
    )
    found = FoundBoxes(
        *_located(results, places, kinds), np.array([row["score"] for row in results], np.float64)
    )
    true = true.rows((true.pictures >= 0) & (true.labels >= 0))
    found = found.rows((found.pictures >= 0) & (found.labels >= 0))
    return Columns(true, found, len(places), tuple(classes))


def argsort(whole):
    """Return the stable order of whole numbers from 0; NumPy sorts 16 bits by radix, in a tenth."""
    small = len(whole) and whole.max() < 2**16
    return np.argsort(whole.astype(np.uint16) if small else whole, kind="stable")


def _located(rows, places, kinds):
    """Return pictures, labels and boxes of rows of COCO's; -1 for ids that do not count."""
    return (
        np.array([places.get(row["image_id"], -1) for row in rows], np.int64),
        np.array([kinds.get(row["category_id"], -1) for row in rows], np.int64),
        np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
    )


def _owners(lists):
    """Return the place of the list that each item is of."""
    return np.repeat(np.arange(len(lists)), np.array([len(items) for items in lists], np.int64))


def _xywh(corners):
    boxes = _joined([np.reshape(each, (-1, 4)) for each in corners], np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _joined(lists, dtype):
    return (
        np.concatenate([np.zeros_like(lists[0][:0]), *lists]).astype(dtype)
        if lists
        else (np.zeros(0, dtype))
    )


def _or(column, otherwise):
    return otherwise if column is None else column
