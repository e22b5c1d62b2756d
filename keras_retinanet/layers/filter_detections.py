"""From scores and boxes to detections: threshold, candidates, suppression, padding.

A candidate is an (anchor, class) pair whose score is above the threshold. The layers pad their
results with -1. Semantics are keras-retinanet 1.0's.
"""

import keras
from keras import ops

from keras_retinanet.layers.suppression import suppress

SCORE_THRESHOLD = 0.05
NMS_THRESHOLD = 0.5
MAX_DETECTIONS = 300
# JAX needs a fixed number of candidates; 10,000 pairs above the threshold are no real picture.
FIXED_CANDIDATES = 10_000


def _fixed_pairs(scores, threshold, limit):
    """Return at most `limit` best pairs above `threshold`, padded; shapes are static."""
    anchors, classes = scores.shape
    best = ops.max(scores, axis=1)
    rows = ops.sort(ops.top_k(best, min(anchors, limit))[1])  # in order: ties as elsewhere
    kept = ops.take(scores, rows, axis=0)  # [n, K]: pairs of the best n lie in n best anchors
    flat = ops.reshape(kept, (-1,))
    values, index = ops.top_k(flat, min(flat.shape[0], limit))
    return ops.take(rows, index // classes), index % classes, values, values > threshold


def _found_pairs(scores, threshold, limit):
    """Return the best pairs above `threshold`, as many as there are; at least one row."""
    classes = scores.shape[1]
    rows = ops.nonzero(ops.max(scores, axis=1) > threshold)[0]
    flat = ops.reshape(ops.take(scores, rows, axis=0), (-1,))
    index = ops.nonzero(flat > threshold)[0]
    values = ops.take(flat, index)
    order = ops.argsort(-values)[:limit]
    values, index = ops.take(values, order), ops.take(index, order)
    anchor = ops.cast(ops.take(rows, index // classes), "int32")
    one = ops.zeros((1,), dtype="int32")  # a row that is no candidate
    return (
        ops.concatenate([anchor, one]),
        ops.concatenate([ops.cast(index % classes, "int32"), one]),
        ops.concatenate([values, ops.full((1,), threshold, dtype=values.dtype)]),
        ops.concatenate([ops.ones_like(anchor), one]) > 0,
    )


def _best_classes_only(scores):
    """Return `scores` [N, K] with all but each anchor's best class at minus infinity."""
    best = ops.argmax(scores, axis=1)
    classes = ops.arange(scores.shape[1], dtype=best.dtype)
    return ops.where(classes[None] == best[:, None], scores, -float("inf"))


def select_candidates(scores, threshold, limit=None, class_specific_filter=True):
    """Return the pairs that score above `threshold`, best first.

    Args:
        scores: [N, K], of any monotone scale; K is static.
        threshold: on that scale.
        limit: how many of the best to keep; None for all (10,000 on JAX).
        class_specific_filter: False keeps each anchor's best class only.

    Returns:
        anchor int32 [M], label int32 [M], score [M], valid bool [M]; M is at least 1.
    """
    if not class_specific_filter:
        scores = _best_classes_only(scores)
    if keras.backend.backend() == "jax":
        anchor, label, score, valid = _fixed_pairs(scores, threshold, limit or FIXED_CANDIDATES)
    else:
        anchor, label, score, valid = _found_pairs(scores, threshold, limit)
    return ops.cast(anchor, "int32"), ops.cast(label, "int32"), score, valid


def keep_best(boxes, scores, labels, valid, num_classes, nms, limit, nms_threshold):
    """Return the indices int32 [limit] of the detections among sorted candidates, padded -1."""
    if nms:
        return suppress(boxes, scores, labels, valid, limit, nms_threshold, num_classes)
    number = ops.sum(ops.cast(valid, "int32"))
    slots = ops.arange(limit, dtype="int32")
    return ops.where(slots < number, slots, -1)


def gather_padded(values, index):
    """Return values[index], with -1 wherever `index` is -1."""
    found = ops.take(values, ops.maximum(index, 0), axis=0)
    present = ops.reshape(index >= 0, (-1,) + (1,) * (len(values.shape) - 1))
    return ops.where(present, found, ops.cast(-1, values.dtype))


def filter_detections(
    boxes,
    classification,
    other=(),
    class_specific_filter=True,
    nms=True,
    score_threshold=SCORE_THRESHOLD,
    max_detections=MAX_DETECTIONS,
    nms_threshold=NMS_THRESHOLD,
    candidates=None,
):
    """Return the detections of one image.

    Args:
        boxes: [N, 4].
        classification: [N, K] scores in 0 .. 1.
        other: tensors [N, ...] to select alike.
        class_specific_filter: suppress within each class, so that a box may stay under several
            labels; False: each box under its best class only.
        nms: whether to suppress at all.
        score_threshold: scores must be above it.
        max_detections: D.
        nms_threshold: IoU above which the worse box goes.
        candidates: how many pairs reach suppression; None for all.

    Returns:
        [boxes [D, 4], scores [D], labels int32 [D], *other [D, ...]], best first, padded -1.
    """
    anchor, label, score, valid = select_candidates(
        classification, score_threshold, candidates, class_specific_filter
    )
    chosen = ops.take(boxes, anchor, axis=0)
    kept = keep_best(
        chosen, score, label, valid, classification.shape[1], nms, max_detections, nms_threshold
    )
    found = [gather_padded(values, kept) for values in (chosen, score, label)]
    return found + [gather_padded(ops.take(values, anchor, axis=0), kept) for values in other]


@keras.saving.register_keras_serializable("keras_retinanet")
class FilterDetections(keras.layers.Layer):
    """`filter_detections` for each image of a batch.

    Args:
        nms, class_specific_filter, nms_threshold, score_threshold, max_detections, candidates:
            as in `filter_detections`.
        parallel_iterations: taken for 1.0's sake; the batch is one mapped call.
    """

    def __init__(
        self,
        nms=True,
        class_specific_filter=True,
        nms_threshold=NMS_THRESHOLD,
        score_threshold=SCORE_THRESHOLD,
        max_detections=MAX_DETECTIONS,
        parallel_iterations=32,
        candidates=None,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.nms = nms
        self.class_specific_filter = class_specific_filter
        self.nms_threshold = nms_threshold
        self.score_threshold = score_threshold
        self.max_detections = max_detections
        self.parallel_iterations = parallel_iterations
        self.candidates = candidates

    def call(self, inputs):
        """Return the detections of `inputs` = [boxes [B, N, 4], scores [B, N, K], *other]."""
        return ops.map(
            lambda image: filter_detections(
                image[0],
                image[1],
                image[2:],
                class_specific_filter=self.class_specific_filter,
                nms=self.nms,
                score_threshold=self.score_threshold,
                max_detections=self.max_detections,
                nms_threshold=self.nms_threshold,
                candidates=self.candidates,
            ),
            list(inputs),
        )

    def compute_output_shape(self, input_shape):
        """Return the shapes of boxes, scores, labels and the others."""
        batch, limit = input_shape[0][0], self.max_detections
        others = [(batch, limit, *shape[2:]) for shape in input_shape[2:]]
        return [(batch, limit, 4), (batch, limit), (batch, limit), *others]

    def compute_output_spec(self, inputs):
        """Return the specs: boxes and scores float32, labels int32, others as they came."""
        shapes = self.compute_output_shape([tensor.shape for tensor in inputs])
        dtypes = ["float32", "float32", "int32", *(tensor.dtype for tensor in inputs[2:])]
        return [
            keras.KerasTensor(shape, dtype=dtype)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        ]

    def compute_mask(self, inputs, mask=None):
        """Return no mask for any output."""
        return (len(inputs) + 1) * [None]

    def get_config(self):
        """Return every argument."""
        names = (
            "nms",
            "class_specific_filter",
            "nms_threshold",
            "score_threshold",
            "max_detections",
            "parallel_iterations",
            "candidates",
        )
        return super().get_config() | {name: getattr(self, name) for name in names}
