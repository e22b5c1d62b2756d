"""Measure a detector on a dataset."""

from keras_retinanet.evaluation.average_precision import (
    average_precisions,
    mean_ap,
    weighted_mean_ap,
)
from keras_retinanet.evaluation.coco import coco_metrics
from keras_retinanet.evaluation.coco_files import coco_metrics_of
from keras_retinanet.evaluation.detect import Detections, detect_dataset
from keras_retinanet.evaluation.truths import Truths, labels_of, truths_of, truths_with_ignored

__all__ = [
    "Detections",
    "Truths",
    "average_precisions",
    "coco_metrics",
    "coco_metrics_of",
    "detect_dataset",
    "evaluate",
    "labels_of",
    "mean_ap",
    "truths_of",
    "truths_with_ignored",
    "weighted_mean_ap",
]


def evaluate(
    generator, model, iou_threshold=0.5, score_threshold=0.05, max_detections=100, save_path=None
):
    """Return the average precision of `model` on `generator`, by class.

    Args:
        generator: the dataset, a `preprocessing.generator.Generator`.
        model: a detector; see `detect_dataset` for it and for the other arguments.
        iou_threshold: the IoU from which a detection counts.
        score_threshold: only detections that score above it count.
        max_detections: how many detections of an image count, over all classes.
        save_path: a folder for pictures with truths and detections, or None.

    Returns:
        ({label: (AP, objects)}, mean seconds of inference for an image).
    """
    detections, seconds = detect_dataset(
        generator, model, score_threshold, max_detections, save_path
    )
    truths = truths_with_ignored(generator)
    labels = labels_of(generator, truths)
    return average_precisions(truths, detections, labels, iou_threshold), seconds
