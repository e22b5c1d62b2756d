"""Slow truths of what 1.0 has not: box losses by overlap, soft targets, other assignments.

One loop at a time, in float64, from the papers; nothing here calls the package or Keras.
"""

import math

import numpy as np

from tests.reference import (
    BACKGROUND,
    IGNORED,
    OBJECT,
    alpha_t,
    covered,
    focal_star,
    iou,
    log_sigmoid,
    objects_in,
    sigmoid,
)


def slopes(function, at, step=1e-5):
    """Return d function / d at by central differences, whatever the shape of `at`."""
    at = np.asarray(at, np.float64)
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        above, below = at.copy(), at.copy()
        above[place] += step
        below[place] -= step
        found[place] = (function(above) - function(below)) / (2 * step)
    return found


# Box losses of a predicted and a true box.


def uncrossed(box):
    """Return the box with its corners in order: line 1 of algorithm 2 of arXiv:1902.09630."""
    x1, y1, x2, y2 = map(float, box)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def around(a, b):
    """Return the smallest box around two."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def giou(found, true):
    """Return 1 - GIoU, algorithm 2 of arXiv:1902.09630."""
    found, true = uncrossed(found), uncrossed(true)
    overlap = iou(found, true)
    hull = area(around(found, true))
    union = (area(found) + area(true)) / (1 + overlap)  # shared = overlap * union
    return 1 - overlap + ((hull - union) / hull if hull else 0)


def diou(found, true):
    """Return 1 - IoU + r²/c², equation 7 of arXiv:1911.08287."""
    found, true = uncrossed(found), uncrossed(true)
    dx = (found[0] + found[2]) / 2 - (true[0] + true[2]) / 2
    dy = (found[1] + found[3]) / 2 - (true[1] + true[3]) / 2
    hull = around(found, true)
    diagonal = (hull[2] - hull[0]) ** 2 + (hull[3] - hull[1]) ** 2
    return 1 - iou(found, true) + ((dx**2 + dy**2) / diagonal if diagonal else 0)


def aspect(found, true):
    """Return v, equation 9 of arXiv:1911.08287."""
    angles = [math.atan((b[2] - b[0]) / (b[3] - b[1])) for b in (uncrossed(found), uncrossed(true))]
    return 4 / math.pi**2 * (angles[1] - angles[0]) ** 2


def trade_off(found, true):
    """Return alpha, equation 11."""
    v = aspect(found, true)
    return v / (1 - iou(uncrossed(found), uncrossed(true)) + v) if v else 0.0


def ciou(found, true, alpha=None):
    """Return 1 - IoU + r²/c² + alpha v, equation 10; alpha is given where it is held constant."""
    alpha = trade_off(found, true) if alpha is None else alpha
    return diou(found, true) + alpha * aspect(found, true)


def l1(deltas, targets):
    return sum(abs(a - b) for a, b in zip(deltas, targets, strict=True))


# Class losses of soft targets: x a logit, y a target from 0 to 1.


def soft_cross_entropy(x, y):
    return -y * log_sigmoid(x) - (1 - y) * log_sigmoid(-x)


def quality_focal(x, y, beta=2.0):
    """Equation 2 of arXiv:2006.04388."""
    return abs(y - sigmoid(x)) ** beta * soft_cross_entropy(x, y)


def soft_alpha(y, alpha=0.25):
    return y * alpha_t(1, alpha) + (1 - y) * alpha_t(-1, alpha)


SOFT = {
    "focal": lambda x, y: soft_alpha(y) * quality_focal(x, y, 2.0),
    "cross-entropy": soft_cross_entropy,
    "balanced-cross-entropy": lambda x, y: soft_alpha(y) * soft_cross_entropy(x, y),
    "focal-star": lambda x, y: y * focal_star(x, 1) + (1 - y) * focal_star(x, -1),
    "quality-focal": quality_focal,
}


def soft_anchor_loss(term, logits, labels, state, target=None, smoothing=0.0, class_weights=None):
    """Sum over all anchors not ignored and all classes, over the number of objects.

    Args:
        target: [B, N], of an object anchor at its class; 1 by default.
        smoothing: 1 - E for the class of an object anchor, E / (K - 1) for each other one.
        class_weights: factors on all terms of the object anchors of a class.
    """
    total = 0.0
    for image in range(len(state)):
        for anchor, anchor_state in enumerate(state[image]):
            if anchor_state == IGNORED:
                continue
            row, label = logits[image][anchor], labels[image][anchor]
            aims, weight = [0.0] * len(row), 1.0
            if anchor_state == OBJECT:
                others = smoothing / (len(row) - 1) if len(row) > 1 else 0.0
                aims = [others] * len(row)
                aims[label] = 1 - smoothing if target is None else float(target[image][anchor])
                weight = 1.0 if class_weights is None else class_weights[label]
            total += weight * sum(term(float(x), y) for x, y in zip(row, aims, strict=True))
    return total / objects_in(state)


# Assignment.


def centre(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def inside_image(anchor, size):
    x, y = centre(anchor)
    return x < size[1] and y < size[0]


def centred_in(anchor, box):
    x, y = centre(anchor)
    return box[0] < x < box[2] and box[1] < y < box[3]


def atss(levels, boxes, size, regions=(), per_cell=1, cells=9):
    """Return state and box index of each anchor: algorithm 1 of arXiv:1912.02424.

    Args:
        levels: the anchors of each level, [n, 4]; A of a cell side by side.
        cells: k. A cell outside of the image is no candidate.
    """
    anchors = np.concatenate(levels)
    best = [(0.0, None)] * len(anchors)
    for index, box in enumerate(boxes):
        x, y = centre(box)
        candidates, first = [], 0
        for level in levels:
            distances = []
            for cell in range(0, len(level), per_cell):
                if inside_image(level[cell], size):
                    u, v = centre(level[cell])
                    distances.append((math.hypot(x - u, y - v), cell))
            for _, cell in sorted(distances)[:cells]:
                candidates += [first + cell + one for one in range(per_cell)]
            first += len(level)
        overlaps = [iou(anchors[one], box) for one in candidates]
        mean = sum(overlaps) / max(len(overlaps), 1)
        variance = sum((one - mean) ** 2 for one in overlaps) / max(len(overlaps) - 1, 1)
        threshold = mean + math.sqrt(variance) - 1e-6
        for one, overlap in zip(candidates, overlaps, strict=True):
            wanted = overlap >= threshold and overlap > 0 and centred_in(anchors[one], box)
            if wanted and overlap > best[one][0]:
                best[one] = overlap, index
    state = []
    for anchor, (_, index) in zip(anchors, best, strict=True):
        hidden = any(covered(anchor, region) >= 0.5 for region in regions)
        one = OBJECT if index is not None else IGNORED if hidden else BACKGROUND
        state.append(one if inside_image(anchor, size) else IGNORED)
    return state, [index or 0 for _, index in best]


def every_box(state, index, anchors, boxes, size):
    """Return state and index with an anchor for each box that has none.

    In the boxes' order, of the anchors in the image that hold no object, the one that the box
    overlaps most; of equals (to 1e-5) the nearest (to 0.01 square pixels), then the first.
    """
    state, index = list(state), list(index)
    without = [
        place
        for place in range(len(boxes))
        if not any(s == OBJECT and i == place for s, i in zip(state, index, strict=True))
    ]
    for place in without:
        x, y = centre(boxes[place])
        free = []
        for number, anchor in enumerate(anchors):
            overlap = iou(anchor, boxes[place])
            if state[number] != OBJECT and inside_image(anchor, size) and overlap > 0:
                u, v = centre(anchor)
                free.append((overlap, (x - u) ** 2 + (y - v) ** 2, number))
        if free:
            most = max(overlap for overlap, _, _ in free)
            best = [one for one in free if one[0] >= most * (1 - 1e-5)]
            least = min(squared for _, squared, _ in best)
            chosen = next(number for _, squared, number in best if squared <= least + 1e-2)
            state[chosen], index[chosen] = OBJECT, place
    return state, index
