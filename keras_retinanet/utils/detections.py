"""Detections of a picture: what a detector's padded rows say, in pixels of the original."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best score first.

    Attributes:
        boxes: float32 [D, 4], (x1, y1, x2, y2) in pixels of the original image.
        scores: float32 [D].
        labels: int32 [D].
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.scores)

    def take(self, which):
        """Return the detections that an index or mask names, in its order."""
        return Detections(self.boxes[which], self.scores[which], self.labels[which])


NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


@dataclass(frozen=True)
class Placement:
    """Where a resize put a picture: a box there is (box + margin) * scale of one here.

    Attributes:
        scale: a number, or [4] for (x, y, x, y).
        margin: pixels of the original, a number or [4].
    """

    scale: float | np.ndarray = 1.0
    margin: float | np.ndarray = 0.0

    def to_original(self, boxes):
        """Return boxes [D, 4] of the resized picture in pixels of the original."""
        return boxes / self.scale - self.margin


def rows_by_image(outputs, refusal):
    """Return [(boxes [D, 4] float32, scores [D] float32, labels [D]), ...] of a batch.

    Args:
        outputs: boxes [B, D, 4], scores [B, D], labels [B, D], …
        refusal: f(what was received) -> the message for what is no detector's output.

    Raises:
        ValueError: they have other shapes.
    """
    if not isinstance(outputs, (list, tuple)) or len(outputs) < 3:
        count = len(outputs) if isinstance(outputs, (list, tuple, dict)) else 1
        raise ValueError(refusal(f"a model with {count} output(s)"))
    boxes, scores, labels = (np.asarray(output) for output in outputs[:3])
    if boxes.shape[2:] != (4,) or not boxes.shape[:2] == scores.shape == labels.shape:
        shapes = f"{boxes.shape}, {scores.shape}, {labels.shape}"
        raise ValueError(refusal(f"a model with outputs of shapes {shapes}"))
    return list(zip(boxes.astype(np.float32), scores.astype(np.float32), labels, strict=True))


def select(boxes, scores, labels, score_threshold, max_detections=None):
    """Return the best `max_detections` above `score_threshold`, without the padding of -1.

    Args:
        score_threshold: a number, or one for each row.
        max_detections: None for all.
    """
    kept = np.flatnonzero((scores > score_threshold) & (labels >= 0))
    order = kept[np.argsort(-scores[kept], kind="stable")[:max_detections]]
    return Detections(
        boxes[order].astype(np.float32), scores[order], labels[order].astype(np.int32)
    )
