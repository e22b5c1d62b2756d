"""What a user may ask of a `Detector`, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from keras_retinanet.predict.suppression import DECAYS
from keras_retinanet.utils.image import DEFAULT_MAX_PIXELS
from keras_retinanet.utils.temperature import tempered
from keras_retinanet.utils.tiles import OVERLAP

THRESHOLD = 0.5  # what is worth showing; measuring begins far lower
SOFT = tuple(name for name in DECAYS if name != "hard")
MERGES = ("fusion", "nms")
FLIPS = ("flip", "vflip")
TILED_MAX_PIXELS = 2**30  # what OpenCV decodes; only a tile of it goes through the network


@dataclass(frozen=True)
class Options:
    """How pictures are read, and which detections are told.

    Attributes:
        threshold: scores must be above it; a number, or {class name: number} with the number of
            all other classes under None (0.5). None for what the model advises for each class,
            0.5 where it advises nothing.
        classes: names of the classes to tell; None for all.
        max_detections: told of a picture; the model's own for None.
        batch_size: pictures that go through the network together.
        agnostic: whether a box suppresses those of other classes, too.
        soft_nms: "gaussian" or "linear" in place of the model's NMS.
        nms_threshold: IoU above which the worse box goes; the model's own for None.
        tta: views beside the picture itself: "flip", "vflip", and factors on its size; every
            combination is looked at.
        tta_merge: "fusion" (weighted boxes fusion) or "nms".
        tile: side of tiles, pixels; 0 for whole pictures, None for the model's own.
        tile_overlap: share of its side that a tile has in common with the next; the model's own
            for None.
        image_min_side, image_max_side: pixels; the model's own for None.
        resize: False leaves sizes alone.
        exif: whether files are turned upright as their EXIF tag says.
        max_pixels: larger files are refused; 178,956,970 for None, 2^30 in tiles.
        bfloat16: whether the network computes in it: faster where the processor has it, scores
            and boxes a little off.
        cache: whether the frozen graph of a model file is kept in a folder beside it, for later
            processes; on TensorFlow.
    """

    threshold: float | Mapping | None = None
    classes: tuple | None = None
    max_detections: int | None = None
    batch_size: int = 1
    agnostic: bool = False
    soft_nms: str | None = None
    nms_threshold: float | None = None
    tta: tuple = ()
    tta_merge: str = "fusion"
    tile: int | None = None
    tile_overlap: float | None = None
    image_min_side: int | None = None
    image_max_side: int | None = None
    resize: bool = True
    exif: bool = True
    max_pixels: int | None = None
    bfloat16: bool = False
    cache: bool = False

    def __post_init__(self):
        for name in ("max_detections", "batch_size", "image_min_side", "image_max_side"):
            value = getattr(self, name)
            if value is not None and (value != int(value) or value < 1):
                raise ValueError(f"{name} must be a whole number from 1. Received: {value!r}")
        _check_choice("soft_nms", self.soft_nms, (None, *SOFT))
        _check_choice("tta_merge", self.tta_merge, MERGES)
        numbers = [*self.thresholds.values(), self.nms_threshold or 0.0]
        if not all(isinstance(n, (int, float)) and 0 <= n <= 1 for n in numbers):
            raise ValueError(
                "threshold and nms_threshold must be from 0 to 1. Received: "
                f"{self.threshold!r}, {self.nms_threshold!r}"
            )
        for word in self.tta:
            if word not in FLIPS and not (isinstance(word, (int, float)) and 0.1 <= word <= 10):
                raise ValueError(
                    f"tta must be of flip, vflip and factors from 0.1 to 10. Received: {word!r}"
                )

    @property
    def thresholds(self):
        """Return {class name: threshold}, that of all others under None."""
        given = THRESHOLD if self.threshold is None else self.threshold
        return {None: THRESHOLD, **given} if isinstance(given, Mapping) else {None: given}

    @property
    def gives_sides(self):
        """Return whether a side is given, which asks for whole pictures, resized."""
        return bool(self.image_min_side or self.image_max_side)

    def pixel_limit(self, tiled):
        """Return how many pixels a file may have."""
        return self.max_pixels or (TILED_MAX_PIXELS if tiled else DEFAULT_MAX_PIXELS)

    def overlap(self, profile):
        """Return the overlap of tiles, the profile's where it is not given."""
        own = getattr(profile, "tile_overlap", OVERLAP)
        return own if self.tile_overlap is None else self.tile_overlap


def _check_choice(name, value, known):
    if value not in known:
        raise ValueError(f"{name} must be one of {known}. Received: {value!r}")


def with_advised(options, profile):
    """Return `options` with the thresholds that a `Profile` advises, where none is asked for."""
    advised = profile.advised_thresholds if profile else ()
    if options.threshold is not None or not advised or len(advised) != len(profile.classes):
        return options
    pairs = zip(profile.classes, advised, strict=True)
    known = {
        name: float(tempered(value, profile.temperature))
        for name, value in pairs
        if value is not None and name
    }
    return replace(options, threshold={None: THRESHOLD, **known})


def label_thresholds(options, classes):
    """Return the threshold of each label, a list [K]; above 1 for classes that are not told.

    Args:
        options: `Options`.
        classes: names by label.

    Raises:
        ValueError: the options name a class that the model does not have.
    """
    named = {name for name in options.thresholds if name is not None} | set(options.classes or ())
    if unknown := sorted(named - set(classes)):
        known = ", ".join(name for name in classes if name) or "none: its file names no classes"
        raise ValueError(f"unknown class {unknown[0]!r}. The model's classes: {known}")
    wanted = set(classes if options.classes is None else options.classes)
    thresholds, default = options.thresholds, options.thresholds[None]
    return [thresholds.get(name, default) if name in wanted else 2.0 for name in classes]


def with_sides(profile, options):
    """Return `profile` with the sides that are asked for.

    Raises:
        ValueError: they contradict each other.
    """
    smaller = options.image_min_side or profile.image_min_side
    larger = options.image_max_side or profile.image_max_side
    if smaller > larger:
        raise ValueError(
            f"image_min_side {smaller} is larger than image_max_side {larger}: the model's sides "
            f"are {profile.image_min_side} and {profile.image_max_side}; give both"
        )
    resize = options.resize and (profile.resize or options.gives_sides)
    return replace(profile, image_min_side=smaller, image_max_side=larger, resize=resize)
