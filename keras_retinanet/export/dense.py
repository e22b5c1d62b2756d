"""The part of a detector that every runtime computes alike: pictures to all boxes and scores.

What follows, from scores to detections, has loops and shapes that depend on the picture, which
each runtime does best by its own operators.
"""

from dataclasses import dataclass
from functools import reduce

import keras
from keras import ops

from keras_retinanet.models.folding import with_folded_batch_norm
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.normalisation import normalised

LAST = "filtered_detections"


@dataclass(frozen=True)
class Tail:
    """From all boxes and scores to detections, as numbers; see `layers.candidates.Rule`.

    Attributes:
        classes: K.
        is_logits: whether scores are logits, whose sigmoid counts.
        score_threshold: of scores, 0 to 1.
        max_detections, nms, nms_threshold, nms_within, class_specific_filter: as there.
    """

    classes: int
    is_logits: bool
    score_threshold: float
    max_detections: int
    nms: bool
    nms_threshold: float
    nms_within: str
    class_specific_filter: bool


def tail_of(detector):
    """Return the `Tail` of a detector of `models.convert_model`."""
    last = detector.get_layer(LAST)
    return Tail(
        classes=last.input[2 + last.levels].shape[-1],
        is_logits=last.activation == "sigmoid",
        score_threshold=last.score_threshold,
        max_detections=last.max_detections,
        nms=last.nms,
        nms_threshold=last.nms_threshold,
        nms_within=last.nms_within,
        class_specific_filter=last.class_specific_filter,
    )


def _only_best(scores, count):
    """Return scores [B, n, K], all but the `count` best pairs of each picture -inf."""
    flat = ops.reshape(scores, (ops.shape(scores)[0], -1))
    count = ops.minimum(count, ops.shape(flat)[1])
    worst = ops.top_k(flat, count)[0][:, -1]
    return ops.where(scores >= worst[:, None, None], scores, -float("inf"))


def dense_function(detector):
    """Return f(levels [B, H, W, C]) -> boxes [B, N, 4] in pixels, scores [B, N, K].

    Boxes are decoded and clipped. Scores are logits where `Tail.is_logits`; pairs that the
    detector's limits before suppression leave out are -inf.

    Args:
        detector: of `models.convert_model`; levels are red first where there are three channels.
    """
    last, preprocessing = detector.get_layer(LAST), profile_of(detector).preprocessing
    below = with_folded_batch_norm(keras.Model(detector.inputs, last.input), trains=False)

    def dense(levels):
        images = normalised(levels, preprocessing, order="rgb")
        frame, *rest = below(images, training=False)
        per_level, (deltas, scores, *_) = rest[: last.levels], rest[last.levels :]
        counts = [ops.shape(anchors)[1] for anchors in per_level]
        anchors = reduce(lambda a, b: ops.concatenate([a, b], axis=1), per_level)
        boxes = last.coder.decode(ops.cast(deltas, "float32"), anchors)
        if last.clip_margin is not None:
            height, width = (ops.cast(side, "int32") for side in ops.shape(frame)[1:3])
            boxes = last.clipped(boxes, ops.stack([height, width]), None)
        scores = ops.cast(scores, "float32")
        if last.level_candidates is not None:
            parts, start = [], 0
            for count in counts:
                part = scores[:, start : start + count]
                parts.append(_only_best(part, last.level_candidates))
                start = start + count
            scores = ops.concatenate(parts, axis=1)
        if last.candidates is not None:
            scores = _only_best(scores, last.candidates)
        return boxes, scores

    return dense
