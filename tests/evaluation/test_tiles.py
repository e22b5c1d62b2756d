"""Detection by tiles: a dataset's measures see whole pictures."""

import numpy as np

from keras_retinanet import evaluation
from keras_retinanet.preprocessing.generator import Generator
from keras_retinanet.preprocessing.tiles import TiledGenerator
from keras_retinanet.utils.tiles import Tiling


class Rectangles(Generator):
    """Black pictures with bright rectangles, which are the objects."""

    def __init__(self, pictures, size, **kwargs):
        self.pictures, self.shape = pictures, size
        super().__init__(group_method="none", shuffle_groups=False, no_resize=True, **kwargs)

    def size(self):
        return len(self.pictures)

    def num_classes(self):
        return 1

    def has_label(self, label):
        return label == 0

    def label_to_name(self, label):
        return "rectangle"

    def load_image(self, image_index):
        image = np.zeros((*self.shape, 3), np.uint8)
        for x1, y1, x2, y2 in self.pictures[image_index]:
            image[y1:y2, x1:x2] = 255
        return image

    def image_size(self, image_index):
        return self.shape

    def load_annotations(self, image_index):
        boxes = np.array(self.pictures[image_index], float).reshape(-1, 4)
        return {"bboxes": boxes, "labels": np.zeros(len(boxes), int)}


class FindsBright:
    """A detector that finds the bright rectangles of a picture exactly, by flooding."""

    seen = ()

    def predict_on_batch(self, images):
        import cv2

        self.seen = [*self.seen, images.shape[1:3]]
        bright = (images[0, ..., 0] > 0).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
        x, y, w, h = stats[1:, :4].T.astype(np.float32)
        boxes = np.stack([x, y, x + w, y + h], axis=1)
        scores = 0.5 + (w * h / 1e6)  # larger parts are surer
        pad = ((0, 3), (0, 0))
        return (
            np.pad(boxes, pad, constant_values=-1)[None],
            np.pad(scores, pad[0], constant_values=-1)[None],
            np.pad(np.zeros(len(boxes), int), pad[0], constant_values=-1)[None],
        )


PICTURES = [
    [(10, 10, 40, 40), (80, 70, 150, 120), (60, 5, 290, 25), (170, 170, 220, 195)],
    [],
    [(0, 0, 300, 200)],
]


def dataset():
    made = Rectangles(PICTURES, (200, 300), preprocess_image=lambda image: image / 255)
    made.tiled = TiledGenerator(made, Tiling(100), group_method="none", shuffle_groups=False)
    return made


def test_what_was_one_object_is_one_detection(tmp_path):
    model, generator = FindsBright(), dataset()
    found, seconds = evaluation.detect_dataset(generator, model, 0.05, 100, tmp_path)
    assert set(model.seen) == {(100, 100)} and seconds > 0
    assert len(found) == 3
    for one, boxes in zip(found, PICTURES, strict=True):
        assert sorted(map(tuple, one.boxes.round().astype(int).tolist())) == sorted(boxes)
        assert (np.diff(one.scores) <= 0).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png", "2.png"]


def test_measures_are_those_of_whole_pictures():
    metrics = evaluation.coco_metrics_of(
        dataset(), evaluation.detect_dataset(dataset(), FindsBright())[0]
    )
    assert metrics["AP"] > 0.999


def test_only_the_best_of_a_picture_are_kept():
    found, _ = evaluation.detect_dataset(dataset(), FindsBright(), max_detections=2)
    assert [len(one.scores) for one in found] == [2, 0, 1]
