"""A detector whose labels are those of another list of classes."""

import numpy as np

from keras_retinanet.utils.class_names import known_classes


def new_labels(classes, known):
    """Return the label in `classes` of each class of `known`, int32 [K], -1 where there is none.

    Args:
        classes: names by label, of a dataset; "" for a label that no class has.
        known: names by label, of a model.

    Raises:
        KeyError: has the names of `classes` that are not among `known`, or the same class as
            another of them.
    """
    labels = np.full(len(known), -1, np.int32)
    missing = []
    for label, index in enumerate(known_classes(classes, known)):
        if index is None or labels[index] >= 0:
            missing += [classes[label]] if classes[label] else []
        else:
            labels[index] = label
    if missing:
        raise KeyError(*missing)
    return labels


def in_labels_of(dataset_labels, detector):
    """Return `detector`, in the labels of a dataset where they are others.

    Args:
        dataset_labels: of `new_labels`, None where they are the same.
        detector: see `Relabelled`.
    """
    return detector if dataset_labels is None else Relabelled(detector, dataset_labels)


class Relabelled:
    """`predict_on_batch` of a detector, in the labels of a dataset.

    What has no label there is taken out: its score is -1, as in rows that pad.

    Args:
        detector: has `predict_on_batch(images)` -> boxes, scores, labels, …
        labels: int32 [K], the new label of each class; -1 for none.
    """

    def __init__(self, detector, labels):
        self.output_names = detector.output_names
        self._predict = detector.predict_on_batch
        self._labels = np.append(labels, -1)  # the last one is what -1, padding, becomes

    def predict_on_batch(self, images):
        """Return NumPy arrays as the detector does, boxes of classes without a label padded."""
        boxes, scores, labels, *others = map(np.asarray, self._predict(images))
        labels = self._labels[labels]
        gone = labels < 0
        boxes = np.where(gone[..., None], -1, boxes).astype(boxes.dtype)
        return [boxes, np.where(gone, -1, scores).astype(scores.dtype), labels, *others]
