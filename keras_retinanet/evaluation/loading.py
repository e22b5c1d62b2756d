"""Images of a dataset as a detector takes them, read while it works, in batches of one size."""

import collections
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keras_retinanet.utils.detections import Placement
from keras_retinanet.utils.image import ImageError

IMAGES_AHEAD = 2  # read while the detector works: one would do, two smooth uneven sizes
WAITING = 4  # batches of images, which are in memory until others of their size come


@dataclass(frozen=True)
class Loaded:
    """An image as the model sees it.

    Attributes:
        index: in its generator.
        original: uint8 [H, W, C].
        prepared: what the model takes, [h, w, C].
        placement: `Placement` of the second in the first.
    """

    index: int
    original: np.ndarray
    prepared: np.ndarray
    placement: Placement


def loaded_images(generator, indices):
    """Yield the `Loaded` of each index but those left out, reading a few ahead in one thread."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = collections.deque()
        try:
            for index in indices:
                waiting.append(reader.submit(load_prepared, generator, index))
                if len(waiting) > IMAGES_AHEAD and (loaded := waiting.popleft().result()):
                    yield loaded
            while waiting:
                if loaded := waiting.popleft().result():
                    yield loaded
        finally:
            for future in waiting:
                future.cancel()


def in_batches(images, size):
    """Yield lists of up to `size` `Loaded` images whose prepared pictures have one shape.

    Where `WAITING` times as many wait for others of their shape, those that wait longest go.
    """
    waiting = {}  # by shape
    for loaded in images:
        shape = loaded.prepared.shape
        waiting.setdefault(shape, []).append(loaded)
        if len(waiting[shape]) == size:
            yield waiting.pop(shape)
        elif sum(map(len, waiting.values())) >= WAITING * size:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def load_prepared(generator, index):
    """Return the `Loaded` of an image, None for one left out as broken.

    A generator that is none of ours has no margin.
    """
    try:
        raw_image = generator.load_image(index)
    except ImageError as error:
        if not getattr(generator, "skip_broken", False):
            raise
        generator.leave_out({index: str(error)})
        return None
    # A copy, because subclasses may resize or preprocess in place.
    image, scale = generator.resize_image(raw_image.copy())
    margin = getattr(generator, "resize_margin", lambda shape: 0.0)(raw_image.shape)
    prepared = np.asarray(generator.preprocess_image(image))
    return Loaded(index, raw_image, prepared, Placement(scale, margin))
