"""Pictures as a `Detector` takes them: arrays or files, whole or a window at a time."""

from pathlib import Path

import numpy as np

from keras_retinanet.utils.image import ImageError, check_image, read_image_bgr
from keras_retinanet.utils.image_channels import check_image_channels, read_image_channels
from keras_retinanet.utils.image_windows import read_window, reads_windows

BAND = 1024  # rows of a file read at a time; a usual side of tiles in it
KINDS = {8: np.uint8, 16: np.uint16}  # bits of levels: dtype


def as_levels(image, preprocessing, order="bgr"):
    """Return an array given by a user as levels [H, W, C], blue first.

    Args:
        image: [H, W, C], or [H, W], which is taken for every channel.
        preprocessing: `Preprocessing` of the network.
        order: of three channels.

    Raises:
        ValueError: it is no picture that the network takes.
    """
    channels, kind = preprocessing.channels, np.dtype(KINDS[preprocessing.bits])
    levels = np.asarray(image)
    if levels.ndim == 2:
        levels = np.repeat(levels[..., None], channels, axis=2)
    fits = levels.ndim == 3 and levels.shape[2] == channels and levels.dtype == kind
    if not fits or not levels.size:
        raise ValueError(
            f"a picture must be {kind} [height, width, {channels}] or a path. "
            f"Received: {levels.dtype} {list(levels.shape)}"
        )
    return levels[..., ::-1] if order == "rgb" and channels == 3 else levels


class FilePicture:
    """A picture file.

    Args:
        path: of the file.
        profile: of the network: which channels and bits it takes.
        exif, max_pixels: as of `check_image`.
        by_window: whether windows are wanted, so that the file need not be read whole.

    Attributes:
        shape: (height, width).
        image: its pixels [H, W, C], blue first; None where it is read by windows.

    Raises:
        ImageError: the file is missing, broken, too large, or of other channels or bits.
    """

    def __init__(self, path, profile, exif, max_pixels, by_window=False):
        self.path, self._exif = Path(path), exif
        self._channels, self._preprocessing = profile.picture_channels, profile.preprocessing
        if self._channels is None:
            self.shape = check_image(path, max_pixels, exif)
        else:
            self.shape = check_image_channels(path, self._channels, max_pixels, exif)
        self._by_window = by_window and reads_windows(path, self._channels)
        self.image = None if self._by_window else self.read()

    def read(self):
        """Return all pixels."""
        if self._by_window:
            return self._by_bands()
        if self._channels is None:
            return read_image_bgr(self.path, self._exif)
        return self._checked(read_image_channels(self.path, self._channels, self._exif))

    def window(self, window):
        """Return the pixels within (x1, y1, x2, y2)."""
        if self._by_window:
            return self._checked(read_window(self.path, window, self._channels))
        return ArrayPicture(self.image).window(window)

    def _by_bands(self):
        """Return all pixels, of a file too large to be held twice, as decoders do."""
        height, width = self.shape
        bands = [(top, min(top + BAND, height)) for top in range(0, height, BAND)]
        image = None
        for top, below in bands:
            part = self.window((0, top, width, below))
            if image is None:
                image = np.empty((height, width, part.shape[2]), part.dtype)
            image[top:below] = part
        return image

    def _checked(self, image):
        try:
            self._preprocessing.check_bits(image.dtype)
        except ValueError as error:
            raise ImageError(f"{self.path}: {error}") from error
        return image


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
