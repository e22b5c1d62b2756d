"""Pictures in a page, as data URIs: whole, or a view of what lies around some boxes."""

import base64
import io

import numpy as np
from PIL import Image

from keras_retinanet.report.markup import element
from keras_retinanet.utils.image import resize_image
from keras_retinanet.utils.visualization import draw_boxes

LONGEST = 250  # pixels of a picture in a page
QUALITY = 82  # of JPEG
AROUND = 2.0  # of a box's longer side that a view shows on each side
LEAST_AROUND = 30  # pixels of that
MOST_OUTSIDE = 1.0  # of the picture's side that a view shows beyond the picture
BEYOND = 128  # grey level of what is outside the picture


def data_uri(image):
    """Return a picture, uint8 [H, W, 3] BGR, as a data URI."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(stream, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def figure(image, caption):
    """Return a picture, uint8 [H, W, 3] BGR, with a caption."""
    sides = {"width": image.shape[1], "height": image.shape[0]}
    return element(
        "figure",
        element("img", src=data_uri(image), alt=caption, **sides),
        element("figcaption", caption),
        style=f"width:{max(image.shape[1], 120)}px",
    )


def picture_element(path, words):
    """Return a picture file, .png, as it is, no wider than the page; `words` stand for it."""
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    uri = f"data:image/png;base64,{encoded}"
    return element("img", src=uri, alt=words, style="max-width:100%;height:auto")


def gallery(figures):
    """Return figures in rows; None where there is none."""
    return element("div", *figures, class_="pictures") if figures else None


def view(image, boxes=(), color=(0, 0, 255), others=(), other_color=(0, 200, 0)):
    """Return what lies around boxes, scaled to LONGEST pixels, with the boxes drawn.

    Args:
        image: uint8 [H, W, 3] BGR.
        boxes: [M, 4] in its pixels; without any, the whole picture is shown.
        color: of the boxes, blue first.
        others: boxes that are drawn thinner, in `other_color`.

    Returns:
        uint8 [h, w, 3]; grey beyond the picture, where boxes lie there.
    """
    return drawn_view(image, boxes, [(others, other_color, 1), (boxes, color, 2)])


def drawn_view(image, boxes, layers):
    """Return what lies around boxes as `view` does, with other boxes drawn.

    Args:
        boxes: [M, 4] that decide what is seen.
        layers: [(boxes, color, thickness)], the last on top.
    """
    boxes = np.reshape(np.asarray(boxes, np.float64), (-1, 4))
    x1, y1, x2, y2 = window(image.shape, boxes)
    canvas = np.full((y2 - y1, x2 - x1, 3), BEYOND, np.uint8)
    height, width = image.shape[:2]
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if right > left and bottom > top:
        canvas[top - y1 : bottom - y1, left - x1 : right - x1] = image[top:bottom, left:right]
    shown, scale = resize_image(canvas, LONGEST, LONGEST)
    shown = np.ascontiguousarray(shown).copy()
    corner = np.array([x1, y1, x1, y1], np.float64)
    limit = 10 * LONGEST  # OpenCV draws into no farther distance
    for drawn, color, thickness in layers:
        drawn = (np.reshape(np.asarray(drawn, np.float64), (-1, 4)) - corner) * scale
        draw_boxes(shown, np.clip(drawn, -limit, limit), color, thickness)
    return shown


def window(shape, boxes):
    """Return (x1, y1, x2, y2) whole pixels of a picture [H, W, …] that show boxes [M, 4]."""
    sides = np.array([shape[1], shape[0]], np.float64)
    if not len(boxes):
        return 0, 0, shape[1], shape[0]
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:]])  # also of boxes that are inside out
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = max(LEAST_AROUND, AROUND * (high - low).max())
    # the picture, and as much beyond it as boxes need
    first = np.where(low < 0, np.maximum(low - LEAST_AROUND, -MOST_OUTSIDE * sides), 0)
    last = np.where(
        high > sides, np.minimum(high + LEAST_AROUND, (1 + MOST_OUTSIDE) * sides), sides
    )
    start = np.minimum(np.maximum(low - margin, first), sides - 1)
    end = np.maximum(np.minimum(high + margin, last), np.maximum(start, 0) + 1)
    return (*np.floor(start).astype(int).tolist(), *np.ceil(end).astype(int).tolist())
