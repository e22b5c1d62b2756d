"""A file beside the detector it was made of: opened in its own runtime, and compared by the gate.

Files that leave suppression to others give all boxes and scores. Those are suppressed here, by the
detector's own layer, so that they are compared as detections, too.
"""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_retinanet.export import gate, onnx_file
from keras_retinanet.export.dense import dense_function, tail_of
from keras_retinanet.export.precision import INT8
from keras_retinanet.export.runtimes import DETECTIONS, open_file
from keras_retinanet.layers import FilterDetections
from keras_retinanet.models.equalising import equalised
from keras_retinanet.models.exporting import resized
from keras_retinanet.models.retinanet import network_of, retinanet_bbox
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.normalisation import normalised

# outputs -> what is compared of them, and where the rest is done
COMPARED = {
    DETECTIONS: "",
    "all-boxes": "; all boxes and scores, suppressed as the detector does",
    "trt": "; all boxes and scores that TensorRT's operator is given, suppressed by its numbers; "
    "the operator itself runs in TensorRT alone",
}


@contextlib.contextmanager
def like_ranges(detector, precision):
    """Give the channels of the detector's network like ranges where int8 asks for it."""
    if precision.name != INT8:
        yield
        return
    preprocessing = profile_of(detector).preprocessing
    batches = (normalised(one[None], preprocessing, order="rgb") for one in precision.calibration)
    with equalised(network_of(detector), batches):
        yield


def _runs(detector):
    """Return f(levels) -> boxes, scores, labels of a detector, levels red first."""
    preprocessing = profile_of(detector).preprocessing

    def run(levels):
        return detector(normalised(levels, preprocessing, order="rgb"), training=False)[:3]

    return run


def _findable(detector, batches):
    """Return a score threshold above which some rows lie, near those of the best."""
    dense, tail = dense_function(detector), tail_of(detector)
    scores = [np.asarray(dense(levels)[1]).max(axis=(1, 2)) for levels in batches]
    best = float(np.min(np.concatenate(scores)))
    ranked = np.sort(np.asarray(dense(batches[0])[1])[0].max(axis=1))[::-1]
    chosen = min(best, float(ranked[min(gate.WANTED_ROWS, len(ranked) - 1)]))
    return float(1 / (1 + np.exp(-chosen))) if tail.is_logits else chosen


def _suppressed(run, numbers, threshold):
    """Return f(levels) -> boxes, scores, labels of `run`, which gives all boxes and scores.

    Args:
        run: f(levels) -> boxes [B, N, 4], scores [B, N, K].
        numbers: further arguments of `FilterDetections`.
        threshold: that scores must be above.
    """
    layer = FilterDetections(score_threshold=threshold, **numbers)
    return lambda levels: layer(run(levels))


def _numbers(tail):
    """Return how a detector suppresses, as arguments of `FilterDetections`."""
    names = ("nms", "nms_threshold", "max_detections", "nms_within", "class_specific_filter")
    return {name: getattr(tail, name) for name in names}


def with_threshold(detector, score_threshold):
    """Return a detector that differs in the score threshold alone."""
    numbers = _numbers(tail_of(detector))
    return retinanet_bbox(network_of(detector), score_threshold=score_threshold, **numbers)


def _opened(model, path, outputs, tail):
    """Return (file in its runtime, numbers of the suppression that is left to do)."""
    if outputs == "trt":  # no runtime at hand has the operator: all that stands before it
        cut = path.with_name("cut.onnx")
        onnx_file.save_onnx(onnx_file.without_operator(model), cut)
        return open_file(cut, "all-boxes"), onnx_file.numbers_of_operator(model)
    return open_file(path, outputs), _numbers(tail)


def _cases_of_files(detector, opened, batches, threshold):
    """Return a `gate.Case` for the first picture of each size, given as the bytes of a file.

    Args:
        opened: file that takes them, all in one batch.
        batches: of levels, red first.
    """
    profile = profile_of(detector)
    pictures = list({levels.shape[1:3]: levels[0] for levels in batches}.values())
    theirs = opened.detect_as_files(pictures)
    cases = []
    for picture, *found in zip(pictures, *theirs, strict=True):
        levels, scale = (np.asarray(value) for value in resized(picture, profile))
        boxes, scores, labels = (np.asarray(one) for one in _runs(detector)(levels[None]))
        ours, found = (boxes / scale, scores, labels), [values[None] for values in found]
        cases.append(gate.compare_batch(picture.shape[:2], ours, found, threshold))
    return cases


def examine(detector, model, form, path, batches, precision, outputs=DETECTIONS):
    """Return the gate's `Report` on a file, and the version of its runtime.

    A detector that finds nothing in the pictures is compared at a lower threshold; of a file that
    has it inside, in a copy that differs in that number alone.

    Args:
        detector: that the file was made of.
        model: that the file was made of, by the format.
        form: `proven.Format` of the file.
        path: of the file; copies go beside it.
        batches: of levels, red first.
        precision: as the file was written.
        outputs: what it gives, a key of `COMPARED`.
    """
    path, tail = Path(path), tail_of(detector)
    opened, numbers = _opened(model, path, outputs, tail)

    def report(asked, opened, threshold):
        is_whole = outputs == DETECTIONS
        run = opened.detect if is_whole else _suppressed(opened.detect, numbers, threshold)
        found = gate.examine(_runs(asked), run, batches, threshold, COMPARED[outputs])
        if not getattr(opened, "takes_files", False):
            return found
        cases = _cases_of_files(asked, opened, batches, threshold)
        rows = sum(case.rows for case in cases)
        note = f"{found.note}; {rows} of them in pictures given as files"
        return replace(found, cases=(*found.cases, *cases), note=note)

    found = report(detector, opened, tail.score_threshold)
    if found.rows:
        return found, opened.version
    threshold = _findable(detector, batches)
    lower = with_threshold(detector, threshold)
    if outputs == DETECTIONS:
        copy = path.with_name(f"copy{path.suffix}")
        with like_ranges(detector, precision):
            lowered = form.with_score_threshold(model, detector, threshold)
        form.write(lowered, copy, precision)
        opened = open_file(copy)
    return report(lower, opened, threshold), opened.version
