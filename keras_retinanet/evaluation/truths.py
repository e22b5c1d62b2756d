"""What a dataset says is in its pictures, in the form that the metrics read."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Truths:
    """The true objects of one image.

    Attributes:
        boxes: float64 [M, 4], (x1, y1, x2, y2) in pixels of the original image.
        labels: int64 [M].
        crowd: bool [M], which of them are regions to ignore instead, as COCO's crowds; None for
            none.
        areas: float [M] in square pixels, or None for the areas of the boxes; only the COCO
            numbers use them, to sort objects into small, medium and large.
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray | None = None
    areas: np.ndarray | None = None

    def objects(self):
        """Return the Truths without the regions to ignore."""
        return self if self.crowd is None else self._rows(~self.crowd)

    def regions(self):
        """Return the Truths of the regions to ignore alone."""
        return NO_TRUTHS if self.crowd is None else self._rows(self.crowd)

    def _rows(self, rows):
        areas = None if self.areas is None else self.areas[rows]
        return Truths(self.boxes[rows], self.labels[rows], areas=areas)


NO_TRUTHS = Truths(np.zeros((0, 4)), np.zeros(0, np.int64))


def truths_of(generator):
    """Return one `Truths` for each image of `generator`, in its order.

    Images that turned out to be broken and are left out have no objects.
    """
    broken = getattr(generator, "broken", {})
    return [
        NO_TRUTHS if index in broken else _truths_of_image(generator, index)
        for index in range(generator.size())
    ]


def truths_with_ignored(generator):
    """Return `truths_of` with the dataset's regions to ignore as crowds, if it has any.

    They come from `load_ignored(index)`, {"labels": [I], "bboxes": [I, 4]}; a label below 0 means
    every class.
    """
    truths = truths_of(generator)
    if not hasattr(generator, "load_ignored"):
        return truths
    labels = np.array(labels_of(generator, truths), np.int64)
    return [
        truth if truth is NO_TRUTHS else _with_crowds(truth, generator.load_ignored(index), labels)
        for index, truth in enumerate(truths)
    ]


def _with_crowds(truth, ignored, labels):
    every = ignored["labels"] < 0
    boxes = [
        truth.boxes,
        ignored["bboxes"][~every],
        ignored["bboxes"][every].repeat(len(labels), 0),
    ]
    kinds = [truth.labels, ignored["labels"][~every], np.tile(labels, every.sum())]
    count = sum(map(len, kinds))
    return Truths(
        np.concatenate(boxes), np.concatenate(kinds), np.arange(count) >= len(truth.labels)
    )


def _truths_of_image(generator, index):
    annotations = generator.load_annotations(index)
    boxes = np.asarray(annotations["bboxes"], dtype=np.float64).reshape(-1, 4)
    labels = np.asarray(annotations["labels"]).astype(np.int64).reshape(-1)
    if len(boxes) != len(labels):
        raise ValueError(
            f"load_annotations({index}) of {type(generator).__name__} gives {len(boxes)} bboxes "
            f"and {len(labels)} labels. Return one label for each box."
        )
    return Truths(boxes, labels)


def labels_of(generator, truths=()):
    """Return the labels that `generator` knows, ascending: they may have gaps or start above 0.

    Labels that occur in `truths` count although `num_classes()` ends before them, because
    subclasses with ids from 1 often return the number of classes instead of the last id + 1.
    """
    candidates = set(range(generator.num_classes()))
    candidates.update(int(label) for truth in truths for label in np.unique(truth.labels))
    return [label for label in sorted(candidates) if generator.has_label(label)]
