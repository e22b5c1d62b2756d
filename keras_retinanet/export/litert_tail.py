"""From all boxes and scores to detections in operators that LiteRT has built in, shapes all fixed.

Its suppression knows no classes, so that boxes of each class are moved to a place of their own, as
`layers.suppression` does for TensorFlow's. As on JAX, the best 10,000 pairs are candidates.
"""

import tensorflow as tf

from keras_retinanet.export.onnx_tail import NOTHING, thresholds
from keras_retinanet.layers.candidates import FIXED_CANDIDATES
from keras_retinanet.layers.suppression import spread_over_grid, with_corners_in_order


def _best_class_only(scores):
    """Return scores [N, K], all but the first best class of each box -inf."""
    best = tf.argmax(scores, axis=1, output_type=tf.int32)
    classes = tf.range(scores.shape[1])
    return tf.where(classes[None] == best[:, None], scores, -float("inf"))


def _pairs(scores, limit):
    """Return (box, class, score) [M] of the best `limit` pairs of scores [N, K], best first."""
    # pairs of the best n lie in n best boxes, whose order decides between equal ones
    rows = tf.math.top_k(tf.reduce_max(scores, axis=1), min(limit, scores.shape[0]))[1]
    rows = tf.sort(rows)
    flat = tf.reshape(tf.gather(scores, rows), (-1,))
    values, index = tf.math.top_k(flat, min(limit, flat.shape[0]))
    return tf.gather(rows, index // scores.shape[1]), index % scores.shape[1], values


def _kept(boxes, labels, scores, tail, threshold):
    """Return the places int32 [D] of the pairs that stay, and which of them count, bool [D]."""
    slots = tf.range(tail.max_detections)
    if not tail.nms:
        places = tf.minimum(slots, scores.shape[0] - 1)
        is_there = slots < scores.shape[0]
        return places, tf.logical_and(is_there, tf.gather(scores, places) > threshold)
    boxes = with_corners_in_order(boxes)
    if tail.class_specific_filter and tail.nms_within == "class":
        boxes, _ = spread_over_grid(boxes, labels, tail.classes)
    places, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=tail.max_detections,
        iou_threshold=tail.nms_threshold,
        score_threshold=threshold,
        pad_to_max_output_size=True,
    )
    is_there = slots < count
    return tf.where(is_there, places, 0), is_there


def picture_detections(boxes, scores, tail, score_threshold=None):
    """Return boxes [D, 4], scores [D] and labels int32 [D] of a picture, padded with -1.

    Args:
        boxes: float32 [N, 4]; N is static.
        scores: float32 [N, K], logits where `tail.is_logits`.
        tail: `dense.Tail`.
        score_threshold: in place of the tail's, 0 to 1.
    """
    threshold = thresholds(tail, score_threshold)["threshold"]
    scores = scores if tail.class_specific_filter else _best_class_only(scores)
    limit = FIXED_CANDIDATES if tail.nms else tail.max_detections
    rows, labels, scores = _pairs(scores, limit)
    boxes = tf.gather(boxes, rows)
    places, is_there = _kept(boxes, labels, scores, tail, threshold)
    found = tf.gather(scores, places)
    found = tf.sigmoid(found) if tail.is_logits else found
    return (
        tf.where(is_there[:, None], tf.gather(boxes, places), NOTHING),
        tf.where(is_there, found, NOTHING),
        tf.where(is_there, tf.gather(labels, places), -1),
    )
