"""Random windows on a picture that keep objects: the crops of SSD.

Liu et al. 2016 (arXiv:1512.02325, section 2.2), with the numbers of its published code: sides of
0.3 to 1 of the picture's, and ratios drawn between shares of the picture's sides.
"""

import numpy as np

from keras_retinanet.utils.transform import scaling, translation

WHOLE, ANY = None, 0.0
LEAST_OVERLAPS = (WHOLE, ANY, 0.1, 0.3, 0.5, 0.7, 0.9)  # of IoU with some object; drawn evenly
SHARES = (0.3, 1.0)  # square root of the window's area over the picture's
MOST_STRETCH = 2.0  # of the share of one side over that of the other
TRIALS = 50


def draw_window(rng, size, boxes):
    """Return a window (x1, y1, x2, y2) in pixels, or the whole picture.

    Some box must be centred in it and overlap it by at least the drawn IoU; where no trial
    succeeds, another IoU is drawn, as small objects overlap no window by much. Where there are
    no boxes, any window will do.

    Args:
        rng: random stream.
        size: (height, width) of the picture.
        boxes: [M, 4] in its pixels.
    """
    scale = np.array(size[::-1] * 2, float)
    for choice in rng.permutation(len(LEAST_OVERLAPS)):
        if LEAST_OVERLAPS[choice] is WHOLE:
            break
        windows = _any_windows(rng, TRIALS) * scale
        if not len(boxes):
            return windows[0]
        holds = centred_in(boxes, windows) & (overlaps(boxes, windows) >= LEAST_OVERLAPS[choice])
        good = np.flatnonzero(holds.any(axis=1))
        if len(good):
            return windows[good[0]]
    return np.array([0.0, 0.0, *size[::-1]])


def _any_windows(rng, count):
    """Return windows [count, 4] in shares of the picture."""
    shares = rng.uniform(*SHARES, size=count)
    stretch = np.minimum(MOST_STRETCH, 1 / shares**2)  # neither side passes the picture's
    roots = np.sqrt(rng.uniform(1 / stretch, stretch))
    sides = np.minimum(np.stack([shares * roots, shares / roots], axis=1), 1)
    corners = rng.uniform(0, 1 - sides)
    return np.concatenate([corners, corners + sides], axis=1)


def centred_in(boxes, windows):
    """Return which boxes [M, 4] have their centre in which windows [W, 4], [W, M] bool."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    low, high = windows[:, None, :2], windows[:, None, 2:]
    return ((centres > low) & (centres < high)).all(axis=2)


def overlaps(boxes, windows):
    """Return the IoU of boxes [M, 4] with windows [W, 4], [W, M]."""
    windows = windows[:, None]
    sides = np.minimum(boxes[:, 2:], windows[..., 2:]) - np.maximum(boxes[:, :2], windows[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared / (areas + (windows[..., 2:] - windows[..., :2]).prod(axis=2) - shared)


def onto_frame(window, size):
    """Return the matrix [3, 3] that stretches a window over a frame (height, width)."""
    factors = np.array(size[::-1]) / (window[2:] - window[:2])
    return scaling(factors) @ translation(-window[:2])
