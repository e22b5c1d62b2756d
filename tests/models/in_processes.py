"""A training of 20 steps, and a detection, in one of several processes.

    python -m tests.models.in_processes INDEX NUMBER PORT FILE

Each process makes its part of the batches alone. The first one writes what came out into FILE.
"""

import sys

import numpy as np

from keras_retinanet.utils import processes

STEPS = 20


def batch(step, index, number):
    """Return this process' part of a batch of four pictures; the first two have no objects."""
    from tests.models.tiny import drawn_batch

    inputs, targets = drawn_batch()
    own = slice(index * 4 // number, (index + 1) * 4 // number)
    chosen = ([2, 2, 0, 1] if step % 2 else [2, 0, 2, 1])[own]
    images = (inputs["images"][chosen] * (1 - 0.04 * step)).astype(np.uint8)
    truth = {"boxes": targets["boxes"][chosen], "labels": targets["labels"][chosen]}
    return {"images": images, "sizes": inputs["sizes"][chosen]}, truth


def trained(index, number):
    """Return the weights and the optimizer's state after the training."""
    from keras import ops

    from keras_retinanet.models.optimizer import make_optimizer
    from keras_retinanet.models.training import TrainingModel
    from tests.models.tiny import tiny_network

    model = TrainingModel(tiny_network())
    optimizer = make_optimizer("adam", 0.001, 1.0, average=0.9)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile="auto")
    batches = (batch(step, index, number) for step in range(STEPS))
    model.fit(batches, steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0)
    values = [*model.network.variables, *optimizer.variables]
    return [np.array(ops.convert_to_numpy(value)) for value in values]


class Pictures:
    """A dataset of five pictures that are all of one level."""

    read = ()

    def size(self):
        return 5

    def load_image(self, index):
        self.read = (*self.read, index)
        return np.full((8, 8, 3), index, np.uint8)

    def resize_image(self, image):
        return image, 1.0

    def preprocess_image(self, image):
        return image


class Detector:
    """Finds as many boxes as the level of a picture."""

    def predict_on_batch(self, images):
        count = int(images[0, 0, 0, 0])
        place = np.arange(count)
        boxes = np.stack([place, place, place + 2, place + 2], axis=1)
        return boxes[None], (0.9 - 0.1 * place)[None], (place + count)[None]


def check_talk(index, number):
    """Assert what processes hear of each other."""
    assert (processes.index(), processes.number()) == (index, number)
    assert processes.told([index, "ü"]) == [0, "ü"]
    assert processes.largest("a", [index, 5 - index]) == [number - 1, 5]
    assert processes.from_first(lambda: {"first": index}) == {"first": 0}
    parts = processes.pieces({"own": np.full(400_000, index)})  # three messages
    assert (parts is None) == (index > 0)
    assert index or [part["own"].mean() for part in parts] == list(range(number))

    def fail():
        raise ValueError("no such folder")

    try:
        processes.from_first(fail)
    except ValueError as error:
        assert str(error) == ("" if index == 0 else "process 0: ") + "no such folder"
    else:
        raise AssertionError("nothing was raised")


def detected(index):
    """Return the detections of all pictures as one table."""
    from keras_retinanet.evaluation.detect import detect_dataset

    pictures = Pictures()
    found, _ = detect_dataset(pictures, Detector())
    assert pictures.read == tuple(range(index, 5, processes.number()))
    rows = [[*one.boxes[0], *one.scores, *one.labels] if len(one) else [] for one in found]
    return np.array([value for row in rows for value in [len(row), *row]])


def main(index, number, port, file):
    """Train, detect, write."""
    if number > 1:
        processes.start(f"127.0.0.1:{port}", number, index)
    from keras_retinanet.utils.devices import shared_among

    with shared_among(1):
        values = trained(index, number)
    check_talk(index, number)
    table = detected(index)
    if index == 0:
        np.savez(file, table, *values)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4])
