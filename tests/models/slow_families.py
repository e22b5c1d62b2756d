"""Slow truths of what sets families of published weights apart, one loop at a time, in float64.

Nothing here calls the package or Keras. Pictures and features are [H, W, C].
"""

import math

import numpy as np

from tests import reference


def cell_anchors(size, ratios, scales, rounding="none", order="ratio"):
    """Return the anchors of one cell about the origin.

    "whole", as torchvision: int() of the side, then whole corners (halves to the even number).
    "base", as ODTK: whole width and height at scale 1, corners on the first and last pixel.
    """
    if order == "ratio":
        pairs = [(ratio, scale) for ratio in ratios for scale in scales]
    else:
        pairs = [(ratio, scale) for scale in scales for ratio in ratios]
    found = []
    for ratio, scale in pairs:
        side = int(size * scale) if rounding == "whole" else size * scale
        width = side / math.sqrt(ratio)
        corner = [width / 2, width * ratio / 2]
        if rounding == "base":
            width = round(size / math.sqrt(ratio))
            corner = [width * scale / 2, round(width * ratio) * scale / 2]
            found.append((-corner[0], -corner[1], corner[0] - 1, corner[1] - 1))
            continue
        if rounding == "whole":
            corner = [round(value) for value in corner]
        found.append((-corner[0], -corner[1], corner[0], corner[1]))
    return found


def anchors(canvas, shapes, params):
    """Return the anchors [N, 4] of each level; `params` has the fields of AnchorParameters."""
    levels = []
    for (rows, columns), size, stride in zip(shapes, params.sizes, params.strides, strict=True):
        cell = cell_anchors(size, params.ratios, params.scales, params.rounding, params.order)
        down = across = stride
        if params.stride_rule == "floor":
            down, across = canvas[0] // rows, canvas[1] // columns
        found = []
        for row in range(rows):
            for column in range(columns):
                x, y = (column + params.centre) * across, (row + params.centre) * down
                found += [(x + x1, y + y1, x + x2, y + y2) for x1, y1, x2, y2 in cell]
        levels.append(np.array(found))
    return levels


def decode(deltas, anchor, profile):
    """Return the box of standardised deltas, as the profile's box_… fields have it."""
    deltas = [d * s + m for d, s, m in zip(deltas, profile.box_std, profile.box_mean, strict=True)]
    x1, y1, x2, y2 = anchor
    if profile.box_coding == "corners":
        width, height = x2 - x1, y2 - y1
        sides = (width, height, width, height)
        return [a + d * side for a, d, side in zip(anchor, deltas, sides, strict=True)]
    width, height = x2 - x1 + profile.box_pixel, y2 - y1 + profile.box_pixel
    x = deltas[0] * width + x1 + width / 2
    y = deltas[1] * height + y1 + height / 2
    clamp = math.inf if profile.box_clamp is None else profile.box_clamp
    width *= math.exp(min(deltas[2], clamp))
    height *= math.exp(min(deltas[3], clamp))
    pixel = profile.box_pixel
    return [x - width / 2, y - height / 2, x + width / 2 - pixel, y + height / 2 - pixel]


def clip(box, frame, profile):
    """Return `box` within frame = (height, width), as clip_to and clip_margin have it."""
    if profile.clip_to == "nothing":
        return box
    height, width = frame
    limits = [width - profile.clip_margin, height - profile.clip_margin] * 2
    return [max(0.0, min(value, limit)) for value, limit in zip(box, limits, strict=True)]


def best_of_level(scores, profile):
    """Return [(score, anchor, label), …] of a level [N, K] that go on to suppression."""
    pairs = [
        (float(scores[anchor, label]), anchor, label)
        for anchor in range(scores.shape[0])
        for label in range(scores.shape[1])
        if scores[anchor, label] > profile.score_threshold
        and (profile.class_specific_filter or label == int(np.argmax(scores[anchor])))
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return pairs[: profile.level_candidates]


def by_score(found):
    """Return the key that sorts (score, label, box, anchor); ties: the first anchor, then class."""
    return -found[0], found[3], found[1]


def in_order(box):
    """Return a box whose corners may be swapped, as TensorFlow's suppression takes it."""
    x1, y1, x2, y2 = box
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def detections(levels, deltas, scores, frame, profile):
    """Return [(score, label, box), …] of one picture, best first.

    Args:
        levels: anchors [N, 4] of each level.
        deltas, scores: [N, 4] and [N, K] of all levels, as the network gives them.
        frame: (height, width) that boxes are clipped to.
    """
    start, found = 0, []
    for own in levels:
        part = slice(start, start + len(own))
        for score, anchor, label in best_of_level(scores[part], profile):
            box = decode(deltas[start + anchor], own[anchor], profile)
            found.append((score, label, clip(box, frame, profile), start + anchor))
        start += len(own)
    found = sorted(found, key=by_score)[: profile.candidates]
    if not profile.nms:
        return [one[:3] for one in found[: profile.max_detections]]
    kept = []
    labels = range(scores.shape[1])
    apart = profile.nms_within == "class" and profile.class_specific_filter
    for group in [{label} for label in labels] if apart else [labels]:
        own = sorted((one for one in found if one[1] in group), key=by_score)
        boxes = [in_order(one[2]) for one in own]
        places = reference.greedy(boxes, range(len(own)), profile.nms_threshold)
        kept += [own[place] for place in places]
    kept.sort(key=by_score)
    return [one[:3] for one in kept[: profile.max_detections]]


def convolved(features, kernel, bias, stride, padding):
    """Return a 3x3 convolution [h, w, F] of features [H, W, C].

    Args:
        padding: pixels on every side, or "same": as many in all as ceil(side / stride) results
            need, the odd one at the end, as TensorFlow pads.
    """
    sides = features.shape[:2]
    if padding == "same":
        needed = [max((math.ceil(side / stride) - 1) * stride + 3 - side, 0) for side in sides]
        before = [total // 2 for total in needed]
        after = [total - first for total, first in zip(needed, before, strict=True)]
    else:
        before = after = [padding, padding]
    padded = np.pad(features.astype(np.float64), [*zip(before, after, strict=True), (0, 0)])
    rows, columns = ((side - 3) // stride + 1 for side in padded.shape[:2])
    result = np.zeros((rows, columns, kernel.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            patch = padded[row * stride : row * stride + 3, column * stride : column * stride + 3]
            result[row, column] = np.einsum("ijc,ijcf->f", patch, kernel) + bias
    return result


def group_normed(features, groups, epsilon, gamma, beta):
    """Return one picture's features by Wu & He 2018 (arXiv:1803.08494, eq. 1, 2, 6, 7)."""
    result = np.zeros(features.shape)
    width = features.shape[-1] // groups
    for group in range(groups):
        own = slice(group * width, (group + 1) * width)
        values = features[..., own]
        variance = ((values - values.mean()) ** 2).mean()
        result[..., own] = (values - values.mean()) / math.sqrt(variance + epsilon)
    return result * gamma + beta
