"""What a dataset says about itself. A subclass of `Generator` overrides these methods."""

import numpy as np

from keras_retinanet.utils.image import read_image_bgr, read_image_size
from keras_retinanet.utils.image_channels import check_image_channels, read_image_channels


class DatasetHooks:
    """The questions a generator asks of its dataset; indices of pictures run from 0 to size().

    A subclass that leaves `load_image` alone has its pictures in files: all their headers are
    read when the generator is made.
    """

    exif = True
    tiled = None  # the tiles of its pictures, a `TiledGenerator`, in which detectors are to look
    channels = None  # of pictures read as they are; None: 8 bits, blue, green, red
    image_sizes = None  # [pictures, 2] height and width, once the headers are read

    def _missing(self, hook):
        return NotImplementedError(f"{type(self).__name__} must define {hook}()")

    def size(self):
        """Return the number of pictures."""
        raise self._missing("size")

    def num_classes(self):
        """Return the largest label + 1."""
        raise self._missing("num_classes")

    def has_label(self, label):
        """Return whether `label` is a known label."""
        raise self._missing("has_label")

    def has_name(self, name):
        """Return whether `name` is a known class name."""
        raise self._missing("has_name")

    def name_to_label(self, name):
        """Return the label of a class name."""
        raise self._missing("name_to_label")

    def label_to_name(self, label):
        """Return the class name of a label."""
        raise self._missing("label_to_name")

    def image_path(self, image_index):
        """Return the picture's file."""
        raise self._missing("image_path")

    def load_annotations(self, image_index):
        """Return {"labels": [M], "bboxes": [M, 4]} of a picture."""
        raise self._missing("load_annotations")

    def load_ignored(self, image_index):
        """Return {"labels": [G], "bboxes": [G, 4]}, the regions of a picture to ignore.

        A label says which class was not annotated one by one there, -1 any. Training ignores
        all classes there.
        """
        return {"labels": np.zeros(0, np.int32), "bboxes": np.zeros((0, 4))}

    def load_image(self, image_index):
        """Return the picture, uint8 [h, w, 3] BGR, or, with `channels`, as its file has it."""
        if self.channels is not None:
            return read_image_channels(self.image_path(image_index), self.channels, self.exif)
        return read_image_bgr(self.image_path(image_index), exif=self.exif)

    def image_size(self, image_index):
        """Return (height, width) of a picture without decoding it."""
        if self.image_sizes is not None:
            return tuple(self.image_sizes[image_index].tolist())
        if self.channels is not None:
            path = self.image_path(image_index)
            return check_image_channels(path, self.channels, exif=self.exif)
        return read_image_size(self.image_path(image_index), exif=self.exif)

    def image_aspect_ratio(self, image_index):
        """Return width / height of a picture."""
        height, width = self.image_size(image_index)
        return width / height

    def place_of(self, image_index):
        """Return where the annotations name a picture, as the beginning of a message, or ""."""
        return ""

    def image_name(self, image_index):
        """Return what messages call a picture: its file, or its number."""
        try:
            return str(self.image_path(image_index)) or f"picture {image_index}"
        except NotImplementedError:
            return f"picture {image_index}"
