"""From a network's outputs to detections, decoding only the boxes that survive."""

import math

import keras
from keras import ops

from keras_retinanet.layers.candidates import detect_in_batch
from keras_retinanet.layers.filter_detections import FilterDetections
from keras_retinanet.utils import boxes as geometry


@keras.saving.register_keras_serializable("keras_retinanet")
class Detect(FilterDetections):
    """Threshold, select, decode, clip and suppress, in that order.

    Equal to `RegressBoxes`, `ClipBoxes` and `FilterDetections` in a row, without decoding some
    200,000 boxes and, on logits, without their sigmoids.

    Args:
        activation: "sigmoid" where the class input is logits, "linear" where it is scores.
        mean, std: standardisation of the deltas.
        **kwargs: those of `FilterDetections`.
    """

    def __init__(self, activation="linear", mean=None, std=None, **kwargs):
        super().__init__(**kwargs)
        if activation not in ("linear", "sigmoid"):
            raise ValueError(f"activation must be linear or sigmoid. Received: {activation!r}")
        self.activation = activation
        self.mean = tuple(geometry.DELTA_MEAN if mean is None else mean)
        self.std = tuple(geometry.DELTA_STD if std is None else std)

    def _input_threshold(self):
        """Return the score threshold on the scale of the class input."""
        score = self.score_threshold
        if self.activation == "linear":
            return score
        if not 0.0 < score < 1.0:
            return math.inf if score >= 1.0 else -math.inf
        return math.log(score / (1.0 - score))

    def call(self, inputs):
        """Return [boxes [B, D, 4], scores [B, D], labels [B, D], *others], padded with -1.

        Args:
            inputs: [images [B, H, W, C], anchors [B, N, 4], deltas [B, N, 4],
                classes [B, N, K], *others [B, N, ...]].
        """
        images, anchors, deltas, classes, *others = inputs
        height, width = ops.shape(images)[1:3]
        anchors, deltas = ops.reshape(anchors, (-1, 4)), ops.reshape(deltas, (-1, 4))

        def decode(place, score):
            boxes = geometry.decode(
                ops.take(deltas, place, axis=0),
                ops.take(anchors, place, axis=0),
                self.mean,
                self.std,
            )
            score = ops.sigmoid(score) if self.activation == "sigmoid" else score
            return geometry.clip(boxes, height, width), score

        return detect_in_batch(classes, decode, others, self.rule(self._input_threshold()))

    def compute_output_shape(self, input_shape):
        """Return the shapes of boxes, scores, labels and the others."""
        return super().compute_output_shape([input_shape[1], *input_shape[3:]])

    def compute_output_spec(self, inputs):
        """Return the specs: boxes and scores float32, labels int32, others as they came."""
        shapes = self.compute_output_shape([tensor.shape for tensor in inputs])
        dtypes = ["float32", "float32", "int32", *(tensor.dtype for tensor in inputs[4:])]
        return [
            keras.KerasTensor(shape, dtype=dtype)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        ]

    def compute_mask(self, inputs, mask=None):
        """Return no mask for any output."""
        return (len(inputs) - 1) * [None]

    def get_config(self):
        """Return every argument."""
        own = {"activation": self.activation, "mean": list(self.mean), "std": list(self.std)}
        return super().get_config() | own
