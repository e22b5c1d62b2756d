"""keras-retinanet 1.0's `evaluate_coco`: the twelve numbers, and the files for COCO's server."""

from pathlib import Path

import numpy as np

from keras_retinanet.evaluation.coco_numbers import accumulate_areas, prepare, twelve_numbers
from keras_retinanet.evaluation.columns import found_boxes_of
from keras_retinanet.evaluation.dataset_columns import columns_of_dataset, image_ids_of
from keras_retinanet.evaluation.detect import detect_dataset
from keras_retinanet.evaluation.results import coco_results, write_results_json


def evaluate_coco(generator, model, threshold=0.05, folder="."):
    """Return pycocotools' stats [12] of `model` on `generator`, or None if nothing is detected.

    See `measure_coco` for the arguments and the files that it writes.
    """
    metrics, found = measure_coco(generator, model, threshold, folder)
    return np.array(list(metrics.values())) if found else None


def measure_coco(generator, model, threshold=0.05, folder="."):
    """Return the twelve numbers of `model` on `generator`, and how many detections there were.

    A generator of a COCO dataset has `image_ids`, `label_to_coco_label` and perhaps `coco`, the
    pycocotools object of its annotation file, whose crowds and areas are then used; others are
    measured with their own labels and boxes, and their regions to ignore as crowds. Where there
    is a `set_name`, the detections and the ids of the images go to
    `<set_name>_bbox_results.json` and `<set_name>_processed_image_ids.json`, if there are any
    detections.

    Args:
        generator: any `preprocessing.generator.Generator`.
        model: a detector, as for `detect_dataset`.
        threshold: only scores above it count; all such detections count, up to pycocotools' 100
            of a class in an image.
        folder: where the files go.
    """
    detections, _ = detect_dataset(generator, model, threshold, max_detections=None)
    image_ids, results = image_ids_of(generator), results_of(generator, detections)
    if results and hasattr(generator, "set_name"):
        start = Path(folder) / str(generator.set_name)
        write_results_json(f"{start}_bbox_results.json", results, indent=4)
        write_results_json(f"{start}_processed_image_ids.json", image_ids, indent=4)
    return coco_metrics_of(generator, detections), len(results)


def coco_metrics_of(generator, detections):
    """Return the twelve numbers of `detections`, one `Detections` for each image of `generator`.

    What the dataset says beyond boxes counts, as in `measure_coco`: a COCO file's crowds and
    areas, other formats' regions to ignore.
    """
    columns = columns_of_dataset(generator, found_boxes_of(detections))
    return twelve_numbers(accumulate_areas(prepare(columns)))


def results_of(generator, detections):
    """Return `detections` on `generator` as the rows of a COCO results file, with its ids."""
    category_ids = getattr(generator, "label_to_coco_label", int)
    return coco_results(detections, image_ids_of(generator), category_ids)
