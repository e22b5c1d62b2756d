"""Random changes of pictures and what they do to boxes. All randomness comes in as `rng`."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from keras_retinanet.utils.image import VisualEffect
from keras_retinanet.utils.transform import random_transform, scaling

MIN_VISIBLE = 0.1  # share of a box's area; what is left of a smaller one does not show its class
MIN_SIDE = 1.0  # pixels


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
AUGMENTATIONS = {  # names on the command line
    "flips": FLIPS,
    "random-transform": RANDOM_TRANSFORM,
    "scale-jitter": SCALE_JITTER,
    "overhead": OVERHEAD,
}


def clip_visible(boxes, height, width):
    """Clip boxes to a picture and say which are still worth showing to a network.

    A box that lies inside stays, whatever its size. One that the border cuts stays if at least
    `MIN_VISIBLE` of its area is left and each of its sides is `MIN_SIDE` or longer.

    Returns:
        (boxes [M, 4] clipped, kept [M] bool).
    """
    clipped = np.clip(boxes, 0, [width, height, width, height])
    sides = clipped[:, 2:] - clipped[:, :2]
    full = boxes[:, 2:] - boxes[:, :2]
    visible = sides.prod(axis=1) >= MIN_VISIBLE * full.prod(axis=1)
    cut = (clipped != boxes).any(axis=1)
    return clipped, ~cut | (visible & (sides >= MIN_SIDE).all(axis=1))


def one_opencv_thread():
    """Keep OpenCV to one thread a call: workers already use every core, and splitting a small
    picture costs more CPU seconds than it saves.
    """
    cv2.setNumThreads(1)


def resize_into(image, scale, place):
    """Write `image` resized by `scale` into `place`, a part of a canvas; as `resize_image` does.

    Writing to the canvas at once saves 2 of 9 ms a picture: fresh memory is what costs.
    """
    if scale == 1:
        place[...] = image
        return
    rounded = tuple(round(side * scale) for side in image.shape[:2])
    if rounded == place.shape[:2]:
        resized = cv2.resize(image, None, dst=place, fx=scale, fy=scale)
    else:  # a line of pixels, which stays one pixel wide
        resized = cv2.resize(image, place.shape[1::-1])
    if not np.may_share_memory(resized, place):
        place[...] = resized
