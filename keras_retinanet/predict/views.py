"""Views of a picture: flipped, resized for the network, and the way back of boxes found in them."""

import itertools
from dataclasses import dataclass

import numpy as np

from keras_retinanet.utils.detections import Placement
from keras_retinanet.utils.resizing import resize_rule


@dataclass(frozen=True)
class View:
    """One way to look at a picture.

    Attributes:
        across, down: whether it is mirrored left to right, upside down.
        factor: on the size at which the network sees it.
    """

    across: bool = False
    down: bool = False
    factor: float = 1.0

    def turned(self, picture):
        """Return the picture [H, W, C] mirrored."""
        columns, rows = (slice(None, None, -1 if flip else 1) for flip in (self.across, self.down))
        return np.ascontiguousarray(picture[rows, columns])

    def turned_back(self, boxes, shape):
        """Return boxes [D, 4] of the mirrored picture as boxes of the picture of this shape."""
        x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)
        if self.across:
            x1, x2 = shape[1] - x2, shape[1] - x1
        if self.down:
            y1, y2 = shape[0] - y2, shape[0] - y1
        return np.stack([x1, y1, x2, y2], axis=-1)


AS_IT_IS = View()


def views_of(words):
    """Return the `View`s that `Options.tta` names: the picture itself and every combination."""
    factors = [1.0, *(float(word) for word in words if not isinstance(word, str))]
    across = (False, True) if "flip" in words else (False,)
    down = (False, True) if "vflip" in words else (False,)
    combinations = itertools.product(dict.fromkeys(factors), across, down)
    return [View(x, y, factor) for factor, x, y in combinations]


def placed(picture, profile, view=AS_IT_IS):
    """Return (levels [h, w, C] as the network sees the view, `Placement`).

    Args:
        picture: [H, W, C], levels.
        profile: whose resize rule and sides count.
    """
    turned = view.turned(picture)
    sides = np.array([profile.image_min_side, profile.image_max_side])
    if not profile.resize:
        if view.factor == 1.0:
            return turned, Placement()
        sides = np.sort(turned.shape[:2])
    rule = resize_rule(profile.resize_rule)
    smaller, larger = (max(1, round(float(side) * view.factor)) for side in sides)
    image, scale = rule(turned, smaller, larger)
    image = image.reshape(*image.shape[:2], *picture.shape[2:])
    return image, Placement(scale, rule.margin(turned.shape[:2]))


def seen_size(size, profile):
    """Return (height, width) at which the network sees a whole picture of this (height, width)."""
    if not profile.resize:
        return tuple(size)
    sides = profile.image_min_side, profile.image_max_side
    seen = resize_rule(profile.resize_rule).size(tuple(size), *sides)
    return tuple(max(1, int(side)) for side in seen)
