"""Plane transforms as homogeneous matrices [3, 3] for column vectors (x, y, 1) in pixels.

y points down, so a positive angle (radians) turns clockwise as seen. Coordinates are continuous:
the pixel in column 0 covers x from 0 to 1, and a flip about a picture's centre maps x to width - x.
Whatever is random draws from a `prng`: a `numpy.random.Generator`, a `RandomState`, or the module.
"""

import numpy as np

DEFAULT_PRNG = np.random


def colvec(*args):
    """Return the arguments as a column vector [n, 1]."""
    return np.array([args]).T


def transform_aabb(transform, aabb):
    """Return the upright box around the four moved corners of a box.

    Args:
        transform: matrix [3, 3].
        aabb: (x1, y1, x2, y2), or boxes [..., 4].

    Returns:
        float64 [..., 4].
    """
    x1, y1, x2, y2 = np.moveaxis(np.asarray(aabb, np.float64), -1, 0)
    x = np.stack([x1, x2, x1, x2])
    y = np.stack([y1, y2, y2, y1])
    moved_x = transform[0, 0] * x + transform[0, 1] * y + transform[0, 2]  # [4, ...]
    moved_y = transform[1, 0] * x + transform[1, 1] * y + transform[1, 2]
    return np.stack([moved_x.min(0), moved_y.min(0), moved_x.max(0), moved_y.max(0)], axis=-1)


def rotation(angle):
    """Return the turn by `angle` radians about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def translation(vector):
    """Return the shift by `vector` (x, y)."""
    return np.array([[1, 0, vector[0]], [0, 1, vector[1]], [0, 0, 1]])


def shear(angle):
    """Return the shear that turns the y axis by `angle` radians and leaves the x axis."""
    return np.array([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])


def scaling(factor):
    """Return the scaling by `factor` (x, y)."""
    return np.array([[factor[0], 0, 0], [0, factor[1], 0], [0, 0, 1]])


def change_transform_origin(transform, center):
    """Return `transform` made to act about `center` (x, y) instead of the origin."""
    center = np.asarray(center)
    return translation(center) @ transform @ translation(-center)


def _draw(prng, low, high):
    low, high = np.asarray(low), np.asarray(high)
    if low.shape != high.shape or not (low <= high).all():
        raise ValueError(
            "a random transform needs a lower and an upper bound of one shape, the lower first. "
            f"Received: {low.tolist()} and {high.tolist()}"
        )
    return prng.uniform(low, high)


def random_rotation(min, max, prng=DEFAULT_PRNG):
    """Return a rotation by an angle drawn from [min, max) radians."""
    return rotation(_draw(prng, min, max))


def random_translation(min, max, prng=DEFAULT_PRNG):
    """Return a translation by a vector drawn between the vectors `min` and `max`."""
    return translation(_draw(prng, min, max))


def random_shear(min, max, prng=DEFAULT_PRNG):
    """Return a shear by an angle drawn from [min, max) radians."""
    return shear(_draw(prng, min, max))


def random_scaling(min, max, prng=DEFAULT_PRNG):
    """Return a scaling whose two factors are drawn between the vectors `min` and `max`."""
    return scaling(_draw(prng, min, max))


def random_flip(flip_x_chance, flip_y_chance, prng=DEFAULT_PRNG):
    """Return a flip along x, y, both or none, each with its chance."""
    flip_x = prng.uniform(0, 1) < flip_x_chance
    flip_y = prng.uniform(0, 1) < flip_y_chance
    return scaling((1 - 2 * flip_x, 1 - 2 * flip_y))


def random_transform(
    min_rotation=0,
    max_rotation=0,
    min_translation=(0, 0),
    max_translation=(0, 0),
    min_shear=0,
    max_shear=0,
    min_scaling=(1, 1),
    max_scaling=(1, 1),
    flip_x_chance=0,
    flip_y_chance=0,
    prng=DEFAULT_PRNG,
):
    """Return rotation @ translation @ shear @ scaling @ flip, drawn in this order."""
    return (
        random_rotation(min_rotation, max_rotation, prng)
        @ random_translation(min_translation, max_translation, prng)
        @ random_shear(min_shear, max_shear, prng)
        @ random_scaling(min_scaling, max_scaling, prng)
        @ random_flip(flip_x_chance, flip_y_chance, prng)
    )


def random_transform_generator(prng=None, **kwargs):
    """Yield `random_transform(**kwargs)` without end, from a new random state if none is given."""
    prng = np.random.default_rng() if prng is None else prng
    while True:
        yield random_transform(prng=prng, **kwargs)
