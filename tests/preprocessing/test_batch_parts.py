"""Batches shared out among processes: the parts together are the whole batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from keras_retinanet.preprocessing.augmentation import AUGMENTATIONS, RANDOM_TRANSFORM
from keras_retinanet.preprocessing.batch_parts import BatchPart
from keras_retinanet.preprocessing.loader import Loader

SIZES = [(60, 80), (80, 60), (100, 100), (50, 90), (70, 70), (40, 64), (64, 40), (33, 35)]
MANY = np.tile([[3.0, 4, 30, 28]], (9, 1))  # more than the rows that every batch has
BOXES = [np.array([[2.0, 3, 20, 25]])] * 7 + [MANY]


class Meeting:
    """What processes use to agree, among threads."""

    def __init__(self, number):
        self.said = {}
        self.barrier = threading.Barrier(number)

    def largest(self, key, sizes):
        """Return the largest of what all name under `key`."""
        self.said.setdefault(key, []).append(sizes)
        self.barrier.wait(timeout=60)
        return np.max(self.said[key], axis=0).tolist()


def parts_of(generator, number, steps):
    """Return, for each process, the batches that its loader makes."""
    meeting = Meeting(number)

    def load(index):
        part = BatchPart(index, number, meeting.largest)
        return list(Loader(generator, workers=1, queue_size=2, steps=steps, part=part))

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(load, range(number)))


def noise(image, boxes, labels, rng):
    return image ^ rng.integers(0, 16, image.shape, np.uint8), boxes, labels


CASES = {
    "plain": {},
    "transforms": {"augmentation": RANDOM_TRANSFORM},
    "mosaic": {"augmentation": AUGMENTATIONS["mosaic"]},
    "own function": {"augment": noise},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("number", [2, 4])
def test_the_parts_of_a_batch_together_are_the_batch(case, number, old_style):
    generator = old_style(SIZES, BOXES, batch_size=4, seed=3, no_resize=False, **CASES[case])
    whole = list(Loader(generator, workers=1, steps=5))
    parts = parts_of(generator, number, steps=5)
    for step, (inputs, targets) in enumerate(whole):
        for name, array in {**inputs, **targets}.items():
            pieces = [{**part[step][0], **part[step][1]}[name] for part in parts]
            assert {len(piece) for piece in pieces} == {4 // number}
            np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_no_part_holds_a_picture_of_another(old_style):
    generator = old_style(SIZES, batch_size=4, group_method="none", shuffle_groups=False)
    loaded = []
    generator.load_image = lambda index: loaded.append(index) or generator.images[index]
    part = BatchPart(1, 2, lambda key, sizes: sizes)
    for index in range(2):
        generator.raw_batch(index, part=part)
    assert loaded == [2, 3, 6, 7]


def test_a_batch_that_cannot_be_shared_out_is_refused(old_style):
    generator = old_style(SIZES, batch_size=3)
    with pytest.raises(ValueError, match="batch of 3 pictures cannot be shared out among 2 proc"):
        generator.raw_batch(0, part=BatchPart(0, 2, None))
