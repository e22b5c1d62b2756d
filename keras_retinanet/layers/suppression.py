"""Non-maximum suppression within each label, the same on every backend.

Candidates come sorted by falling score. Two boxes of one class whose IoU is above the threshold
do not both stay; equal is not above. Results are indices of the candidates that stay, padded
with -1 to a fixed number.
"""

import keras
from keras import ops

from keras_retinanet.utils import boxes as geometry
from keras_retinanet.utils.gpu import on_gpu

# The most candidates whose pairs are compared at once on a GPU: 100 MB of booleans.
MATRIX_CANDIDATES = 10_001
# Below it a float32 coordinate errs by at most 0.002 px, far less than a network's boxes do.
LARGEST_OFFSET = 2.0**15


def with_corners_in_order(boxes):
    """Return `boxes` [M, 4] with x1 <= x2 and y1 <= y2, as `tf.image` reads them.

    A wild delta may decode a right side left of the left one.
    """
    first, second = boxes[:, :2], boxes[:, 2:]
    return ops.concatenate([ops.minimum(first, second), ops.maximum(first, second)], axis=-1)


def greedy(boxes, labels, valid, limit, threshold):
    """Return the indices int32 [limit] of the candidates that stay.

    Args:
        boxes: float32 [M, 4], M >= 1.
        labels: int32 [M].
        valid: bool [M]; the others never stay.
        limit: how many may stay.
        threshold: IoU above which the worse box of a class goes.
    """
    slots = ops.arange(limit)

    def unfinished(alive, chosen, count):
        return ops.logical_and(count < limit, ops.any(alive))

    def take_best(alive, chosen, count):
        best = ops.cast(ops.argmax(ops.cast(alive, "int32")), "int32")  # sorted: the first alive
        chosen = ops.where(slots == count, best, chosen)
        overlap = geometry.iou(ops.take(boxes, best[None], axis=0), boxes)[0]
        same = labels == ops.take(labels, best)
        others = ops.arange(ops.shape(boxes)[0]) != best
        alive = ops.logical_and(alive, ops.logical_not(ops.logical_and(same, overlap > threshold)))
        return ops.logical_and(alive, others), chosen, count + 1

    empty = ops.full((limit,), -1, dtype="int32")
    start = (valid, empty, ops.convert_to_tensor(0, dtype="int32"))
    return ops.while_loop(unfinished, take_best, start)[1]


def by_matrix(boxes, labels, valid, limit, threshold):
    """As `greedy`, by all pairs at once, for a GPU: a few large steps in place of `limit` small.

    A candidate stays unless a better one that stays overlaps it. Starting from all, this settles
    from the best on, after as many rounds as the longest chain of boxes each of which decides
    about the next.
    """
    count = ops.shape(boxes)[0]
    places = ops.arange(count, dtype="int32")
    rivals = ops.logical_and(
        labels[:, None] == labels[None], geometry.iou(boxes, boxes) > threshold
    )
    beats = ops.logical_and(rivals, places[:, None] < places[None])  # [M, M], the first the second

    def unsettled(kept, changed):
        return changed

    def again(kept, changed):
        beaten = ops.any(ops.logical_and(beats, kept[:, None]), axis=0)
        now = ops.logical_and(valid, ops.logical_not(beaten))
        return now, ops.any(now != kept)

    kept = ops.while_loop(unsettled, again, (valid, ops.any(valid)))[0]
    # the kept in order, then padding
    first = ops.sort(ops.concatenate([ops.where(kept, places, count), ops.full((limit,), count)]))
    return ops.cast(ops.where(first < count, first, -1)[:limit], "int32")


def spread_over_grid(boxes, labels, num_classes):
    """Move each class to a cell of its own, so that boxes of two classes never overlap.

    Cells form a square around the origin, which keeps coordinates, and so rounding, 2 sqrt(K)
    times smaller than cells in a row. Offsets are whole numbers.

    Returns:
        the moved boxes [M, 4], and the largest offset (float32 scalar).
    """
    side = int(num_classes**0.5)
    side += side * side < num_classes
    span = ops.ceil(ops.max(boxes[:, 2:]) - ops.min(boxes[:, :2])) + 1.0
    column = ops.cast(labels % side - side // 2, "float32") * span
    row = ops.cast(labels // side - side // 2, "float32") * span
    return boxes + ops.stack([column, row, column, row], axis=-1), span * (side // 2 + 1)


def _tensorflow(boxes, scores, labels, valid, limit, threshold, num_classes):
    """As `greedy`, by TensorFlow's own kernel: 1 ms where the loop takes 20."""
    import tensorflow as tf

    spread, largest = spread_over_grid(boxes, labels, num_classes)
    scores = ops.where(valid, scores, -1.0)

    def native():
        kept = tf.image.non_max_suppression(
            spread, scores, limit, iou_threshold=threshold, score_threshold=-0.5
        )
        return tf.pad(kept, [[0, limit - tf.shape(kept)[0]]], constant_values=-1)

    def exact():
        return greedy(boxes, labels, valid, limit, threshold)

    return tf.cond(largest < LARGEST_OFFSET, native, exact)


def suppress(boxes, scores, labels, valid, limit, threshold, num_classes):
    """Return the indices int32 [limit] of the candidates that stay, best first.

    Args:
        boxes: float32 [M, 4].
        scores: float32 [M] in 0 .. 1, falling.
        labels: int32 [M] in 0 .. num_classes - 1.
        valid: bool [M].
        limit, threshold: see `greedy`.
    """
    boxes = with_corners_in_order(boxes)
    if keras.backend.backend() == "tensorflow":
        return _tensorflow(boxes, scores, labels, valid, limit, threshold, num_classes)
    rule = by_matrix if boxes.shape[0] <= MATRIX_CANDIDATES and on_gpu() else greedy
    return rule(boxes, labels, valid, limit, threshold)
