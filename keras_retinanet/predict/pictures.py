"""Pictures as a `Detector` takes them: arrays or files, whole or a window at a time."""

from pathlib import Path

import numpy as np

from keras_retinanet.utils.image import ImageError, check_image, read_image_bgr
from keras_retinanet.utils.image_channels import check_image_channels, read_image_channels
from keras_retinanet.utils.image_windows import read_window, reads_windows

COLOUR = 3  # channels; files are then read as 8 bits of blue, green and red


def as_levels(image, channels, order="bgr"):
    """Return an array given by a user as levels [H, W, C], blue first.

    Raises:
        ValueError: it is no picture that a network of so many channels takes.
    """
    levels = np.asarray(image)
    if levels.ndim == 2:
        levels = np.repeat(levels[..., None], channels, axis=2)
    kinds = (np.uint8,) if channels == COLOUR else (np.uint8, np.uint16)
    if (
        levels.ndim != 3
        or levels.shape[2] != channels
        or levels.dtype not in kinds
        or not levels.size
    ):
        raise ValueError(
            f"a picture must be uint8 [height, width, {channels}] or a path. "
            f"Received: {levels.dtype} {list(levels.shape)}"
        )
    return levels[..., ::-1] if order == "rgb" and channels == COLOUR else levels


class FilePicture:
    """A picture file.

    Args:
        path: of the file.
        channels: of the network's input.
        exif, max_pixels: as of `check_image`.
        by_window: whether windows are wanted, so that the file need not be read whole.

    Raises:
        ImageError: the file is missing, broken or too large.
    """

    def __init__(self, path, channels, exif, max_pixels, by_window=False):
        self.path, self._channels, self._exif = Path(path), channels, exif
        if channels == COLOUR:
            self.shape = check_image(path, max_pixels, exif)
        else:
            self.shape = check_image_channels(path, channels, max_pixels, exif)
        own = None if channels == COLOUR else channels
        self._by_window = by_window and reads_windows(path, own)
        self.image = None if self._by_window else self.read()

    def read(self):
        """Return all pixels."""
        if self._channels == COLOUR:
            return read_image_bgr(self.path, self._exif)
        return read_image_channels(self.path, self._channels, self._exif)

    def window(self, window):
        """Return the pixels within (x1, y1, x2, y2)."""
        if self._by_window:
            own = None if self._channels == COLOUR else self._channels
            return read_window(self.path, window, own)
        return ArrayPicture(self.image).window(window)


class ArrayPicture:
    """A picture in memory, levels [H, W, C], blue first."""

    path = None

    def __init__(self, image):
        self.image, self.shape = image, image.shape[:2]

    def window(self, window):
        """Return the pixels within (x1, y1, x2, y2)."""
        x1, y1, x2, y2 = (int(side) for side in window)
        return self.image[y1:y2, x1:x2]


__all__ = ["ArrayPicture", "FilePicture", "ImageError", "as_levels"]
