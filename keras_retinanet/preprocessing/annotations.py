"""Annotations of one picture: {"bboxes": [M, 4], "labels": [M], ...}, mended and selected."""

import numpy as np


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
