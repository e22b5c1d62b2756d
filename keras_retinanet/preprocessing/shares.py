"""The base of the datasets whose files give boxes as shares of their picture's width and height."""

from dataclasses import replace

import numpy as np

from keras_retinanet.preprocessing.table import TableGenerator


class ShareTableGenerator(TableGenerator):
    """A dataset of a Table in shares; its boxes are in pixels once the pictures' sizes are known.

    They are known when the generator is made, unless a subclass loads pictures in its own way.
    """

    def fit_boxes(self):
        """Turn shares into pixels, and clip the boxes to their pictures."""
        self.samples, self.ignored = self.in_pixels(self.samples), self.in_pixels(self.ignored)
        super().fit_boxes()

    def in_pixels(self, samples):
        """Return Samples in shares in pixels."""
        sides = np.asarray(self.image_sizes, np.float64)[samples.pictures][:, [1, 0, 1, 0]]
        return replace(samples, boxes=samples.boxes * sides)

    def load_annotations(self, image_index):
        """Return {"labels": [M] int32, "bboxes": [M, 4] float64, in pixels} of a picture."""
        return self._in_pixels(super().load_annotations(image_index), image_index)

    def load_ignored(self, image_index):
        """Return the regions of a picture in which nothing counts, in the same form."""
        return self._in_pixels(super().load_ignored(image_index), image_index)

    def _in_pixels(self, annotations, image_index):
        if self.image_sizes is not None:
            return annotations
        height, width = self.image_size(image_index)
        return {**annotations, "bboxes": annotations["bboxes"] * [width, height, width, height]}
