"""Annotations of one picture: {"bboxes": [M, 4], "labels": [M], ...}, mended and selected."""

import numpy as np

from keras_retinanet.utils.anchors import REGION


def check_annotations(annotations, index):
    """Return a shallow copy with boxes [M, 4], or raise ValueError for what is none."""
    if not isinstance(annotations, dict) or not {"labels", "bboxes"} <= annotations.keys():
        raise ValueError(
            f"annotations of picture {index} must be a dict with 'labels' and 'bboxes'. "
            f"Received: {str(annotations)[:80]!r}"
        )
    boxes = np.asarray(annotations["bboxes"]).reshape(-1, 4)
    if len(boxes) != len(annotations["labels"]):
        raise ValueError(
            f"annotations of picture {index} must have one label a box. Received: "
            f"{len(boxes)} boxes, {len(annotations['labels'])} labels"
        )
    return {**annotations, "bboxes": boxes}


def with_regions(annotations, boxes):
    """Return annotations with the regions to ignore `boxes` [G, 4] behind, under label `REGION`.

    Further arrays of one row a box get rows of zeros.
    """
    count, more = len(annotations["labels"]), len(boxes)
    if not more:
        return annotations
    extended = {
        key: np.concatenate([value, np.zeros((more, *value.shape[1:]), value.dtype)])
        for key, value in annotations.items()
        if isinstance(value, np.ndarray) and value.shape[:1] == (count,)
    }
    labels = [np.asarray(annotations["labels"], np.int32).reshape(-1), np.full(more, REGION)]
    boxes = [np.asarray(annotations["bboxes"], np.float64), np.asarray(boxes, np.float64)]
    return {
        **annotations,
        **extended,
        "labels": np.concatenate(labels, dtype=np.int32),
        "bboxes": np.concatenate(boxes),
    }


def regions_of(annotations):
    """Return the boxes [G, 4] of the regions to ignore."""
    return annotations["bboxes"][np.asarray(annotations["labels"]) == REGION]


def without_regions(annotations):
    """Return annotations less the regions to ignore, for functions that know objects alone."""
    kept = np.asarray(annotations["labels"]) != REGION
    return annotations if kept.all() else select(annotations, kept, annotations["bboxes"])


def fit_boxes(boxes, height, width):
    """Clip boxes [M, 4] to a picture.

    Returns:
        (clipped boxes [M, 4], kept [M] bool: has an area inside, faulty [M] bool: was changed or
        has no area).
    """
    clipped = np.clip(boxes, 0, [width, height, width, height])
    kept = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    return clipped, kept, ~kept | (clipped != boxes).any(axis=1)


def select(annotations, kept, boxes):
    """Return annotations with `boxes`, less the rows that are not `kept`, in every array of M."""
    count = len(kept)
    chosen = {
        key: value[kept] if isinstance(value, np.ndarray) and value.shape[:1] == (count,) else value
        for key, value in annotations.items()
    }
    return {**chosen, "bboxes": boxes[kept], "labels": np.asarray(annotations["labels"])[kept]}
