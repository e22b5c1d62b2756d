"""From scores and boxes to detections. Semantics are keras-retinanet 1.0's."""

import keras
from keras import ops

from keras_retinanet.layers.candidates import (
    Rule,
    Scores,
    best_detections,
    detect_in_batch,
    gather_padded,
)

SCORE_THRESHOLD = 0.05
NMS_THRESHOLD = 0.5
MAX_DETECTIONS = 300


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
    nms_within="class",
):
    """Return the detections of one image.

    Args:
        boxes: [N, 4].
        classification: [N, K] scores in 0 .. 1.
        other: tensors [N, ...] to select alike.
        class_specific_filter: suppress within each class, so that a box may stay under several
            labels; False: each box under its best class only, all boxes suppressing each other.
        nms: whether to suppress at all.
        score_threshold: scores must be above it.
        max_detections: D.
        nms_threshold: IoU above which the worse box goes.
        candidates: how many pairs reach suppression; None for all.
        nms_within: "class", or "all" for a box to suppress those of other classes, too.

    Returns:
        [boxes [D, 4], scores [D], labels int32 [D], *other [D, ...]], best first, padded -1.
    """
    rule = Rule(
        score_threshold,
        class_specific_filter,
        nms,
        max_detections,
        nms_threshold,
        candidates,
        nms_within=nms_within,
    )
    scores = Scores(
        best=ops.max(classification, axis=1),
        take=lambda anchors: ops.take(classification, anchors, axis=0),
        classes=classification.shape[1],
    )
    *found, anchor = best_detections(
        scores, lambda anchor, score: (ops.take(boxes, anchor, axis=0), score), rule
    )
    return found + [gather_padded(values, anchor) for values in other]


@keras.saving.register_keras_serializable("keras_retinanet")
class FilterDetections(keras.layers.Layer):
    """`filter_detections` for each image of a batch.

    Args:
        nms, class_specific_filter, nms_threshold, score_threshold, max_detections, candidates,
            nms_within: as in `filter_detections`.
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
        nms_within="class",
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
        if nms_within not in ("class", "all"):
            raise ValueError(f"nms_within must be class or all. Received: {nms_within!r}")
        self.nms_within = nms_within

    def rule(self, threshold):
        """Return what becomes of scores, `threshold` being on their scale."""
        return Rule(
            threshold,
            self.class_specific_filter,
            self.nms,
            self.max_detections,
            self.nms_threshold,
            self.candidates,
            nms_within=self.nms_within,
        )

    def call(self, inputs):
        """Return the detections of `inputs` = [boxes [B, N, 4], scores [B, N, K], *other]."""
        boxes, scores, *other = inputs
        flat = ops.reshape(boxes, (-1, 4))
        return detect_in_batch(
            scores,
            lambda place, score: (ops.take(flat, place, axis=0), score),
            other,
            self.rule(self.score_threshold),
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
            "nms_within",
        )
        return super().get_config() | {name: getattr(self, name) for name in names}
