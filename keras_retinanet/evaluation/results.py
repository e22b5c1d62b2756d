"""Detections as COCO results, and JSON files that are whole or not there."""

import contextlib
import json
from pathlib import Path

import numpy as np


def coco_results(detections, image_ids=None, category_ids=None):
    """Return detections as the rows of a COCO results file.

    Args:
        detections: a `Detections` for each image.
        image_ids: the id of each image; its place in the list if None.
        category_ids: a function from a label to a category id; the label itself if None.

    Returns:
        A list of {"image_id", "category_id", "bbox" (x1, y1, width, height), "score"}.
    """
    image_ids = range(len(detections)) if image_ids is None else image_ids
    category_ids = int if category_ids is None else category_ids
    return [
        {"image_id": image_id, "category_id": category_ids(label), "bbox": box, "score": score}
        for image_id, found in zip(image_ids, detections, strict=True)
        for box, score, label in zip(
            to_xywh(found.boxes), found.scores.tolist(), found.labels.tolist(), strict=True
        )
    ]


def to_xywh(boxes):
    """Return corners [D, 4] as a list of [x1, y1, width, height]."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()


def write_results_json(path, results, indent=None):
    """Write `results` to `path` as JSON; a failure leaves the file as it was.

    Raises:
        ValueError: the file cannot be written, or a number is not finite, which JSON lacks.
    """
    path = Path(path)
    # Ids that datasets keep in arrays are NumPy numbers.
    text = json.dumps(results, indent=indent, allow_nan=False, default=lambda value: value.item())
    aside = path.with_name(f"{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise ValueError(
            f"cannot write {path} ({error.strerror}). Choose another folder or free some space."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
