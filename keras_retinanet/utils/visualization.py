"""Draw boxes and captions into pictures, in place. Pictures are uint8 [H, W, 3], blue first."""

import cv2
import numpy as np

from keras_retinanet.utils.colors import label_color

_FONT = cv2.FONT_HERSHEY_PLAIN
_GAP = 10  # pixels between a box and its caption
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_AROUND = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]


def _check_drawable(image):
    if not image.flags.writeable or min(image.strides) < 0:
        fault = "a mirrored view" if image.flags.writeable else "read-only"
        raise ValueError(f"cannot draw into an array that is {fault}. Pass image.copy().")


def _corners(box):
    return [int(side) for side in np.rint(np.asarray(box)[:4])]


def draw_box(image, box, color, thickness=2):
    """Draw one box.

    Args:
        image: the picture, changed in place.
        box: x1, y1, x2, y2 in pixels; parts outside the picture are not seen.
        color: three levels 0 to 255.
        thickness: of the line, in pixels.

    Raises:
        ValueError: the picture is read-only or a mirrored view.
    """
    _check_drawable(image)
    x1, y1, x2, y2 = _corners(box)
    cv2.rectangle(image, (x1, y1), (x2, y2), color, thickness)


def draw_caption(image, box, caption, size=1):
    """Write white text with a black rim above a box, moved so far as to be inside the picture.

    Args:
        image: the picture, changed in place.
        box: x1, y1, x2, y2 in pixels.
        caption: the text.
        size: whole number, of 1.0's letters, some 10 pixels high.
    """
    _check_drawable(image)
    caption = str(caption)
    left, top, _, _ = _corners(box)
    (width, height), below = cv2.getTextSize(caption, _FONT, size, size)
    left = max(size, min(left, image.shape[1] - width - size))
    base = max(height + size, min(top - _GAP * size, image.shape[0] - below - size))
    # the rim is the text itself around its place: OpenCV 5 sets thick text wider than thin
    places = [(left + dx * size, base + dy * size, _BLACK) for dx, dy in _AROUND]
    for x, y, color in (*places, (left, base, _WHITE)):
        cv2.putText(image, caption, (x, y), _FONT, size, color, size, cv2.LINE_AA)


def draw_boxes(image, boxes, color, thickness=2):
    """Draw boxes [M, 4] in one colour."""
    for box in boxes:
        draw_box(image, box, color, thickness)


def _name(label, label_to_name):
    return str(label_to_name(label) if label_to_name else label)


def draw_detections(
    image, boxes, scores, labels, color=None, label_to_name=None, score_threshold=0.5, size=1
):
    """Draw what a network found, with its names and scores.

    Args:
        image: the picture, changed in place.
        boxes, scores, labels: [D, 4], [D], [D] of the picture.
        color: of all boxes; each label's own if None.
        label_to_name: function from label to text; the number is shown if None.
        score_threshold: only scores above it are drawn.
        size: whole number, of lines and letters, for large pictures.
    """
    for index in np.flatnonzero(np.asarray(scores) > score_threshold):
        label = int(labels[index])
        own = label_color(label) if color is None else color
        draw_box(image, boxes[index], own, 2 * size)
        caption = f"{_name(label, label_to_name)}: {scores[index]:.2f}"
        draw_caption(image, boxes[index], caption, size)


def draw_annotations(image, annotations, color=(0, 255, 0), label_to_name=None):
    """Draw true boxes with their names.

    Args:
        image: the picture, changed in place.
        annotations: {"bboxes": [M, 4], "labels": [M]}, or an array [M, 5], label last.
        color: of all boxes; each label's own if None.
        label_to_name: function from label to text; the number is shown if None.
    """
    if isinstance(annotations, np.ndarray):
        annotations = {"bboxes": annotations[:, :4], "labels": annotations[:, 4]}
    for box, label in zip(annotations["bboxes"], annotations["labels"], strict=True):
        label = int(label)
        draw_caption(image, box, _name(label, label_to_name))
        draw_box(image, box, label_color(label) if color is None else color)
