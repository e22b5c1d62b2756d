"""A user's own augmentation: (image, boxes, labels) -> the same, checked."""

import importlib
import inspect
import sys
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing.annotations import fit_boxes
from keras_retinanet.utils.anchors import REGION


class UserFunction:
    """Calls a function on pictures and their annotations, and checks what it returns.

    Args:
        function: f(image [H, W, C], boxes [M, 4] float64, labels [M]) -> the same three, the
            picture of the same dtype and channels, of any size, its boxes in its pixels. With a
            parameter `rng` it is given the batch's random stream, a `numpy.random.Generator`,
            and its changes are repeatable.
    """

    def __init__(self, function):
        if not callable(function):
            raise ValueError(f"augment must be a function. Received: {function!r}")
        self.function = function
        self.name = getattr(function, "__qualname__", None) or type(function).__name__
        self.takes_rng = "rng" in _parameters(function)

    def __call__(self, image, annotations, rng, classes, picture):
        """Return (image, annotations); rows of further keys are left out, being no longer known.

        Args:
            rng: random stream.
            classes: number of classes.
            picture: what messages call the picture.

        Raises:
            ValueError: the result cannot be used.
        """
        boxes = np.array(annotations["bboxes"], np.float64)
        labels = np.array(annotations["labels"])
        options = {"rng": rng} if self.takes_rng else {}
        # copies, so that the function may work in place
        result = self.function(image.copy(), boxes, labels, **options)
        for problem in _problems(result, image, classes):
            raise ValueError(f"{self.name}, on {picture}: {problem}")
        changed, boxes, labels = result
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        boxes, kept, _ = fit_boxes(boxes, *changed.shape[:2])
        labels = np.asarray(labels).astype(np.int32).reshape(-1)
        count = len(annotations["labels"])
        carried = {key: v for key, v in annotations.items() if np.shape(v)[:1] != (count,)}
        image = np.ascontiguousarray(changed)
        return image, {**carried, "bboxes": boxes[kept], "labels": labels[kept]}


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in tells nothing
        return ()


def _problems(result, image, classes):
    """Yield what is wrong with a result; later checks rely on the earlier ones."""
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        yield f"it must return (image, boxes, labels). Received: {type(result).__name__}"
    changed, boxes, labels = result
    yield from _picture_problems(changed, image)
    try:
        boxes, labels = np.asarray(boxes), np.asarray(labels)
    except ValueError:
        yield "boxes must be [M, 4] and labels [M]. Received: rows of different lengths"
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        yield f"boxes must be [M, 4]. Received: shape {list(boxes.shape)}"
    count = boxes.size // 4
    if labels.ndim != 1 or len(labels) != count:
        yield f"labels must be [{count}], one a box. Received: shape {list(labels.shape)}"
    if count:
        yield from _row_problems(boxes, labels, classes)


def _picture_problems(changed, image):
    wanted = f"the image must be [H, W, {image.shape[2]}] {image.dtype}"
    if not isinstance(changed, np.ndarray):
        yield f"{wanted}. Received: {type(changed).__name__}"
    same = changed.ndim == 3 and changed.shape[2] == image.shape[2] and changed.size
    if not same or changed.dtype != image.dtype:
        yield f"{wanted}. Received: shape {list(changed.shape)}, {changed.dtype}"


def _row_problems(boxes, labels, classes):
    if boxes.dtype.kind not in "iuf":
        yield f"boxes must be numbers. Received: {boxes.dtype}"
    finite = np.isfinite(boxes).all(axis=1)
    flat = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    for fault, wrong in (("is not finite", ~finite), ("has no area", flat)):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            yield f"box {row} {fault}; give x1, y1, x2, y2. Received: {boxes[row].tolist()}"
    whole = labels.dtype.kind in "iu" or (labels.dtype.kind == "f" and (labels % 1 == 0).all())
    if not whole:
        yield f"labels must be whole numbers. Received: {labels.tolist()[:5]}"
    wrong = labels[((labels < 0) & (labels != REGION)) | (labels >= classes)]
    if len(wrong):
        yield f"labels must be 0 to {classes - 1}, or {REGION} to ignore. Received: {wrong[0]}"


def load_function(path):
    """Return the function that "module:function" names, both dotted where need be.

    The module is imported, hence its code runs; the working folder is searched last.

    Raises:
        ValueError: there is no such module or function.
    """
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name + ".").startswith(error.name + "."):
            raise ValueError(
                f"{path}: there is no module {error.name}; it is looked for in the installed "
                f"packages, in PYTHONPATH and in {here}"
            ) from None
        raise
    finally:
        sys.path.remove(here)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"{path}: {module_name} has no function {name}")
    return found
