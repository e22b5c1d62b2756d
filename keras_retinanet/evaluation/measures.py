"""Everything that is measured of one set of detections, as what `--json` writes.

Numbers that nothing defines (no object of a class, no detection) are None.
"""

import math

import numpy as np

from keras_retinanet.evaluation import bootstrap
from keras_retinanet.evaluation.analysis import analyse
from keras_retinanet.evaluation.breakdown import by_crowding, by_ratio, by_size
from keras_retinanet.evaluation.calibration import calibration
from keras_retinanet.evaluation.coco_numbers import (
    accumulate_areas,
    numbers_by_class,
    prepare,
    twelve_numbers,
)
from keras_retinanet.evaluation.confusion import confusion_matrix, sparse
from keras_retinanet.evaluation.errors import error_numbers
from keras_retinanet.evaluation.lrp import lrp_by_class, nan_mean
from keras_retinanet.evaluation.open_images import CHALLENGE, open_images_by_class
from keras_retinanet.evaluation.parents import spread
from keras_retinanet.evaluation.voc import METRICS, voc_by_class


def measure(columns, iou_threshold=0.5, draws=bootstrap.DRAWS, seed=0):
    """Return (numbers, [numbers of each class]) of Columns, nested dictionaries for JSON.

    Args:
        columns: Columns.
        iou_threshold: the IoU from which a detection is right, where COCO does not say it.
        draws: of the bootstrap; 0 leaves intervals out.
        seed: of the draws.
    """
    return measure_analysis(analyse(columns, iou_threshold), draws, seed)


def measure_analysis(analysis, draws=bootstrap.DRAWS, seed=0, ancestors=None):
    """Return what `measure` does, of an Analysis.

    Args:
        ancestors: {class id: ids of the classes above it}, of a dataset that has a tree of them.
    """
    matched, iou_threshold = analysis.matched, analysis.iou_threshold
    areas = accumulate_areas(matched)
    parts = [
        _pascal(analysis.columns, iou_threshold),
        _open_images(analysis.columns, iou_threshold, ancestors),
        _at_one_threshold(analysis),
        _intervals(matched, draws, seed),
    ]
    whole = {
        "coco": twelve_numbers(areas),
        "by_size": by_size(matched),
        "by_ratio": by_ratio(matched),
        "by_crowding": by_crowding(matched),
    }
    classes = [{"coco": numbers} for numbers in numbers_by_class(areas)]
    found = calibration(analysis.outcomes, analysis.columns.pictures, seed)
    whole["calibration"] = {"iou_threshold": iou_threshold, **found}
    for part, part_by_class in parts:
        whole |= part
        classes = [{**one, **other} for one, other in zip(classes, part_by_class, strict=True)]
    return with_nulls(whole), with_nulls(classes)


def compare(columns, others, draws=bootstrap.DRAWS, seed=0):
    """Return how much better `others` are than `columns`, two Columns on one dataset.

    Returns:
        {"AP", "AP50", "AP75": {"difference", "plus_minus", "interval"}, "classes": [the same for
        AP of each class], "draws", "seed"}, with intervals of 95 %.
    """
    weights = bootstrap.draw(np.random.default_rng(seed), columns.pictures, draws)
    weights = bootstrap.with_whole(weights)
    values = [bootstrap.drawn_ap(prepare(each), weights) for each in (columns, others)]
    return with_nulls({**bootstrap.differences(*values), "draws": draws, "seed": seed})


def with_nulls(values):
    """Return nested results with None in place of nan, which JSON lacks."""
    if isinstance(values, dict):
        return {key: with_nulls(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [with_nulls(value) for value in values]
    return None if isinstance(values, float) and math.isnan(values) else values


def _pascal(columns, iou_threshold):
    classes = voc_by_class(columns, iou_threshold)
    return {"voc": {name: nan_mean([each[name] for each in classes]) for name in METRICS}}, classes


def _open_images(columns, iou_threshold, ancestors):
    values = open_images_by_class(columns, iou_threshold)
    whole = {"AP": nan_mean(values), "group_weight": CHALLENGE}
    classes = [{"open_images": value} for value in values]
    if ancestors:
        wide = spread(columns, ancestors)
        values = dict(zip(wide.classes, open_images_by_class(wide, iou_threshold), strict=True))
        whole["AP_with_parents"] = nan_mean(list(values.values()))
        for key, numbers in zip(columns.classes, classes, strict=True):
            numbers["open_images_with_parents"] = values[key]
    return {"open_images": whole}, classes


def _at_one_threshold(analysis):
    """Return the numbers that look at one IoU threshold: F1, LRP, confusion, errors."""
    matched, found, iou = analysis.matched, analysis.outcomes, analysis.iou_threshold
    points, points_by_class = analysis.points
    lrp, lrp_classes = lrp_by_class(found, iou)
    matrix = confusion_matrix(matched, found, iou, analysis.sure_score)
    confusion = {"score_threshold": points["best"]["threshold"], "counts": sparse(matrix)}
    classes = [
        {"F1": point, "LRP": error}
        for point, error in zip(points_by_class, lrp_classes, strict=True)
    ]
    errors = error_numbers(matched, found, analysis.errors)
    return {"F1": points, "LRP": lrp, "confusion": confusion, "errors": errors}, classes


def _intervals(matched, draws, seed):
    classes = len(matched.columns.classes)
    if not draws or not matched.columns.pictures:
        return {"intervals": None}, [{"interval": None}] * classes
    weights = bootstrap.draw(np.random.default_rng(seed), matched.columns.pictures, draws)
    found = bootstrap.intervals(bootstrap.drawn_ap(matched, weights))
    by_class = [{"interval": each} for each in found.pop("classes")]
    found |= {"confidence": bootstrap.CONFIDENCE, "draws": draws, "seed": seed}
    return {"intervals": found}, by_class
