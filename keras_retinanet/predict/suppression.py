"""What becomes of overlapping detections, on the host: suppressed, weakened or fused.

A network's own NMS runs on the device (`layers/suppression`). These rules work on the candidates
before it, or on what several views of a picture gave. `within` is "class" or "all", as of
`layers.FilterDetections.nms_within`.
"""

import numpy as np

from keras_retinanet.utils.boxes import overlaps
from keras_retinanet.utils.detections import NOTHING, Detections

SIGMA = 0.5  # of the Gaussian decay; Bodla et al. 2017, section 6.1
FUSED_FROM = 0.55  # IoU; Solovyev et al. 2019, section 3


def iou_with(box, boxes):
    """Return the IoU [M] of one box [4] with boxes [M, 4]."""
    return overlaps(box[None], boxes)[0]


def _gaussian(overlap, threshold):
    return np.exp(-(overlap**2) / SIGMA)


def _linear(overlap, threshold):
    return np.where(overlap >= threshold, 1.0 - overlap, 1.0)


def _hard(overlap, threshold):
    return np.where(overlap > threshold, 0.0, 1.0)


# rule: f(IoU with a better detection, nms_threshold) -> factor on the score. The first is NMS, the
# others are Soft-NMS of Bodla et al. 2017 (arXiv:1704.04503), equations 2 and 3.
DECAYS = {"hard": _hard, "gaussian": _gaussian, "linear": _linear}


def suppressed(found, decay, nms_threshold, floor, within="class"):
    """Return detections whose scores decay with their overlap with better ones, best first.

    The best remaining detection stays as it is, and weakens the others; then the best of those.

    Args:
        found: `Detections`.
        decay: key of `DECAYS`.
        nms_threshold: IoU; the Gaussian decay has none.
        floor: scores must stay above it.
    """
    factor = DECAYS[decay]
    scores, left = found.scores.astype(np.float64), np.ones(len(found), bool)
    order, kept_scores = [], []
    while True:
        left &= scores > floor
        if not left.any():
            break
        best = int(np.argmax(np.where(left, scores, -np.inf)))
        order.append(best)
        kept_scores.append(scores[best])
        left[best] = False
        rivals = left & (found.labels == found.labels[best]) if within == "class" else left
        rivals = np.flatnonzero(rivals)
        scores[rivals] *= factor(iou_with(found.boxes[best], found.boxes[rivals]), nms_threshold)
    kept = found.take(np.array(order, int))
    return Detections(kept.boxes, np.array(kept_scores, np.float32), kept.labels)


def fused(views, floor, fused_from=FUSED_FROM):
    """Return weighted boxes of what several views of a picture gave, best first.

    Weighted boxes fusion of Solovyev et al. 2019 (arXiv:1910.13302, section 3): by falling score,
    each detection joins the fused box of its class that it overlaps most, if by more than
    `fused_from`, or begins one. A fused box is the mean of its members weighted by score; its
    score is their mean, times the share of the views that saw it.

    Args:
        views: a `Detections` of each view, in pixels of the same picture.
        floor: fused scores must be above it.
    """
    boxes, scores, labels = joined(views)
    members, centres = [], np.zeros((0, 4))
    kinds = np.zeros(0, int)
    for index in np.argsort(-scores, kind="stable"):
        near = np.where(kinds == labels[index], iou_with(boxes[index], centres), 0.0)
        place = int(np.argmax(near)) if len(near) else -1
        if place >= 0 and near[place] > fused_from:
            members[place].append(index)
        else:
            place = len(members)
            members.append([index])
            centres = np.concatenate([centres, np.zeros((1, 4))])
            kinds = np.append(kinds, labels[index])
        centres[place] = np.average(boxes[members[place]], axis=0, weights=scores[members[place]])
    means = np.array([scores[group].mean() for group in members])
    shares = np.array([min(len(group), len(views)) / len(views) for group in members])
    merged = means * shares if members else means
    order = np.argsort(-merged, kind="stable")
    order = order[merged[order] > floor]
    return Detections(
        centres[order].astype(np.float32),
        merged[order].astype(np.float32),
        kinds[order].astype(np.int32),
    )


def joined(views):
    """Return boxes float64 [D, 4], scores float64 [D] and labels [D] of all views together."""
    views = [NOTHING, *views]
    boxes = np.concatenate([np.asarray(one.boxes, np.float64) for one in views])
    scores = np.concatenate([np.asarray(one.scores, np.float64) for one in views])
    return boxes, scores, np.concatenate([one.labels for one in views])


def suppressed_together(views, decay, nms_threshold, floor, within="class"):
    """Return `suppressed` of the detections of all views together."""
    boxes, scores, labels = joined(views)
    found = Detections(boxes.astype(np.float32), scores.astype(np.float32), labels)
    return suppressed(found, decay, nms_threshold, floor, within)
