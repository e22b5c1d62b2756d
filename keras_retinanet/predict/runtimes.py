"""What runs a model file: a table, one row for each kind of file.

A runtime is an object with
- `profile`: the `Profile` of the model: classes, resize rule, sides;
- `name`: what runs it, as people are told;
- `precision`: of its numbers: float32, bfloat16, half, int8;
- `kept`: what became of its frozen graph, a sentence, where it was to be kept;
- `settle()`: waits until answers take as long as all later ones;
- `canvas_multiple`: sides of a canvas of several pictures are rounded up to it;
- `detect(levels [B, H, W, C], sizes [B, 2])` -> [(boxes [D, 4], scores [D], labels [D]), …]:
  a batch of resized pictures, blue first, at the top left of their canvas; boxes in pixels of
  the canvas, labels -1 where there is nothing.

`open_runtime` takes the first row whose `accepts(path)` is true.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from keras_retinanet.export.runtimes import FILES, can_bfloat16, open_file
from keras_retinanet.layers import Detect
from keras_retinanet.models import load_model
from keras_retinanet.models.bfloat16 import computing_in_bfloat16
from keras_retinanet.models.retinanet import network_of, retinanet_bbox
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.predict.fixed_canvas import detect_in_fixed
from keras_retinanet.predict.graph_cache import GraphCache
from keras_retinanet.predict.runner import KeptRunner, Runner
from keras_retinanet.utils.detections import rows_by_image
from keras_retinanet.utils.profile import Profile
from keras_retinanet.utils.saved_models import is_saved_model

CANVAS_MULTIPLES = {"jax": 128}  # it compiles for every size
CANVAS_MULTIPLE = 32
LOW_DTYPES = ("bfloat16", "float16")


@dataclass(frozen=True)
class Wanted:
    """What a runtime should give.

    Attributes:
        score_threshold: scores must be above it.
        suppress: False for the candidates before NMS, in place of detections.
        agnostic: whether a box suppresses those of other classes, too.
        nms_threshold: IoU; None for the model's own.
        max_detections: rows of a picture, at least; None for the model's own.
        batched: whether pictures of different sizes come together.
        bfloat16: whether the network computes in it.
        cache: whether its frozen graph is kept beside the model file; see `graph_cache`.
    """

    score_threshold: float
    suppress: bool = True
    agnostic: bool = False
    nms_threshold: float | None = None
    max_detections: int | None = None
    batched: bool = False
    bfloat16: bool = False
    cache: bool = False


CANDIDATES = 1000  # reach suppression on the host; as many as those libraries that limit them take


class KerasRuntime:
    """A network of ours on the backend of Keras.

    Args:
        model: network or detector, or the path of one's file.
        wanted: `Wanted`.
        load: f(path) -> model.
        cache: `GraphCache` that keeps its frozen graph.
    """

    def __init__(self, model, wanted, load=load_model, cache=None):
        is_file = isinstance(model, (str, Path))
        try:
            network = network_of(load(model) if is_file else model)
        except ValueError as error:
            if not is_file or str(error).startswith(str(model)):
                raise
            raise ValueError(f"{model}: {error}") from error
        profile = profile_of(network)
        if wanted.bfloat16:
            network = computing_in_bfloat16(network, own=is_file)
        count = network.outputs[1].shape[-1]
        self.profile = replace(profile, classes=_filled(profile.classes, count))
        self.canvas_multiple = CANVAS_MULTIPLES.get(keras.backend.backend(), CANVAS_MULTIPLE)
        dtypes = {layer.compute_dtype for layer in network._flatten_layers()}
        self.precision = next((low for low in LOW_DTYPES if low in dtypes), "float32")
        sizes = keras.Input((2,), name="sizes") if wanted.batched else None
        detector = retinanet_bbox(network, sizes=sizes, **_last_numbers(wanted, profile))
        self._cache, keep = cache, None
        if cache is not None:
            last = detector.get_layer("filtered_detections").get_config()
            own = {"profile": self.profile.to_dict(), "precision": self.precision}
            facts = {"last": last, **own}
            keep = partial(cache.write, facts=facts)
        self._runner = Runner(detector, freeze=is_file, profile=profile, keep=keep)

    @property
    def name(self):
        """What runs it, as people are told."""
        return f"Keras, {keras.backend.backend()}"

    def settle(self):
        """Wait until answers take as long as all later ones."""
        self._runner.settle()

    @property
    def kept(self):
        """What became of the frozen graph once it is settled, None where nobody asked."""
        return self._cache and self._cache.line()

    def detect(self, levels, sizes):
        """Return the rows of a batch; see the top of this file."""
        outputs = self._runner.predict_on_batch(levels, sizes)
        return rows_by_image(outputs, lambda what: f"not a detector: {what}")


class KeptRuntime(KerasRuntime):
    """A network of ours whose frozen graph was kept, in TensorFlow.

    Args:
        cache: `GraphCache`.
        facts, frozen: what it gives.
        wanted: `Wanted`.
    """

    def __init__(self, cache, facts, frozen, wanted):
        self.profile = Profile.from_dict(facts["profile"])
        self.canvas_multiple = CANVAS_MULTIPLE
        self.precision = facts["precision"]  # a snapshot may have been trained in a lower one
        last = Detect.from_config(facts["last"] | _last_numbers(wanted, self.profile))
        inputs = len(facts["inputs"])
        self._cache, self._runner = cache, KeptRunner(frozen, last, inputs, self.profile)

    @property
    def name(self):
        """What runs it, as people are told."""
        return "Keras, tensorflow, kept graph"

    @property
    def kept(self):
        """Where the frozen graph came from."""
        return f"opened from {self._cache.path}"


def _last_numbers(wanted, profile):
    """Return how detections are chosen, as arguments of `retinanet_bbox` and `layers.Detect`."""
    rows = max(wanted.max_detections or 0, profile.max_detections)
    own = profile.nms_threshold
    return {
        "nms": wanted.suppress and profile.nms,
        "nms_within": "all" if wanted.agnostic else profile.nms_within,
        "nms_threshold": own if wanted.nms_threshold is None else wanted.nms_threshold,
        "score_threshold": wanted.score_threshold,
        "max_detections": rows if wanted.suppress else max(rows, CANDIDATES),
    }


def open_keras(path, wanted, load):
    """Return the runtime of a file of Keras, from the graph that was kept where there is one."""
    if not wanted.cache:
        return KerasRuntime(path, wanted, load)
    cache = GraphCache(path, wanted.batched, wanted.bfloat16)
    kept = cache.read()
    return KeptRuntime(cache, *kept, wanted) if kept else KerasRuntime(path, wanted, load, cache)


class ExportedRuntime:
    """A file of `keras_retinanet.export` in its own runtime.

    Suppression and limits are inside of the file, so that what is wanted must be what it does.
    Pictures fit into a file of one size.

    Args:
        path: of the file.
        wanted: `Wanted`.
        load: not used.
    """

    def __init__(self, path, wanted, load=None):
        in_bfloat16 = wanted.bfloat16 and can_bfloat16(path)
        self._file = open_file(path, bfloat16=in_bfloat16)
        own = self._file.facts.get("precision", "float32")
        self.precision = "bfloat16" if in_bfloat16 else own
        profile = Profile.from_dict(self._file.facts["profile"])
        self.kept = None
        self._size, self._batch = (self._file.facts.get(name) for name in ("size", "batch"))
        self._dtype = np.dtype(f"uint{profile.preprocessing.bits}")
        sides = _sides_within(profile, self._size) if self._size else {}
        names = _filled(profile.classes, profile.num_classes)
        self.profile = replace(profile, classes=names, **sides)
        self.canvas_multiple = CANVAS_MULTIPLE
        fixed = {
            "bfloat16": wanted.bfloat16 and not in_bfloat16,
            "a cache, and needs none": wanted.cache,
            "another way of suppression": not wanted.suppress or wanted.agnostic,
            "another IoU": wanted.nms_threshold not in (None, profile.nms_threshold),
            "more detections": (wanted.max_detections or 0) > profile.max_detections,
            "batches, since its network pads each picture for itself": wanted.batched
            and profile.pad_multiple > 1,
        }
        asked = [what for what, is_asked in fixed.items() if is_asked]
        if asked:
            raise ValueError(f"{path}: cannot take {asked[0]}; use the snapshot it was made of")

    @property
    def name(self):
        """What runs it, as people are told."""
        return self._file.version

    def settle(self):
        """Answers take as long as all later ones."""

    def detect(self, levels, sizes):
        """Return the rows of a batch; see the top of this file."""
        red_first = levels[..., ::-1] if levels.shape[-1] == 3 else levels
        if red_first.dtype != self._dtype:  # of a resize rule that does not round to levels
            red_first = np.rint(red_first).astype(self._dtype)
        red_first = np.ascontiguousarray(red_first)
        if self._size or self._batch:
            size = tuple(self._size or levels.shape[1:3])
            outputs = detect_in_fixed(self._file.detect, red_first, sizes, size, self._batch)
        else:
            outputs = self._file.detect(red_first)
        return rows_by_image(outputs, lambda what: f"not a detector: {what}")


def _sides_within(profile, size):
    """Return the sides of a profile, none beyond (height, width)."""
    return {
        "image_min_side": min(profile.image_min_side, *size),
        "image_max_side": min(profile.image_max_side, max(size)),
    }


def _filled(names, count):
    """Return `count` class names, the label as text where there is none."""
    names = [*names, *[""] * count][:count]
    return tuple(name or str(label) for label, name in enumerate(names))


@dataclass(frozen=True)
class Kind:
    """A kind of model file.

    Attributes:
        name: as messages call it.
        accepts: f(path) -> whether a file or folder is of this kind.
        open: f(path, wanted, load) -> runtime; `load` is for models of Keras alone.
    """

    name: str
    accepts: Callable
    open: Callable


def _is_exported(path):
    return path.suffix.lower() in FILES or is_saved_model(path)


RUNTIMES = (
    Kind("exported", _is_exported, ExportedRuntime),
    Kind("Keras", lambda path: True, open_keras),
)


def open_runtime(model, wanted, load=load_model):
    """Return the runtime of a model, or of a model file.

    Args:
        model: network, detector or path.
        wanted: `Wanted`.
        load: f(path) -> model, for files of Keras.

    Raises:
        ValueError: the file is no model, or its runtime cannot give what is wanted.
    """
    if not isinstance(model, (str, Path)):
        if wanted.cache:
            raise ValueError("a cache is of model files; give a path in place of a model")
        return KerasRuntime(model, wanted)
    return next(kind for kind in RUNTIMES if kind.accepts(Path(model))).open(model, wanted, load)
