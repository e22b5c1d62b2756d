"""From the pictures of a batch to one array: pictures at top left, zeros beyond them."""

import numpy as np

from keras_retinanet.utils.warp import resize_into

MIN_BOXES = 8  # rows of the box array; JAX compiles anew for every number of rows
MAX_GROWTH = 256  # steps; two cells of the coarsest level change the number of anchors for sure


def canvas_size(shapes, multiple=1):
    """Return (height, width) that holds all (height, width, ...), rounded up to `multiple`."""
    sides = np.max([shape[:2] for shape in shapes], axis=0)
    return tuple(int(-(-side // multiple) * multiple) for side in sides)


def lay_out(images, size, dtype):
    """Return [B, H, W, channels] of `dtype` with each image at the top left of its canvas."""
    canvas = np.zeros((len(images), *size, images[0].shape[2]), dtype)
    for place, image in zip(canvas, images, strict=True):
        place[: image.shape[0], : image.shape[1]] = image
    return canvas


def lay_out_resized(images, scales, multiple=1):
    """Return (canvas [B, H, W, C], shapes of the pictures on it) of pictures [h, w, C].

    Raises:
        ValueError: the pictures differ in their channels or in the bits of their levels.
    """
    kinds = {(image.shape[2], image.dtype) for image in images}
    if len(kinds) > 1:
        raise ValueError(
            "pictures of one dataset must have the same channels and bits. Received: "
            + " and ".join(sorted(f"{count} channels of {dtype}" for count, dtype in kinds))
        )
    ((channels, dtype),) = kinds
    shapes = [
        tuple(max(1, round(side * scale)) for side in image.shape[:2])
        for image, scale in zip(images, scales, strict=True)
    ]
    canvas = np.empty((len(images), *canvas_size(shapes, multiple), channels), dtype)
    for place, image, scale, (height, width) in zip(canvas, images, scales, shapes, strict=True):
        resize_into(image, scale, place[:height, :width])
        place[height:] = 0
        place[:height, width:] = 0
    return canvas, shapes


def pad_boxes(annotations_group):
    """Return (boxes [B, M, 4] float32 padded with 0, labels [B, M] int32 padded with -1).

    M is a power of two, at least `MIN_BOXES`, so that few shapes occur.
    """
    most = max([MIN_BOXES] + [len(annotations["labels"]) for annotations in annotations_group])
    rows = 1 << (most - 1).bit_length()
    boxes = np.zeros((len(annotations_group), rows, 4), np.float32)
    labels = np.full((len(annotations_group), rows), -1, np.int32)
    for index, annotations in enumerate(annotations_group):
        count = len(annotations["labels"])
        boxes[index, :count] = annotations["bboxes"]
        labels[index, :count] = annotations["labels"]
    return boxes, labels


def as_uint8(image):
    """Return an image [h, w, 3] as uint8; a hook may have made floats of 0 to 255."""
    return as_levels(image, np.uint8)


def as_levels(image, dtype):
    """Return an image [h, w, C] as `dtype`; floats are rounded to whole levels of it."""
    if image.dtype == dtype or not np.issubdtype(dtype, np.integer):
        return image
    most = np.iinfo(dtype).max
    return np.clip(np.rint(image), 0, most).astype(dtype)


def distinct_size(size, other, anchors_of, step=1):
    """Return the smallest size from `size` on whose height, width and anchors differ from other's.

    Args:
        size, other: (height, width).
        anchors_of: f((height, width)) -> number of anchors.
        step: pixels by which a side may grow.
    """
    taken = anchors_of(other)
    height, width = size
    for _ in range(MAX_GROWTH):
        height += step * (height == other[0])
        width += step * (width == other[1])
        if anchors_of((height, width)) != taken:
            break
        height += step
    return height, width


def grown(array, sides, value):
    """Return `array` with its axes from the second on grown to `sides`, filled up with `value`."""
    shape = (array.shape[0], *sides, *array.shape[1 + len(sides) :])
    if shape == array.shape:
        return array
    larger = np.full(shape, value, array.dtype)
    larger[tuple(slice(side) for side in array.shape)] = array
    return larger
