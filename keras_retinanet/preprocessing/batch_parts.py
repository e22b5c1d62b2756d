"""A batch shared out among processes: each loads some of its pictures.

All parts have equal shapes, since together they are one array. How large it is shows only once the
pictures are augmented, so each part says how large it is, and the largest sides count.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_retinanet.preprocessing.canvas import grown
from keras_retinanet.utils import processes

_rounds = itertools.count()


@dataclass(frozen=True)
class BatchPart:
    """Which pictures of each batch one process makes.

    Attributes:
        index: of the process.
        number: of processes; batches are a multiple of it.
        largest: f(key, sizes) -> the largest of the sizes, a list of whole numbers, that the
            processes name under one key.
    """

    index: int
    number: int
    largest: Callable

    def places(self, count):
        """Return the places of this process' pictures in a batch of `count`.

        Raises:
            ValueError: `count` is no multiple of the processes.
        """
        if count % self.number:
            raise ValueError(
                f"a batch of {count} pictures cannot be shared out among {self.number} processes; "
                "give a batch size that is a multiple of that"
            )
        own = count // self.number
        return range(self.index * own, (self.index + 1) * own)

    def as_large_as_others(self, canvas, boxes, labels, epoch, index):
        """Return the arrays of a batch's part, padded to what its other parts have.

        Args:
            canvas: [b, H, W, C].
            boxes: [b, M, 4].
            labels: [b, M].
            epoch, index: of the batch.
        """
        height, width = canvas.shape[1:3]
        high, wide, most = self.largest(
            f"batch/{epoch}/{index}", [int(height), int(width), int(boxes.shape[1])]
        )
        return (
            grown(canvas, (high, wide), 0),
            grown(boxes, (most,), np.float32(0)),
            grown(labels, (most,), np.int32(-1)),
        )


def own_part():
    """Return the `BatchPart` of this process, None where it is alone.

    All processes call it in the same order, once for each loader.
    """
    if processes.number() == 1:
        return None
    prefix = f"loader/{next(_rounds)}"

    def largest(key, sizes):
        return processes.largest(f"{prefix}/{key}", sizes)

    return BatchPart(processes.index(), processes.number(), largest)
