"""How pictures are brought to a network's size: one rule for each library that published networks.

A rule is called as rule(picture [H, W, C], min_side, max_side) -> (picture, scale). 1.0's
("opencv") returns its one factor; the others round each side by itself, and return how much
longer each became, float64 [4] (x, y, x, y), so that `boxes * scale` and `boxes / scale` are
right for both. "letterbox" moves the picture, too: boxes on its result are
`(boxes + rule.margin(shape)) * scale`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from keras_retinanet.utils.image import compute_resize_scale, resize_image

NO_MARGIN = np.zeros(4)


def _no_margin(shape):
    """Return what a rule adds to a picture that only stretches it: nothing."""
    return NO_MARGIN


@dataclass(frozen=True)
class ResizeRule:
    """Rounding of the sides and interpolation, as one library has them.

    Attributes:
        size: f((height, width), min_side, max_side) -> (height, width) of the result.
        resample: f(picture, (height, width)) -> picture, float32 where the library does not
            round to levels.
        margin: f((height, width)) -> float [4] (x, y, x, y), pixels of the original that are
            added on its left and above; as many are added on its right and below.
    """

    size: Callable
    resample: Callable
    margin: Callable = _no_margin

    def __call__(self, image, min_side, max_side):
        """Return (picture, scale); sides that would vanish stay one pixel long."""
        shape = image.shape[:2]
        added = self.margin(shape)
        size = tuple(max(1, int(side)) for side in self.size(shape, min_side, max_side))
        padded = _with_margin(image, added)
        down, across = np.divide(size, padded.shape[:2])
        scale = np.array([across, down, across, down])
        if size == padded.shape[:2]:
            return padded, scale
        return self.resample(padded, size).reshape(*size, *image.shape[2:]), scale

    @property
    def moves(self):
        """Return whether the picture is moved, not only stretched."""
        return self.margin is not _no_margin

    def factor(self, shape, min_side, max_side):
        """Return about how much longer the sides of a picture (height, width, ...) become."""
        size = self.size(shape[:2], min_side, max_side)
        return min(new / old for new, old in zip(size, shape[:2], strict=True))


class _OfOpenCV(ResizeRule):
    """1.0's rule, by 1.0's functions."""

    def __call__(self, image, min_side, max_side):
        return resize_image(image, min_side, max_side)

    def factor(self, shape, min_side, max_side):
        return compute_resize_scale(shape, min_side, max_side)


def _with_margin(image, margin):
    left, above = (int(side) for side in margin[:2])
    if not left and not above:
        return image
    rest = ((0, 0),) * (image.ndim - 2)
    return np.pad(image, ((above, above), (left, left), *rest))


# Sides.


def _opencv_size(shape, min_side, max_side):
    scale = compute_resize_scale(shape, min_side, max_side)
    return tuple(round(side * scale) for side in shape)


def _cut_size(shape, min_side, max_side):
    """Return the sides of torchvision's GeneralizedRCNNTransform and of ODTK: products are cut.

    torchvision 0.29.1, run on 400 random sizes, has these sides; its scripted form alone, whose
    factor is float32, would lose a pixel where a product comes out below a whole number.
    """
    factor = min(min_side / min(shape), max_side / max(shape))
    return tuple(int(side * factor) for side in shape)


def _detectron2_size(shape, min_side, max_side):
    """Return the sides of ResizeShortestEdge: capped after the first product, then rounded."""
    factor = min_side / min(shape)
    sides = [min_side if side == min(shape) else factor * side for side in shape]
    cap = max_side / max(sides) if max(sides) > max_side else 1.0
    return tuple(int(side * cap + 0.5) for side in sides)


def _mmdetection_size(shape, min_side, max_side):
    """Return the sides of mmcv.imrescale with keep_ratio."""
    factor = min(max_side / max(shape), min_side / min(shape))
    return tuple(int(side * factor + 0.5) for side in shape)


def _square(shape, min_side, max_side):
    return min_side, min_side


def _margin_to_square(shape):
    """Return the margin that centres a picture in a square, the odd pixel left out.

    So pads `keras.ops.image.resize(pad_to_aspect_ratio=True)`, KerasHub's converter: with level
    0, before the mean is subtracted.
    """
    above, left = ((max(shape) - side) // 2 for side in shape)
    return np.array([left, above, left, above], float)


# Interpolation.


def _by_opencv(image, size):
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def _by_pillow(image, size):
    """Return the picture resized by Pillow's BILINEAR, which averages where sides shrink."""
    if image.dtype == np.uint8 and image.shape[2:] == (3,):
        return np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    levels = image if image.dtype == np.uint8 else image.astype(np.float32)
    channels = [
        Image.fromarray(np.ascontiguousarray(levels[..., channel])).resize(
            size[::-1], Image.Resampling.BILINEAR
        )
        for channel in range(image.shape[2])
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    whole = np.issubdtype(image.dtype, np.integer)
    return np.rint(resized).astype(image.dtype) if whole else resized


def _neighbours(old, new):
    """Return both pixels [new] between which each new one lies, and the second's share [new].

    torch computes the place by one fused float32 operation: the product is not rounded.
    """
    ratio = np.float64(np.float32(old) / np.float32(new))
    places = ratio * (np.arange(new) + 0.5) - 0.5
    places = np.maximum(places.astype(np.float32), np.float32(0))
    first = np.minimum(places.astype(np.int64), old - 1)
    return first, np.minimum(first + 1, old - 1), places - first.astype(np.float32)


def _along(image, axis, new):
    first, second, share = _neighbours(image.shape[axis], new)
    share = np.expand_dims(share, [other for other in range(image.ndim) if other != axis])
    low = np.take(image, first, axis).astype(np.float32)
    return low + (np.take(image, second, axis).astype(np.float32) - low) * share


def _bilinear(image, size):
    """Return float32 [h, w, C] interpolated between the two nearest pixels of each axis.

    Pixels count at their centres; none is averaged away where sides shrink. OpenCV rounds the
    places otherwise: up to 0.014 levels apart on noise.
    """
    return _along(_along(image, 1, size[1]), 0, size[0])


RESIZE_RULES = {
    "opencv": _OfOpenCV(_opencv_size, _by_opencv),
    "torchvision": ResizeRule(_cut_size, _bilinear),
    "pillow": ResizeRule(_detectron2_size, _by_pillow),
    "mmdetection": ResizeRule(_mmdetection_size, _by_opencv),
    "odtk": ResizeRule(_cut_size, _by_pillow),
    "letterbox": ResizeRule(_square, _bilinear, _margin_to_square),
}


def resize_rule(name):
    """Return the `ResizeRule` of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in RESIZE_RULES:
        known = ", ".join(RESIZE_RULES)
        raise ValueError(f"resize_rule must be one of {known}. Received: {name!r}")
    return RESIZE_RULES[name]
