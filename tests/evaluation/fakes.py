"""A dataset and a detector without pictures or a network."""

import numpy as np

from keras_retinanet.evaluation import Detections, Truths


def truths(*rows, crowd=None, areas=None):
    """Make the truths of one image from rows (label, x1, y1, x2, y2)."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Truths(table[:, 1:], table[:, 0].astype(np.int64), crowd, areas)


def detections(*rows):
    """Make the detections of one image from rows (label, score, x1, y1, x2, y2)."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    return Detections(table[:, 2:], table[:, 1], table[:, 0].astype(np.int32))


class FakeGenerator:
    """Images of one colour, which is their index, with keras-retinanet 1.0's methods."""

    def __init__(self, truths, names, scale=2, shape=(40, 60, 3)):
        self.truths = truths
        self.names = names  # {label: name}
        self.scale = scale
        self.shape = shape

    def size(self):
        return len(self.truths)

    def num_classes(self):
        return max(self.names) + 1

    def has_label(self, label):
        return label in self.names

    def label_to_name(self, label):
        return self.names[label]

    def load_image(self, index):
        image = np.full(self.shape, index, dtype=np.uint8)
        image.flags.writeable = False
        return image

    def load_annotations(self, index):
        return {"labels": self.truths[index].labels, "bboxes": self.truths[index].boxes}

    def resize_image(self, image):
        assert image.dtype == np.uint8, "an image is resized before it is preprocessed"
        return image.repeat(self.scale, axis=0).repeat(self.scale, axis=1), self.scale

    def preprocess_image(self, image):
        assert image.shape == (self.shape[0] * self.scale, self.shape[1] * self.scale, 3)
        return image.astype(np.float32) - 100.0


class FakeGeneratorWithRegion(FakeGenerator):
    """A region to ignore, of any class, in the left 20 pixels of every image."""

    def load_ignored(self, index):
        return {"labels": np.array([-1]), "bboxes": np.array([[0.0, 0.0, 20.0, 40.0]])}


class FakeDetector:
    """Return given detections for the image whose colour is their index, padded with -1."""

    def __init__(self, found, scale=2, rows=10):
        self.found = found
        self.scale = scale
        self.rows = rows

    def predict_on_batch(self, images):
        assert images.dtype == np.float32
        rows = [self._rows_of(round(float(image[0, 0, 0]) + 100.0)) for image in images]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    def _rows_of(self, index):
        found = self.found[index]
        padding = ((0, self.rows - len(found.scores)), (0, 0))
        boxes = np.pad(found.boxes * self.scale, padding, constant_values=-1)
        scores = np.pad(found.scores, padding[0], constant_values=-1)
        labels = np.pad(found.labels, padding[0], constant_values=-1)
        return boxes, scores, labels


class FakeNetwork:
    """Return what a network returns: deltas and probabilities for each anchor."""

    def predict_on_batch(self, images):
        return np.zeros((1, 7, 4), np.float32), np.zeros((1, 7, 3), np.float32)
