"""A dataset of large pictures seen as a dataset of their tiles.

An object that a tile cuts counts there if enough of its area is left; otherwise what is left is a
region to ignore: it should be taken neither for an object nor for background. Tiles are not
resized: an object keeps its pixels.
"""

import threading
from collections import OrderedDict
from concurrent.futures import Future

import numpy as np

from keras_retinanet.preprocessing.annotations import check_annotations, select
from keras_retinanet.preprocessing.generator import Generator
from keras_retinanet.preprocessing.hooks import DatasetHooks
from keras_retinanet.utils.image_windows import read_window, reads_windows

KEEP = 0.5  # share of an object's area
CACHE = 2**30  # bytes of whole pictures, held while their tiles are read


class TiledGenerator(Generator):
    """The tiles of a dataset's pictures, as pictures.

    Where a file's format allows, only the tile is read. Other pictures are decoded whole and
    kept for a while; each epoch shuffles pictures, and then the tiles of as many as fit.

    Args:
        dataset: `Generator` of the pictures, which gives their pixels and objects.
        tiling: `utils.tiles.Tiling`.
        keep: share of an object's area from which a tile that cuts it has it as an object.
        cache: bytes of whole pictures that are kept.
        kwargs: options of `Generator`; how files are read is the dataset's choice.

    Attributes:
        owners: the picture of each tile, [T].
        windows: the place of each tile in its picture, (x1, y1, x2, y2), [T, 4].
    """

    def __init__(self, dataset, tiling, keep=KEEP, cache=CACHE, **kwargs):
        self.dataset, self.tiling, self.keep = dataset, tiling, keep
        self._cache_size = cache
        indices = [i for i in range(dataset.size()) if i not in dataset.broken]
        self._sizes = {index: _size(dataset, index) for index in indices}
        windows = [tiling.windows(self._sizes[index]) for index in indices]
        self.owners = np.repeat(indices, [len(of_picture) for of_picture in windows])
        self.windows = np.concatenate(windows)
        self._by_window = {index for index in indices if self._can_read_windows(index)}
        self._pictures = Cache(lambda index: dataset.load_image_group([index])[0], cache)
        own = {"channels": dataset.channels, "exif": dataset.exif, "no_resize": True}
        super().__init__(**{"preprocess_image": dataset.preprocess_image, **kwargs, **own})

    def _can_read_windows(self, index):
        from_files = type(self.dataset).load_image is DatasetHooks.load_image
        return from_files and reads_windows(self.dataset.image_path(index), self.dataset.channels)

    def size(self):
        """Return the number of tiles."""
        return len(self.owners)

    def num_classes(self):
        """Return the largest label + 1."""
        return self.dataset.num_classes()

    def has_label(self, label):
        """Return whether `label` is a known label."""
        return self.dataset.has_label(label)

    def has_name(self, name):
        """Return whether `name` is a known class name."""
        return self.dataset.has_name(name)

    def name_to_label(self, name):
        """Return the label of a class name."""
        return self.dataset.name_to_label(name)

    def label_to_name(self, label):
        """Return the class name of a label."""
        return self.dataset.label_to_name(label)

    def image_path(self, image_index):
        """Return the file of the tile's picture."""
        return self.dataset.image_path(self.owners[image_index])

    def image_name(self, image_index):
        """Return what messages call the tile."""
        x, y = self.windows[image_index, :2]
        return f"{self.dataset.image_name(self.owners[image_index])}, tile at ({x}, {y})"

    def image_size(self, image_index):
        """Return (height, width) of a tile."""
        x1, y1, x2, y2 = self.windows[image_index].tolist()
        return y2 - y1, x2 - x1

    def load_image(self, image_index):
        """Return the pixels of a tile."""
        owner = int(self.owners[image_index])
        x1, y1, x2, y2 = self.windows[image_index].tolist()
        if owner in self._by_window:
            path = self.dataset.image_path(owner)
            return read_window(path, (x1, y1, x2, y2), self.dataset.channels)
        return self._pictures.get(owner)[y1:y2, x1:x2].copy()

    def load_annotations(self, image_index):
        """Return the objects of which the tile has enough."""
        annotations, boxes, shares = self._seen(image_index)
        return select(annotations, shares >= self.keep - 1e-9, boxes)

    def load_ignored(self, image_index):
        """Return the dataset's regions to ignore, and what is left of objects cut too much."""
        annotations, boxes, shares = self._seen(image_index)
        cut = (shares > 0) & (shares < self.keep - 1e-9)
        ignored = self.dataset.load_ignored(int(self.owners[image_index]))
        regions, seen = _clipped(ignored["bboxes"], self.windows[image_index])
        labels = [np.asarray(annotations["labels"])[cut], np.asarray(ignored["labels"])[seen > 0]]
        return {
            "labels": np.concatenate(labels).astype(np.int32),
            "bboxes": np.concatenate([boxes[cut], regions[seen > 0]]),
        }

    def _seen(self, image_index):
        """Return a picture's annotations, its boxes in the tile, and the shares of them there."""
        owner = int(self.owners[image_index])
        annotations = check_annotations(self.dataset.load_annotations(owner), owner)
        return annotations, *_clipped(annotations["bboxes"], self.windows[image_index])

    def _shuffled_groups(self, rng):
        """Return groups of tiles: pictures shuffled, then the tiles of as many as fit the cache."""
        usable = [index for index in range(self.size()) if index not in self.broken]
        tiles_of = {}
        for index in usable:
            tiles_of.setdefault(int(self.owners[index]), []).append(index)
        order, block, held = [], [], 0
        for owner in rng.permutation(sorted(tiles_of)).tolist():
            size = 0 if owner in self._by_window else np.prod(self._sizes[owner]) * self._depth()
            if block and held + size > self._cache_size / 2:  # half: workers run into the next
                order += rng.permutation(block).tolist()
                block, held = [], 0
            block, held = block + tiles_of[owner], held + size
        return self._cut(order + rng.permutation(block).tolist())

    def _depth(self):
        """Return the bytes of a pixel, at most."""
        return 3 if self.channels is None else 2 * self.channels


def _size(dataset, index):
    """Return (height, width) of a picture; one that is made in memory must be loaded for it."""
    kind = type(dataset)
    from_files = kind.load_image is DatasetHooks.load_image
    if from_files or kind.image_size is not DatasetHooks.image_size:
        return dataset.image_size(index)
    return dataset.load_image(index).shape[:2]


def _clipped(boxes, window):
    """Return boxes [M, 4] of a picture within a window, in its pixels, and their shares there."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) - np.tile(window[:2], 2)
    clipped = np.clip(boxes, 0, np.tile(window[2:] - window[:2], 2))
    areas, left = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (boxes, clipped))
    return clipped, np.divide(left, areas, out=np.zeros_like(left), where=areas > 0)


class Cache:
    """Pictures by number, the last ones kept; each is loaded once, however many threads ask.

    Args:
        load: f(number) -> array.
        size: bytes that may be kept beside those just asked for.
    """

    def __init__(self, load, size):
        self._load, self._size = load, size
        self._held, self._lock = OrderedDict(), threading.Lock()  # {number: Future}

    def get(self, number):
        """Return the array of a number."""
        with self._lock:
            future = self._held.get(number)
            is_mine = future is None
            if is_mine:
                future = self._held[number] = Future()
            self._held.move_to_end(number)
        if is_mine:
            self._fill(number, future)
        return future.result()

    def _fill(self, number, future):
        try:
            future.set_result(self._load(number))
        except BaseException as error:
            with self._lock:
                del self._held[number]
            future.set_exception(error)
            return
        with self._lock:
            done = [n for n, held in self._held.items() if held.done()]
            total = sum(self._held[n].result().nbytes for n in done)
            for old in done:
                if total <= self._size or old == number:
                    break
                total -= self._held.pop(old).result().nbytes
