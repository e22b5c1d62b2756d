"""Pictures of any size and number through a file that takes one size and one number."""

import numpy as np

from keras_retinanet.preprocessing.canvas import lay_out
from keras_retinanet.utils.resizing import resize_rule


def shrunk(picture, size):
    """Return (picture [h, w, C] that fits into (height, width), scale [4] of its boxes)."""
    factor = min(1.0, *(limit / side for limit, side in zip(size, picture.shape[:2], strict=True)))
    if factor == 1.0:
        return picture, np.ones(4, np.float32)
    fitting = tuple(max(1, int(side * factor)) for side in picture.shape[:2])
    down, across = np.divide(fitting, picture.shape[:2])
    resized = resize_rule("opencv").resample(picture, fitting)
    resized = resized.reshape(*fitting, picture.shape[2])
    return resized, np.array([across, down, across, down], np.float32)


def detect_in_fixed(detect, levels, sizes, size, batch):
    """Return boxes [B, D, 4] in pixels of `levels`, scores [B, D] and labels [B, D].

    Args:
        detect: f(levels [batch, *size, C]) -> boxes, scores, labels.
        levels: [B, H, W, C], pictures at the top left.
        sizes: their (height, width) [B, 2].
        size: (height, width), into which larger pictures are shrunk.
        batch: pictures in a call; None for any number.
    """
    cut = [image[:height, :width] for image, (height, width) in zip(levels, sizes, strict=True)]
    pictures, scales = zip(*(shrunk(image, size) for image in cut), strict=True)
    batch = batch or len(pictures)
    rows = []
    for start in range(0, len(pictures), batch):
        part = lay_out(pictures[start : start + batch], size, levels.dtype)
        missing = batch - len(part)
        filled = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])
        rows.append([np.asarray(values)[: len(part)] for values in detect(filled)])
    boxes, scores, labels = (np.concatenate(values) for values in zip(*rows, strict=True))
    in_levels = boxes / np.stack(scales)[:, None]
    return np.where(labels[..., None] >= 0, in_levels, boxes), scores, labels
