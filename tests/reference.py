"""Slow truths, one loop at a time, in float64: from the papers and from keras-retinanet 1.0.

Nothing here calls the package or Keras. Boxes are (x1, y1, x2, y2) in continuous pixels.
"""

import math

import numpy as np

OBJECT, BACKGROUND, IGNORED = 1, 0, -1


# Losses: Lin et al. 2017 (arXiv:1708.02002). x is a logit, y is +1 or -1, x_t = y x.


def log_sigmoid(x):
    return -math.log1p(math.exp(-x)) if x >= 0 else x - math.log1p(math.exp(x))


def sigmoid(x):
    return math.exp(log_sigmoid(x))


def cross_entropy(x, y):
    """Equation 1."""
    return -log_sigmoid(y * x)


def alpha_t(y, alpha):
    return alpha if y == 1 else 1 - alpha


def balanced_cross_entropy(x, y, alpha=0.25):
    """Equation 3."""
    return alpha_t(y, alpha) * cross_entropy(x, y)


def focal(x, y, alpha=0.25, gamma=2.0):
    """Equation 5, with 1 - p_t = sigmoid(-x_t)."""
    return alpha_t(y, alpha) * sigmoid(-y * x) ** gamma * cross_entropy(x, y)


def focal_star(x, y, gamma=2.0, beta=1.0):
    """Appendix A."""
    return -log_sigmoid(gamma * y * x + beta) / gamma


def cross_entropy_slope(x, y):
    """dCE/dx = y (p_t - 1), appendix B."""
    return -y * sigmoid(-y * x)


def focal_slope(x, y, alpha=0.25, gamma=2.0):
    """dFL/dx = y (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1), appendix B, times alpha_t."""
    p_t, not_p_t = sigmoid(y * x), sigmoid(-y * x)
    inner = gamma * p_t * log_sigmoid(y * x) - not_p_t
    return alpha_t(y, alpha) * y * not_p_t**gamma * inner


def focal_star_slope(x, y, gamma=2.0, beta=1.0):
    """dFL*/dx = y (p*_t - 1), appendix B."""
    return -y * sigmoid(-(gamma * y * x + beta))


def objects_in(state):
    return max(1, sum(value == OBJECT for row in state for value in row))


def anchor_loss(elementwise, logits, labels, state):
    """Sum over all anchors not ignored and all classes, over the number of objects."""
    total = 0.0
    for image in range(len(state)):
        for anchor, anchor_state in enumerate(state[image]):
            if anchor_state == IGNORED:
                continue
            for k, x in enumerate(logits[image][anchor]):
                is_true = anchor_state == OBJECT and labels[image][anchor] == k
                total += elementwise(float(x), 1 if is_true else -1)
    return total / objects_in(state)


def dense_focal(targets, state, probabilities, alpha=0.25, gamma=2.0, cutoff=0.5):
    """keras-retinanet 1.0's focal loss; probabilities are clipped as float32 holds 1 - 1e-7."""
    lowest, highest = 1e-7, float(np.float32(1 - 1e-7))
    total = 0.0
    for image in range(len(state)):
        for anchor, anchor_state in enumerate(state[image]):
            if anchor_state == IGNORED:
                continue
            for target, p in zip(targets[image][anchor], probabilities[image][anchor], strict=True):
                target, p = float(target), min(max(float(p), lowest), highest)
                weight = alpha * (1 - p) ** gamma if target > cutoff else (1 - alpha) * p**gamma
                total -= weight * (target * math.log(p) + (1 - target) * math.log1p(-p))
    return total / objects_in(state)


def smooth_l1(difference, sigma=3.0):
    """Girshick 2015 (arXiv:1504.08083, equation 3) with the sigma of its published code."""
    size = abs(difference)
    if size < 1 / sigma**2:
        return 0.5 * (sigma * size) ** 2
    return size - 0.5 / sigma**2


def box_loss(deltas, targets, state, sigma=3.0):
    total = 0.0
    for image in range(len(state)):
        for anchor, anchor_state in enumerate(state[image]):
            if anchor_state == OBJECT:
                pairs = zip(deltas[image][anchor], targets[image][anchor], strict=True)
                total += sum(smooth_l1(float(a) - float(b), sigma) for a, b in pairs)
    return total / objects_in(state)


def mined(hardness, state, ratio=3, at_least=100):
    """Return the background anchors of one image that count: the hardest, first on ties."""
    background = [index for index, value in enumerate(state) if value == BACKGROUND]
    objects = sum(value == OBJECT for value in state)
    wanted = ratio * objects if objects else at_least
    return set(sorted(background, key=lambda index: (-hardness[index], index))[:wanted])


# Geometry.


def iou(a, b):
    """Return the intersection over union of two boxes; 0 where they do not overlap."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def encode(box, anchor, std=0.2):
    sides = (anchor[2] - anchor[0], anchor[3] - anchor[1]) * 2
    return [(box[i] - anchor[i]) / sides[i] / std for i in range(4)]


def decode(deltas, anchor, std=0.2):
    sides = (anchor[2] - anchor[0], anchor[3] - anchor[1]) * 2
    return [anchor[i] + deltas[i] * std * sides[i] for i in range(4)]


def anchors(shapes, sizes, strides, ratios, scales):
    """Return all anchors: level, row, column, ratio, scale, outermost first."""
    found = []
    for (rows, columns), size, stride in zip(shapes, sizes, strides, strict=True):
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                for ratio in ratios:
                    for scale in scales:
                        width = size * scale / math.sqrt(ratio)
                        height = width * ratio
                        found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return np.array(found)


def covered(box, region):
    """Return which share of a box a region covers."""
    width = min(box[2], region[2]) - max(box[0], region[0])
    height = min(box[3], region[3]) - max(box[1], region[1])
    return max(width, 0) * max(height, 0) / ((box[2] - box[0]) * (box[3] - box[1]))


def assign(anchor_boxes, boxes, labels, size, regions=()):
    """Return state, label and box of each anchor, and its deltas where it holds an object.

    IoU >= 0.5 is an object, > 0.4 is ignored, the rest is background; background of whose area
    a region covers half is ignored, and so are anchors centred at or beyond the image's right or
    bottom edge. The first box wins ties.
    """
    states, chosen = [], []
    for anchor in anchor_boxes:
        best, highest = 0, -1.0
        for index, box in enumerate(boxes):
            overlap = iou(anchor, box)
            if overlap > highest:
                best, highest = index, overlap
        state = BACKGROUND
        if highest >= 0.5:
            state = OBJECT
        elif highest > 0.4 or any(covered(anchor, region) >= 0.5 for region in regions):
            state = IGNORED
        height, width = size
        if (anchor[0] + anchor[2]) / 2 >= width or (anchor[1] + anchor[3]) / 2 >= height:
            state = IGNORED
        states.append(state)
        chosen.append(best)
    return states, [labels[i] if len(labels) else -1 for i in chosen], chosen


# Detection.


def greedy(boxes, order, threshold):
    """Keep each box of `order` that no kept one overlaps by more than `threshold`."""
    kept = []
    for index in order:
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def filter_detections(
    boxes,
    scores,
    nms=True,
    class_specific_filter=True,
    score_threshold=0.05,
    max_detections=300,
    nms_threshold=0.5,
):
    """Return [(score, label, anchor), …], best first, as keras-retinanet 1.0 filters."""
    labels = range(scores.shape[1])
    # the labels whose boxes suppress each other, each box under one of them
    best = [int(label) for label in np.argmax(scores, axis=1)]
    groups = [len(boxes) * [label] for label in labels] if class_specific_filter else [best]
    found = []
    for group in groups:
        candidates = [
            anchor for anchor, label in enumerate(group) if scores[anchor, label] > score_threshold
        ]
        order = sorted(candidates, key=lambda a, group=group: (-scores[a, group[a]], a))
        kept = greedy(boxes, order, nms_threshold) if nms else order
        found += [(float(scores[a, group[a]]), group[a], a) for a in kept]
    found.sort(key=lambda one: (-one[0], one[2], one[1]))
    return found[:max_detections]


def padded(found, boxes, max_detections):
    """Return boxes [D, 4], scores [D] and labels [D] of `filter_detections`, padded with -1."""
    out = np.full((max_detections, 4), -1.0), np.full(max_detections, -1.0)
    labels = np.full(max_detections, -1)
    for slot, (score, label, anchor) in enumerate(found):
        out[0][slot], out[1][slot], labels[slot] = boxes[anchor], score, label
    return out[0], out[1], labels


def upsample(source, height, width):
    """Return out[i, j] = source[i * h // height, j * w // width]."""
    h, w = source.shape[1:3]
    out = np.empty((source.shape[0], height, width, source.shape[3]), source.dtype)
    for i in range(height):
        for j in range(width):
            out[:, i, j] = source[:, i * h // height, j * w // width]
    return out
