"""Pictures with detections drawn into them, and their files."""

from pathlib import Path

import cv2
import numpy as np

from keras_retinanet.utils.image_channels import as_shown
from keras_retinanet.utils.visualization import draw_detections

JPEG = (".jpg", ".jpeg")
JPEG_SIDE = 65_000  # pixels; the format ends at 65,535
QUALITY = 95
READABLE_SIDE = 1000  # pixels, for lines and letters of size 1; screens show larger ones smaller


def annotated(image, result):
    """Return a picture to look at, uint8 [H, W, 3], blue first, with a `Result` drawn into it.

    Args:
        image: levels [H, W, C], blue first; where it can be looked at as it is, it is drawn into,
            since a copy of a large picture may not fit into memory.
    """
    shown = as_shown(image)
    if not shown.flags.writeable:
        shown = shown.copy()
    draw_detections(
        shown,
        result.boxes,
        result.scores,
        result.labels,
        label_to_name=lambda label: result.classes[label],
        score_threshold=0.0,
        size=max(1, round(max(shown.shape[:2]) / READABLE_SIDE)),
    )
    return shown


def picture_path(folder, result):
    """Return where the picture of a result goes: JPEG where it came from one, else PNG."""
    own = Path(result.path or "").suffix.lower()
    suffix = ".jpg" if own in JPEG and max(result.size) <= JPEG_SIDE else ".png"
    return Path(folder) / f"{result.name}{suffix}"


def write_picture(path, image):
    """Write a picture [H, W, 3], blue first; its suffix chooses the format.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # not by imencode: it would hold the whole file in memory, too
    if not cv2.imwrite(str(path), np.asarray(image), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
        raise OSError(f"{path}: cannot be written. Name another folder by --output, or make room")
