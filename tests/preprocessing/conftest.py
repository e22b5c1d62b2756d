"""Small data sets: as a subclass written for keras-retinanet 1.0, and as CSV files on disk."""

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing.generator import Generator


class OldStyle(Generator):
    """A subclass as users of 1.0 wrote them: own fields first, then `super().__init__`."""

    def __init__(self, images, boxes, labels, classes=3, **kwargs):
        self.images, self.boxes, self.truth, self.classes = images, boxes, labels, classes
        super().__init__(**kwargs)

    def size(self):
        return len(self.images)

    def num_classes(self):
        return self.classes

    def load_image(self, image_index):
        return self.images[image_index]

    def image_aspect_ratio(self, image_index):
        return self.images[image_index].shape[1] / self.images[image_index].shape[0]

    def load_annotations(self, image_index):
        return {"labels": self.truth[image_index], "bboxes": self.boxes[image_index]}


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def old_style():
    """Return f(sizes, **options) -> a generator of one box a picture, label = index % 3."""

    def make(sizes, boxes=None, **options):
        images = [noise(height, width, seed) for seed, (height, width) in enumerate(sizes)]
        if boxes is None:
            boxes = [np.array([[2.0, 3, width - 4, height - 1]]) for height, width in sizes]
        labels = [np.full(len(found), index % 3) for index, found in enumerate(boxes)]
        return OldStyle(images, boxes, labels, **{"no_resize": True, **options})

    return make


@pytest.fixture
def csv_files(tmp_path):
    """Return f(sizes, rows=None) -> (annotations, classes): pictures 0.png, 1.png, … on disk."""

    def make(sizes, rows=None):
        for index, (height, width) in enumerate(sizes):
            Image.fromarray(noise(height, width, index)).save(tmp_path / f"{index}.png")
        if rows is None:
            rows = [f"{i}.png,1,2,{w - 3},{h - 4},cat" for i, (h, w) in enumerate(sizes)]
        (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
        (tmp_path / "classes.csv").write_text("cat,0\ndog,2\n")
        return tmp_path / "rows.csv", tmp_path / "classes.csv"

    return make
