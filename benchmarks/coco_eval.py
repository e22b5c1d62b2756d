"""Evaluation of a COCO-sized result: our average precision, the twelve COCO numbers, everything.

python benchmarks/coco_eval.py --images 5000 --detections 100
"""

import contextlib
import io
import resource

import numpy as np
import scenes
import timing

SIDE = 640  # pixels, of the made-up pictures


def _results(options):
    """Return (truths, detections), of which a third lie near a true box."""
    from keras_retinanet.evaluation import Detections, Truths

    rng = np.random.default_rng(0)
    truths, detections = [], []
    for image in range(options["images"]):
        boxes, labels = scenes.boxes_and_labels(
            SIDE, SIDE, options["objects"], options["classes"], image
        )
        truths.append(Truths(boxes.astype(np.float64), labels.astype(np.int64)))
        count = options["detections"]
        found, guesses = scenes.boxes_and_labels(SIDE, SIDE, count, options["classes"], image + 1)
        hits = rng.integers(0, len(boxes), count // 3)
        found[: len(hits)] = boxes[hits] + rng.normal(0, 8, (len(hits), 4))
        guesses[: len(hits)] = labels[hits]
        scores = np.sort(rng.uniform(0.05, 1, count))[::-1].astype(np.float32)
        order = rng.permutation(count)
        detections.append(Detections(found[order], scores, guesses[order]))
    return truths, detections


def our_ap(options):
    """Return keras-retinanet 1.0's average precision at IoU 0.5."""
    from keras_retinanet.evaluation import average_precisions, mean_ap

    truths, detections = _results(options)
    labels = range(options["classes"])

    def run(_):
        return {"mAP": f"{mean_ap(average_precisions(truths, detections, labels)):.4f}"}

    return run


def our_coco(options):
    """Return `evaluation.coco_metrics`: columns, then the twelve numbers."""
    from keras_retinanet.evaluation import coco_metrics

    truths, detections = _results(options)

    def run(_):
        return {"AP": f"{coco_metrics(truths, detections)['AP']:.4f}", "peak MB": _peak()}

    return run


def everything(options):
    """Return `measures.measure`: all that retinanet-evaluate writes, intervals included."""
    from keras_retinanet.evaluation.columns import columns_of
    from keras_retinanet.evaluation.measures import measure

    truths, detections = _results(options)

    def run(_):
        numbers, _ = measure(columns_of(truths, detections))
        return {"AP": f"{numbers['coco']['AP']:.4f}", "peak MB": _peak()}

    return run


def _peak():
    """Return the most memory that this process ever had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def hotcoco(options):
    """Return hotcoco alone, from annotations in memory to the twelve numbers."""
    from hotcoco import COCO, COCOeval

    from keras_retinanet.evaluation.coco import coco_dataset
    from keras_retinanet.evaluation.results import coco_results

    truths, detections = _results(options)
    dataset = coco_dataset(truths)
    for number, annotation in enumerate(dataset["annotations"], start=1):
        annotation["id"] = number
    sides = {"width": SIDE, "height": SIDE, "file_name": ""}
    dataset["images"] = [{**image, **sides} for image in dataset["images"]]
    dataset["categories"] = [{**one, "name": str(one["id"])} for one in dataset["categories"]]
    results = coco_results(detections)

    def run(_):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(dataset)
            evaluator = COCOeval(truth, truth.load_res(results), "bbox")
            evaluator.run()
        return {"AP": f"{evaluator.stats[0]:.4f}", "peak MB": _peak()}

    return run


def pycocotools(options):
    """Return pycocotools alone, from annotations in memory to the twelve numbers."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from keras_retinanet.evaluation.coco import coco_dataset
    from keras_retinanet.evaluation.results import coco_results

    truths, detections = _results(options)
    dataset = coco_dataset(truths)
    for number, annotation in enumerate(dataset["annotations"], start=1):
        annotation["id"] = number
    results = coco_results(detections)

    def run(_):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = dataset
            truth.createIndex()
            evaluator = COCOeval(truth, truth.loadRes(results), "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        return {"AP": f"{evaluator.stats[0]:.4f}", "peak MB": _peak()}

    return run


def _cases(options):
    return {f"{options['images'] * options['detections']} detections": 0}


BENCHMARK = timing.Benchmark(
    title="COCO evaluation",
    script=__file__,
    contenders={
        "our AP": timing.Contender(our_ap),
        "our COCO numbers": timing.Contender(our_coco),
        "everything of ours": timing.Contender(everything),
        "hotcoco": timing.Contender(hotcoco, peer="hotcoco"),
        "pycocotools": timing.Contender(pycocotools, peer="pycocotools"),
    },
    cases=_cases,
    defaults={"images": 5000, "detections": 100, "objects": 7, "classes": 80},
    tiny={"images": 4, "detections": 10, "objects": 2, "classes": 3},
    repeat=1,
    warmup=0,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
