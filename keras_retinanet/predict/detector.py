"""`Detector`: pictures in, boxes, scores, labels and class names out, whatever lies between.

One way for all: a picture or a tile of it → views → resized as the model's profile says → batches
by canvas → the runtime → back to the picture → views merged → tiles merged → what was asked for.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_retinanet.models import load_model
from keras_retinanet.models.snapshot import profile_of, read_facts
from keras_retinanet.predict.background import in_background
from keras_retinanet.predict.options import (
    Options,
    label_thresholds,
    with_advised,
    with_sides,
)
from keras_retinanet.predict.pictures import ArrayPicture, FilePicture, as_levels
from keras_retinanet.predict.results import Result
from keras_retinanet.predict.runtimes import Wanted, open_runtime
from keras_retinanet.predict.suppression import fused, suppressed_together
from keras_retinanet.predict.views import placed, seen_size, views_of
from keras_retinanet.preprocessing.canvas import canvas_size, lay_out
from keras_retinanet.utils.detections import NOTHING, Detections, select
from keras_retinanet.utils.image import ImageError
from keras_retinanet.utils.temperature import tempered
from keras_retinanet.utils.tiles import Tiling, merge_detections

AHEAD = 2  # pictures read while others are in the network
WINDOW = 4  # batches of pictures among which those of one canvas are looked for
ROUNDING = 1e-6  # of a threshold on its way through a temperature and back
VIEW_FLOOR = 0.05  # scores that count in a view, where views are fused: their mean may be higher


@dataclass(frozen=True)
class Named:
    """A picture and what to call it.

    Attributes:
        source: path, or array as `Detector.predict` takes them.
        name: see `Result`; the file's own for None.
        path: of what it comes from; the source itself for None.
    """

    source: object
    name: str | None = None
    path: str | None = None


class Detector:
    """A model, ready for pictures of any size.

    Args:
        model: path of a model file, or a network or detector in memory.
        order: "bgr" (OpenCV's, and this package's) or "rgb", of arrays.
        load: f(path) -> model, in place of `models.load_model`, for files of Keras.
        options: fields of `Options`.

    Attributes:
        classes: names by label.
        profile: of the model, sides as asked for.

    Raises:
        ValueError: the file is no model, or an option does not fit it.
    """

    def __init__(self, model, order="bgr", load=load_model, **options):
        if order not in ("bgr", "rgb"):
            raise ValueError(f"order must be bgr or rgb. Received: {order!r}")
        self._order = order
        self.options = asked = with_advised(Options(**options), _known_profile(model))
        self._views = views_of(asked.tta)
        wanted = _wanted(asked, _known_profile(model))
        self._runtime = open_runtime(model, wanted, load)
        self.options = asked = with_advised(asked, self._runtime.profile)
        opened = _wanted(asked, self._runtime.profile)
        if opened.score_threshold < wanted.score_threshold:  # known only now that it is open
            self._runtime = open_runtime(model, opened, load)
        self._floor = min(asked.thresholds.values())
        self.profile = with_sides(self._runtime.profile, asked)
        self.classes = self.profile.classes
        self._thresholds = np.array(label_thresholds(asked, self.classes), np.float32)
        side = self.profile.tile if asked.tile is None and not asked.gives_sides else asked.tile
        self._tiling = Tiling(side, asked.overlap(self.profile)) if side else None
        if self._tiling:
            self.profile = replace(self.profile, resize=False)  # as tiles are trained and measured

    def predict(self, images):
        """Return a `Result` for each picture.

        Args:
            images: a picture or several: paths, or arrays uint8 [H, W, 3] ([H, W] for grey).

        Raises:
            ImageError: a file cannot be used.
            ValueError: an array is no picture.
        """
        is_one = isinstance(images, (str, Path)) or getattr(images, "ndim", 4) < 4
        images = [images] if is_one else images
        return [replace(result, image=None) for result in self.stream(images)]

    @property
    def runtime(self):
        """What runs the model, as people are told."""
        return self._runtime.name

    @property
    def precision(self):
        """Of the model's numbers: float32, bfloat16, float16; half or int8 of a file's."""
        return self._runtime.precision

    @property
    def kept(self):
        """What became of the frozen graph that `cache` keeps, a sentence; None without it."""
        return self._runtime.kept

    def settle(self):
        """Wait until answers take as long as all later ones, which the first few may not."""
        self._runtime.settle()

    def stream(self, images, broken=None):
        """Yield the `Result` of each picture, with its pixels where they were read whole.

        Pictures are taken as they are needed, and files read ahead in a thread.

        Args:
            images: iterable of paths, arrays or `Named`.
            broken: f(path, ImageError) for a file that is passed over, perhaps called by that
                thread; None raises the error.
        """
        named = (one if isinstance(one, Named) else Named(one) for one in images)
        opened = in_background(self._opened(named, broken), AHEAD)
        alone = self.options.batch_size == 1 or self._tiling
        number = 1 if alone else WINDOW * self.options.batch_size
        try:
            while chunk := list(itertools.islice(opened, number)):
                yield from self._results(chunk, broken)
        finally:
            opened.close()

    def image_of(self, result):
        """Return the pixels of a result [H, W, C], blue first; a file read by windows is read.

        Raises:
            ImageError: it cannot be read any more.
        """
        return self._file(result.path).read() if result.image is None else result.image

    def canvas_of(self, size):
        """Return (height, width) of the canvas of a picture of `size`; equal ones share batches."""
        return self._canvas(seen_size(size, self.profile))

    def _file(self, path):
        by_window = self._tiling is not None
        limit = self.options.pixel_limit(by_window)
        return FilePicture(path, self.profile, self.options.exif, limit, by_window)

    def _opened(self, named, broken):
        """Yield (Named, picture) of what can be read."""
        taken = self.profile.preprocessing
        for one in named:
            if not isinstance(one.source, (str, Path)):
                yield one, ArrayPicture(as_levels(one.source, taken, self._order))
                continue
            try:
                picture = self._file(one.source)
            except ImageError as error:
                _pass_over(one, error, broken)
                continue
            yield one, picture

    def _results(self, chunk, broken):
        """Yield the results of opened pictures."""
        if self._tiling is None:
            found = self._found([picture.image for _, picture in chunk])
            for (one, picture), detections in zip(chunk, found, strict=True):
                yield self._result(one, picture, detections)
            return
        for one, picture in chunk:
            try:
                yield self._result(one, picture, self._found_in_tiles(picture))
            except ImageError as error:
                _pass_over(one, error, broken)

    def _found_in_tiles(self, picture):
        """Return the `Detections` of a picture from its tiles, a batch of which is in memory."""
        windows = self._tiling.windows(picture.shape)
        parts = []
        for start in range(0, len(windows), self.options.batch_size):
            batch = windows[start : start + self.options.batch_size]
            parts += self._found([picture.window(window) for window in batch])
        return merge_detections(parts, windows, picture.shape)

    def _found(self, pictures):
        """Return the `Detections` of each picture [H, W, C], above the lowest threshold."""
        groups = {}
        for place, view in itertools.product(range(len(pictures)), range(len(self._views))):
            levels, placement = placed(pictures[place], self.profile, self._views[view])
            group = groups.setdefault(self._canvas(levels.shape), [])
            group.append((place, view, levels, placement))
        seen = [[NOTHING] * len(self._views) for _ in pictures]
        for canvas, group in groups.items():
            for start in range(0, len(group), self.options.batch_size):
                batch = group[start : start + self.options.batch_size]
                for (place, view, _, placement), rows in zip(
                    batch, self._rows(canvas, [levels for _, _, levels, _ in batch]), strict=True
                ):
                    shape = pictures[place].shape
                    seen[place][view] = self._back(rows, placement, self._views[view], shape)
        return [self._merged(views) for views in seen]

    def _canvas(self, shape):
        """Return (height, width) of the canvas of a resized picture: its own where it is alone."""
        multiple = self._runtime.canvas_multiple if self.options.batch_size > 1 else 1
        return canvas_size([shape], multiple)

    def _rows(self, canvas, levels):
        """Return the runtime's rows of resized pictures [h, w, C] that fit one canvas."""
        dtype = np.result_type(*(image.dtype for image in levels))
        batch = lay_out(levels, canvas, dtype)
        found = self._runtime.detect(batch, np.array([image.shape[:2] for image in levels]))
        temperature = self.profile.temperature
        return [(boxes, tempered(scores, temperature), labels) for boxes, scores, labels in found]

    def _back(self, rows, placement, view, shape):
        """Return rows of a view as `Detections` of the picture."""
        boxes, scores, labels = rows
        boxes = view.turned_back(placement.to_original(boxes), shape)
        return select(boxes, scores, labels, -1.0)

    def _merged(self, views):
        """Return the `Detections` of a picture from those of its views."""
        asked = self.options
        if len(views) == 1 and not asked.soft_nms:
            return views[0]
        if not asked.soft_nms and asked.tta_merge == "fusion":
            return fused(views, self._floor)
        threshold = asked.nms_threshold
        threshold = self.profile.nms_threshold if threshold is None else threshold
        within = "all" if asked.agnostic else self.profile.nms_within
        decay = asked.soft_nms or "hard"
        return suppressed_together(views, decay, threshold, self._floor, within)

    def _result(self, one, picture, found):
        """Return the `Result` of what is asked for, inside the picture."""
        found = _inside(found, picture.shape)
        limit = self.options.max_detections or self.profile.max_detections
        thresholds = self._thresholds[found.labels]
        told = select(found.boxes, found.scores, found.labels, thresholds, limit)
        path = one.path or (str(picture.path) if picture.path else None)
        name = one.name or (Path(path).stem if path else "picture")
        own = (told.boxes, told.scores, told.labels)
        size = tuple(int(side) for side in picture.shape)
        return Result(*own, self.classes, size, path, name, picture.image)


def _known_profile(model):
    """Return the profile of a network, or of a snapshot without opening its weights; None if none.

    What is wrong with the file is told where it is opened.
    """
    if not isinstance(model, (str, Path)):
        return profile_of(model)
    try:
        return read_facts(model).get("profile") if Path(model).suffix == ".keras" else None
    except (OSError, ValueError):
        return None


def _wanted(options, profile):
    """Return what the runtime should give for `Options` and the `Profile` of its model, or None."""
    floor = min(options.thresholds.values())
    if options.tta and options.tta_merge == "fusion" and not options.soft_nms:
        floor = min(floor, VIEW_FLOOR)
    return Wanted(
        score_threshold=_before_temperature(floor, profile) if profile else floor,
        suppress=not options.soft_nms,
        agnostic=options.agnostic,
        nms_threshold=options.nms_threshold,
        max_detections=options.max_detections,
        batched=options.batch_size > 1,
        bfloat16=options.bfloat16,
        cache=options.cache,
    )


def _before_temperature(threshold, profile):
    """Return a threshold of the network's own scores that keeps all above `threshold`."""
    if profile.temperature == 1.0:
        return threshold
    return float(tempered(threshold, 1 / profile.temperature)) * (1 - ROUNDING)


def _pass_over(one, error, broken):
    if broken is None:
        raise error
    broken(one.path or str(one.source), error)


def _inside(found, size):
    """Return `Detections` clipped to the picture, less those that lie outside of it."""
    height, width = size
    limits = np.array([width, height, width, height], np.float32)
    boxes = np.clip(found.boxes, 0, limits)
    kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(boxes, found.scores, found.labels).take(kept)
