"""How much the objects of each class count: from a file, or from how many there are."""

import math

import numpy as np

from keras_retinanet.preprocessing.csv_text import (
    csv_rows,
    located,
    numbered_rows,
    read_text,
    shown,
)
from keras_retinanet.preprocessing.samples import AnnotationError


def read_class_weights(path, names):
    """Return {name: weight} of a CSV file of lines `name,weight`; classes left out have 1.

    Args:
        path: of the file.
        names: of the classes.

    Raises:
        AnnotationError: one line with file and line.
    """
    weights, lines = {}, {}
    with located(path):
        for line, row in numbered_rows(csv_rows(read_text(path))):
            name, weight = _parsed(line, row)
            if name in lines:
                raise AnnotationError(
                    f"line {line}: the class {shown(name)} is already on line {lines[name]}. "
                    "Name it once"
                )
            if name not in names:
                raise AnnotationError(
                    f"line {line}: no class is named {shown(name)}. "
                    f"Write one of {', '.join(filter(None, names))}"
                )
            weights[name], lines[name] = weight, line
    return {name: weights.get(name, 1.0) for name in names if name}


def _parsed(line, row):
    """Return the name and the weight of a row."""
    if len(row) != 2 or not row[0]:
        raise AnnotationError(
            f"line {line}: format should be 'class_name,weight', found {shown(','.join(row))}. "
            "Give each class a name and a number above 0"
        )
    try:
        weight = float(row[1])
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise AnnotationError(
            f"line {line}: the weight {shown(row[1])} is not a number above 0. "
            "Write 2 where an object is to count twice"
        )
    return row[0], weight


def count_objects(generator):
    """Return the number of boxes of each label of a dataset, int64 [K]."""
    counts = np.zeros(generator.num_classes(), np.int64)
    for index in range(generator.size()):
        labels = np.asarray(generator.load_annotations(index)["labels"], np.int64)
        counts += np.bincount(labels[labels >= 0], minlength=len(counts))
    return counts


def balanced_weights(counts):
    """Return weights [K] inverse to the square root of the counts, of mean 1 over all objects.

    Between no weights, under which a frequent class rules, and weights inverse to the counts,
    under which a few objects do. There is nothing to choose, unlike the effective number of Cui
    et al. 2019 (arXiv:1901.05555), whose beta has to fit the dataset's size. Mean 1 over objects,
    not over classes, keeps the balance between objects and background.

    Args:
        counts: objects of each class, [K]; a class without any has the weight of one object.
    """
    counts = np.asarray(counts, np.float64)
    weights = 1.0 / np.sqrt(np.maximum(counts, 1.0))
    total = counts.sum()
    return weights * total / (weights * counts).sum() if total else np.ones_like(weights)
