"""Pictures for the gate: those that are given, or drawn ones; two sizes, alone and in pairs."""

import numpy as np

DRAWN = 20  # shapes in a drawn picture
LARGEST_SIDE = 512  # pixels of a drawn picture; more shows no more


def drawn_picture(height, width, channels, seed=0):
    """Return uint8 [height, width, channels]: rectangles of any colour over noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 140, (height, width, channels), np.uint8)
    for _ in range(DRAWN):
        side = rng.integers(8, max(9, min(height, width) // 2), 2)
        y = int(rng.integers(0, max(1, height - side[0])))
        x = int(rng.integers(0, max(1, width - side[1])))
        image[y : y + side[0], x : x + side[1]] = rng.integers(0, 256, channels, np.uint8)
    return image


def drawn_pictures(profile, size=None):
    """Return pictures of two sizes, none a multiple of a cell, as a network of `profile` takes.

    Args:
        profile: `Profile`.
        size: (height, width) that alone is taken; None for two.
    """
    preprocessing = profile.preprocessing
    side = min(profile.image_min_side, LARGEST_SIDE)
    sizes = [size, size] if size else [(side + 3, side * 4 // 3 + 1), (side, side * 3 // 4 + 5)]
    pictures = [
        drawn_picture(*shape, preprocessing.channels, seed) for seed, shape in enumerate(sizes)
    ]
    unit = {8: np.uint8(1), 16: np.uint16(257)}[preprocessing.bits]  # a step of 8 bits
    return [picture * unit for picture in pictures]


def batches_of(pictures, batch=None):
    """Yield batches of levels [B, H, W, C]: each picture alone, and beside its mirror image.

    Args:
        pictures: levels [H, W, C], as a network sees them, red first.
        batch: the only number of pictures that goes; None for any.
    """
    for picture in pictures:
        pair = np.stack([picture, picture[:, ::-1]])
        if batch is None:
            yield pair[:1]
            yield pair
        else:
            yield np.concatenate([pair] * ((batch + 1) // 2))[:batch]
