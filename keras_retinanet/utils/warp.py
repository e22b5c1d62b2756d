"""Pictures moved or resized onto a frame, any number of channels; averaged where they shrink much.

Matrices are [3, 3] and act on continuous pixels, as on boxes (`utils/transform.py`).
"""

import cv2
import numpy as np

from keras_retinanet.utils.image import apply_transform
from keras_retinanet.utils.transform import scaling, translation

MOST_CHANNELS = 4  # that every function of OpenCV takes at once


def one_opencv_thread():
    """Keep OpenCV to one thread a call: workers already use every core, and splitting a small
    picture costs more CPU seconds than it saves.
    """
    cv2.setNumThreads(1)


def resize_into(image, scale, place):
    """Write `image` resized by `scale` into `place`, a part of a canvas; as `resize_image` does.

    Writing to the canvas at once saves 2 of 9 ms a picture: fresh memory is what costs.
    """
    if scale == 1:
        place[...] = image
        return
    if image.shape[2] == 1:  # OpenCV drops the axis
        image, place = image[..., 0], place[..., 0]
    rounded = tuple(round(side * scale) for side in image.shape[:2])
    if rounded == place.shape[:2]:
        resized = cv2.resize(image, None, dst=place, fx=scale, fy=scale)
    else:  # a line of pixels, which stays one pixel wide
        resized = cv2.resize(image, place.shape[1::-1])
    if not np.may_share_memory(resized, place):
        place[...] = resized


def warp(image, matrix, parameters, size=None):
    """Return the picture [H, W, C] moved by `matrix` onto a frame.

    Where a side shrinks to a half or less, whole groups of pixels are averaged first: bilinear
    sampling would step over pixels, and thin things would come and go.

    Args:
        image: uint8, uint16 or float32; it stays as it is.
        matrix: [3, 3], from pixels of the picture to pixels of the frame.
        parameters: `TransformParameters`: what lies outside, and interpolation.
        size: (height, width) of the frame; the picture's own if None.
    """
    size = image.shape[:2] if size is None else tuple(size)
    shrunk = _shrunk(image, matrix)
    matrix = matrix @ scaling((image.shape[1] / shrunk.shape[1], image.shape[0] / shrunk.shape[0]))
    if shrunk.shape[:2] == size and image.shape[2] == 3:
        return apply_transform(matrix, shrunk, parameters)
    matrix = (translation((-0.5, -0.5)) @ matrix @ translation((0.5, 0.5)))[:2]
    return by_channels(shrunk, lambda part: _onto(part, matrix, parameters, size))


def by_channels(image, change):
    """Return [h, w, C] of change(part [H, W, 1, 3 or 4]), a part after the other.

    Not 2: OpenCV warps those by another, coarser routine.
    """
    channels, parts, first = image.shape[2], [], 0
    while first < channels:
        left = channels - first
        count = 1 if left == 2 else min(left, MOST_CHANNELS)
        part = change(np.ascontiguousarray(image[:, :, first : first + count]))
        parts.append(part.reshape(*part.shape[:2], count))  # OpenCV drops the axis of one channel
        first += count
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def _shrunk(image, matrix):
    """Return the picture less the whole factors by which `matrix` shrinks its sides."""
    shares = np.hypot(*matrix[:2, :2])  # lengths of what a pixel's width and height become
    factors = np.maximum(1, np.floor(1 / np.maximum(shares, 1e-9) + 1e-9))
    if (factors == 1).all():
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width / factors[0])), max(1, round(height / factors[1])))
    return by_channels(image, lambda part: cv2.resize(part, size, interpolation=cv2.INTER_AREA))


def _onto(part, matrix, parameters, size):
    level = np.mean(parameters.cval) if part.ndim < 3 or part.shape[2] != 3 else parameters.cval
    return cv2.warpAffine(
        part,
        matrix,
        dsize=size[::-1],
        flags=parameters.cvInterpolation(),
        borderMode=parameters.cvBorderMode(),
        borderValue=np.broadcast_to(level, 3 if np.ndim(level) else 4).tolist(),
    )
