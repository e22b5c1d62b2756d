"""A dataset to examine, made of a few lines."""

import numpy as np
import pytest

from keras_retinanet.doctor.subject import Subject
from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.samples import Samples

CLASSES = {0: "cat", 1: "dog"}


def make_subject(rows, sizes=((100, 200),), flat=(), repeated=(), **more):
    """Return a Subject of pictures 0.png, 1.png, …

    Args:
        rows, repeated: [(picture, x1, y1, x2, y2, label)].
        sizes: (height, width) of the pictures.
        flat: FlatBoxes.
        more: further fields.
    """
    names = tuple(f"{index}.png" for index in range(len(sizes)))

    def table(lines):
        columns = np.array(lines, float).reshape(-1, 6)
        return Samples.from_rows(names, columns[:, 0], columns[:, 1:5], columns[:, 5])

    fields = {
        "source": "made up",
        "names": names,
        "files": names,
        "sizes": np.array(sizes, np.int64).reshape(-1, 2),
        "broken": {},
        "declared": None,
        "samples": table(rows),
        "repeated": table(repeated),
        "flat": tuple(flat),
        "regions": np.zeros(len(sizes), int),
        "classes": CLASSES,
        "unknown": {},
        "form": box_forms.CSV,
    }
    return Subject(**(fields | more))


@pytest.fixture
def subject():
    """Return `make_subject`."""
    return make_subject
