"""keras-retinanet 1.0's backend functions, as thin words for what lives elsewhere."""

from keras import ops

from keras_retinanet.layers.anchors import anchor_grid
from keras_retinanet.utils import boxes as geometry


def bbox_transform_inv(boxes, deltas, mean=None, std=None):
    """Return `utils.boxes.decode(deltas, boxes)`: [B, N, 4]."""
    mean = geometry.DELTA_MEAN if mean is None else mean
    std = geometry.DELTA_STD if std is None else std
    return geometry.decode(deltas, boxes, mean, std)


def shift(shape, stride, anchors):
    """Return `anchors` [A, 4] over a grid of `shape` (rows, columns): float32 [H * W * A, 4]."""
    return anchor_grid(shape[0], shape[1], stride, anchors)


def map_fn(fn, elems, **_):
    """Return `keras.ops.map(fn, elems)`; shapes and dtypes need no telling any more."""
    return ops.map(fn, elems)


def resize_images(images, size, method="bilinear", align_corners=False):
    """Return images [B, H, W, C] resized to `size` (height, width) by `keras.ops.image`."""
    if align_corners:
        raise ValueError("align_corners=True is gone; resize without it")
    return ops.image.resize(images, size, interpolation=method)
