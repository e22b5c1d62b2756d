"""The twelve numbers of the COCO challenge for any dataset.

Our own engine (`coco_numbers`) gives them, equal to pycocotools' to the last bits, which is the
reference in tests and another `engine` of `coco_stats`.

A number is -1 where there is nothing to measure: no object of that size in the whole dataset.
"""

import contextlib
import io

from keras_retinanet.evaluation.coco_numbers import accumulate_areas, prepare, twelve_numbers
from keras_retinanet.evaluation.columns import columns_of, columns_of_coco
from keras_retinanet.evaluation.results import to_xywh

# Short name: the name in the logs of keras-retinanet 1.0, in the order of pycocotools' stats.
LOG_NAMES = {
    "AP": "AP @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]",
    "AP50": "AP @[ IoU=0.50      | area=   all | maxDets=100 ]",
    "AP75": "AP @[ IoU=0.75      | area=   all | maxDets=100 ]",
    "APs": "AP @[ IoU=0.50:0.95 | area= small | maxDets=100 ]",
    "APm": "AP @[ IoU=0.50:0.95 | area=medium | maxDets=100 ]",
    "APl": "AP @[ IoU=0.50:0.95 | area= large | maxDets=100 ]",
    "AR1": "AR @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ]",
    "AR10": "AR @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ]",
    "AR100": "AR @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]",
    "ARs": "AR @[ IoU=0.50:0.95 | area= small | maxDets=100 ]",
    "ARm": "AR @[ IoU=0.50:0.95 | area=medium | maxDets=100 ]",
    "ARl": "AR @[ IoU=0.50:0.95 | area= large | maxDets=100 ]",
}

_LONG_NAMES = {"AP": "Average Precision  (AP)", "AR": "Average Recall     (AR)"}


def coco_metrics(truths, detections):
    """Return the twelve numbers of `detections`.

    Args:
        truths: a `Truths` for each image.
        detections: a `Detections` for each image.

    Returns:
        {short name: number}, in the order and under the names of `LOG_NAMES`.
    """
    return twelve_numbers(accumulate_areas(prepare(columns_of(truths, detections))))


def coco_dataset(truths, image_ids=None, category_ids=None):
    """Return `truths` as the content of a COCO annotation file.

    Args:
        truths: a `Truths` for each image.
        image_ids: the id of each image; its place in the list if None.
        category_ids: a function from a label to a category id; the label itself if None.
    """
    image_ids = range(len(truths)) if image_ids is None else image_ids
    category_ids = int if category_ids is None else category_ids
    annotations = [
        {**annotation, "image_id": image_id, "category_id": category_ids(label)}
        for image_id, truth in zip(image_ids, truths, strict=True)
        for label, annotation in _annotations(truth)
    ]
    categories = sorted({annotation["category_id"] for annotation in annotations})
    return {
        "images": [{"id": image_id} for image_id in image_ids],
        "categories": [{"id": category} for category in categories],
        "annotations": annotations,
    }


def coco_stats(dataset, results, image_ids=None, engine="numpy"):
    """Return the twelve numbers of `results` on `dataset`.

    Args:
        dataset: the content of a COCO annotation file; it is not changed.
        results: the content of a COCO results file of boxes.
        image_ids: the images that count; all if None.
        engine: one of `ENGINES`.

    Returns:
        {short name: number}, in the order and under the names of `LOG_NAMES`.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is not known; choose one of {', '.join(ENGINES)}")
    return ENGINES[engine](dataset, results, image_ids)


def _by_numpy(dataset, results, image_ids):
    columns = columns_of_coco(dataset, results, image_ids)
    return twelve_numbers(accumulate_areas(prepare(columns)))


def _by_pycocotools(dataset, results, image_ids):
    from pycocotools.cocoeval import COCOeval

    # pycocotools reports its progress by print, which a library must not.
    with contextlib.redirect_stdout(io.StringIO()):
        truths = _indexed(dataset, dataset["annotations"])
        found = _indexed(dataset, [_result_annotation(result) for result in results])
        evaluator = COCOeval(truths, found, "bbox")
        if image_ids is not None:
            evaluator.params.imgIds = list(image_ids)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return dict(zip(LOG_NAMES, evaluator.stats.tolist(), strict=True))


ENGINES = {"numpy": _by_numpy, "pycocotools": _by_pycocotools}


def summary_lines(metrics):
    """Return the lines that pycocotools prints for `metrics`."""
    return [
        f" {_LONG_NAMES[name[:2]]}{name[2:]} = {metrics[key]:0.3f}"
        for key, name in LOG_NAMES.items()
    ]


def _annotations(truth):
    """Yield (label, annotation without ids) for each object of an image."""
    for index, (label, box) in enumerate(
        zip(truth.labels.tolist(), to_xywh(truth.boxes), strict=True)
    ):
        area = box[2] * box[3] if truth.areas is None else float(truth.areas[index])
        crowd = 0 if truth.crowd is None else int(truth.crowd[index])
        yield label, {"bbox": box, "area": area, "iscrowd": crowd}


def _result_annotation(result):
    return {**result, "area": result["bbox"][2] * result["bbox"][3], "iscrowd": 0}


def _indexed(dataset, annotations):
    """Return a pycocotools COCO of `annotations` on the images and categories of `dataset`.

    The annotations are copied, since pycocotools writes into them, and numbered from 1, since it
    takes a match with number 0 for none.
    """
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": dataset["images"],
        "categories": dataset["categories"],
        "annotations": [{**one, "id": number} for number, one in enumerate(annotations, start=1)],
    }
    coco.createIndex()
    return coco
