"""Random changes of pictures and what they do to boxes. All randomness comes in as `rng`."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from keras_retinanet.preprocessing import mosaic
from keras_retinanet.preprocessing.annotations import select
from keras_retinanet.preprocessing.visibility import keep_visible
from keras_retinanet.preprocessing.windows import centred_in, draw_window, onto_frame
from keras_retinanet.utils.anchors import REGION
from keras_retinanet.utils.image import (
    TransformParameters,
    VisualEffect,
)
from keras_retinanet.utils.transform import (
    change_transform_origin,
    random_transform,
    scaling,
    translation,
)

# ImageNet's mean level, blue first, which preprocessing turns into some 0, as beyond a picture
FILL = TransformParameters(fill_mode="constant", cval=(104, 117, 124))


@dataclass(frozen=True)
class Augmentation:
    """A policy: which changes are drawn, from which ranges. The default only flips left-right.

    Attributes:
        flip_x, flip_y: chance to mirror left-right, top-bottom.
        rotation, shear: largest angle either way, radians.
        translation: largest shift either way, share of the picture's width and height.
        scaling: smallest and largest factor, each axis drawn by itself.
        zoom: smallest and largest factor of both axes alike, drawn evenly on a logarithmic scale.
        contrast, saturation: smallest and largest factor.
        brightness: largest shift either way, share of full brightness.
        hue: largest turn either way, share of a full turn.
    """

    flip_x: float = 0.5
    flip_y: float = 0.0
    rotation: float = 0.0
    translation: float = 0.0
    shear: float = 0.0
    scaling: tuple = (1.0, 1.0)
    zoom: tuple = (1.0, 1.0)
    contrast: tuple = (1.0, 1.0)
    brightness: float = 0.0
    hue: float = 0.0
    saturation: tuple = (1.0, 1.0)

    transform_parameters: ClassVar = None  # how its transforms fill; None leaves the choice

    def __post_init__(self):
        for name in ("flip_x", "flip_y", "translation", "brightness", "hue"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1. Received: {getattr(self, name)!r}")
        for name in ("scaling", "zoom", "contrast", "saturation"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(
                    f"{name} must be (smallest, largest) above 0. Received: {(low, high)!r}"
                )

    def transform(self, rng):
        """Return a [3, 3] matrix about the picture's centre, its translation relative."""
        drawn = random_transform(
            min_rotation=-self.rotation,
            max_rotation=self.rotation,
            min_translation=(-self.translation,) * 2,
            max_translation=(self.translation,) * 2,
            min_shear=-self.shear,
            max_shear=self.shear,
            min_scaling=(self.scaling[0],) * 2,
            max_scaling=(self.scaling[1],) * 2,
            flip_x_chance=self.flip_x,
            flip_y_chance=self.flip_y,
            prng=rng,
        )
        if self.zoom[0] == self.zoom[1] == 1.0:
            return drawn
        return drawn @ scaling((np.exp(rng.uniform(*np.log(self.zoom))),) * 2)

    def placement(self, rng, size, boxes):
        """Return the [3, 3] matrix in pixels by which a picture moves within its frame.

        Args:
            rng: random stream.
            size: (height, width) of picture and frame.
            boxes: [M, 4] of the picture.
        """
        height, width = size
        in_pixels = self.transform(rng) * [[1, 1, width], [1, 1, height], [1, 1, 1]]
        return change_transform_origin(in_pixels, (width / 2, height / 2))

    def keep(self, annotations, moved, size):
        """Return annotations with the `moved` boxes clipped to a frame, less those lost."""
        return keep_visible(annotations, moved, size)

    def at(self, epoch):
        """Return the policy of an epoch, counted from 0."""
        return self

    def effect(self, rng):
        """Return a VisualEffect, or None if the policy leaves colours alone."""
        ranges = (
            self.contrast,
            (-self.brightness, self.brightness),
            (-self.hue, self.hue),
            self.saturation,
        )
        if all(low == high for low, high in ranges):
            return None
        # a part without a range is None, which costs no pass over the picture
        return VisualEffect(*(rng.uniform(*r) if r[0] < r[1] else None for r in ranges))


@dataclass(frozen=True)
class LargeScaleJitter(Augmentation):
    """Large scale jitter of Ghiasi et al. 2021 (arXiv:2012.07177, section 3).

    The picture is resized by a factor drawn evenly from `jitter` and cropped, or padded with
    `FILL`, to the size it had. Departure: a smaller one lies anywhere, not at the top left.
    """

    jitter: tuple = (0.1, 2.0)

    transform_parameters: ClassVar = FILL

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.jitter[0] <= self.jitter[1]:
            raise ValueError(
                f"jitter must be (smallest, largest) above 0. Received: {self.jitter!r}"
            )

    def placement(self, rng, size, boxes):
        """Return the [3, 3] matrix of the base policy, then zoom and shift."""
        base = super().placement(rng, size, boxes)
        factor, position = rng.uniform(*self.jitter), rng.uniform(size=2)
        return translation((1 - factor) * position * size[::-1]) @ scaling((factor,) * 2) @ base


@dataclass(frozen=True)
class WindowCrop(Augmentation):
    """The crops of SSD (`windows.py`), stretched over the picture's frame.

    Objects centred outside the window are dropped, the others clipped to it.
    """

    def placement(self, rng, size, boxes):
        """Return the [3, 3] matrix of a window of the picture, then the base policy."""
        window = draw_window(rng, size, boxes)
        return super().placement(rng, size, boxes) @ onto_frame(window, size)

    def keep(self, annotations, moved, size):
        """Return annotations less the objects centred outside; regions stay as far as seen."""
        inside = centred_in(moved, np.array([[0, 0, *size[::-1]]]))[0]
        inside |= np.asarray(annotations["labels"]) == REGION
        annotations = select(annotations, inside, annotations["bboxes"])
        return keep_visible(annotations, moved[inside], size)


@dataclass(frozen=True)
class Mosaic(Augmentation):
    """Four pictures in one (`mosaic.py`), each changed by the base policy first.

    Attributes:
        tile_zoom: smallest and largest factor on a picture's training size.
        cross: smallest and largest share of the frame's sides left of and above the cross.
        until: epochs with mosaics; from then on, the policy is `later`. None: all.
        later: policy of the last epochs, whose pictures are as at evaluation.
    """

    tile_zoom: tuple = (0.5, 1.0)
    cross: tuple = (0.2, 0.8)
    until: int | None = None
    later: Augmentation | None = None

    partners: ClassVar = mosaic.PICTURES - 1  # further pictures for each

    def at(self, epoch):
        """Return the policy of an epoch, counted from 0."""
        return self if self.until is None or epoch < self.until else self.later or Augmentation()

    def compose(self, rng, pictures, annotations, factors, size):
        """Return (frame [H, W, C], annotations) of four pictures.

        Args:
            rng: random stream.
            pictures: arrays [h, w, C] of one dtype.
            annotations: of each.
            factors: from each picture's size to its training size.
            size: (height, width) of the frame.
        """
        shares = rng.uniform(*self.cross, size=2)
        cross = tuple(np.rint(shares * size[::-1]).astype(int).tolist())
        zooms = np.exp(rng.uniform(*np.log(self.tile_zoom), size=len(pictures)))
        positions = rng.uniform(size=(len(pictures), 2))
        matrices = [
            mosaic.place(quarter, cross, picture.shape, factor, position)
            for quarter, picture, factor, position in zip(
                mosaic.quarters(cross, size), pictures, factors * zooms, positions, strict=True
            )
        ]
        return mosaic.compose(pictures, annotations, matrices, cross, size, FILL)


FLIPS = Augmentation()  # what 1.0's training always did
RANDOM_TRANSFORM = Augmentation(  # 1.0's --random-transform
    flip_y=0.5,
    rotation=0.1,
    translation=0.1,
    shear=0.1,
    scaling=(0.9, 1.1),
    contrast=(0.9, 1.1),
    brightness=0.1,
    hue=0.05,
    saturation=(0.95, 1.05),
)
# Upright boxes stay tight under zooms and flips. Turning and shearing by 0.1 rad, as
# RANDOM_TRANSFORM does, widens the box around the corners of a round thing by up to a fifth, and
# a network learns such boxes: benchmarks/RESULTS.md has what that costs on blood cells.
SCALE_JITTER = Augmentation(
    translation=0.1,
    zoom=(0.7, 1.4),
    contrast=(0.8, 1.2),
    brightness=0.1,
    saturation=(0.8, 1.2),
)
OVERHEAD = replace(SCALE_JITTER, flip_y=0.5)
COLOURS = Augmentation(contrast=(0.8, 1.2), brightness=0.1, hue=0.02, saturation=(0.8, 1.2))
AUGMENTATIONS = {  # names on the command line
    "flips": FLIPS,
    "random-transform": RANDOM_TRANSFORM,
    "scale-jitter": SCALE_JITTER,
    "overhead": OVERHEAD,
    "colours": COLOURS,
    "large-scale-jitter": LargeScaleJitter(),
    # shorter sides of 640 to 800 where the picture has 800, on a canvas of one size
    "multi-scale": LargeScaleJitter(jitter=(0.8, 1.0)),
    "crop": WindowCrop(contrast=(0.8, 1.2), brightness=0.1, saturation=(0.8, 1.2)),
    "mosaic": Mosaic(
        contrast=(0.8, 1.2), brightness=0.1, saturation=(0.8, 1.2), later=SCALE_JITTER
    ),
}
