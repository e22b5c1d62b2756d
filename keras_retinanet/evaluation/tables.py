"""keras-retinanet 1.0's tables of boxes by image and label."""

import numpy as np

from keras_retinanet.evaluation.detect import detect_dataset
from keras_retinanet.evaluation.truths import labels_of, truths_of


def _get_detections(generator, model, score_threshold=0.05, max_detections=100, save_path=None):
    """Return (table, seconds): table[image][label] is [D, 5], x1, y1, x2, y2, score.

    `seconds` is the mean inference time of an image. Labels unknown to `generator` are empty.
    """
    found, seconds = detect_dataset(generator, model, score_threshold, max_detections, save_path)
    rows = [np.column_stack([one.boxes, one.scores]) for one in found]
    count = _table_width(generator, truths_of(generator))
    table = [_by_label(row, one.labels, count) for row, one in zip(rows, found, strict=True)]
    return table, seconds


def _get_annotations(generator):
    """Return table[image][label], each [M, 4] in pixels; labels unknown to it are empty."""
    truths = truths_of(generator)
    count = _table_width(generator, truths)
    return [_by_label(truth.boxes, truth.labels, count) for truth in truths]


def _table_width(generator, truths):
    """Return the last label + 1, so that `table[image][label]` works where ids have gaps."""
    return max(label + 1 for label in [generator.num_classes() - 1, *labels_of(generator, truths)])


def _by_label(rows, labels, count):
    return [rows[labels == label] for label in range(count)]
