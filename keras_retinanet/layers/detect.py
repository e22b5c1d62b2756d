"""From a network's outputs to detections, decoding only the boxes that survive."""

import dataclasses
import math

import keras
from keras import ops

from keras_retinanet.layers.candidates import detect_in_batch
from keras_retinanet.layers.filter_detections import FilterDetections
from keras_retinanet.utils import boxes as geometry
from keras_retinanet.utils.box_coder import BoxCoder


def frames_of(images_or_sizes, multiple):
    """Return the (height, width) that boxes are clipped to: int32 [2], or [B, 2] of true sizes.

    Sizes are rounded up to multiples of `multiple`.
    """
    if len(images_or_sizes.shape) == 2:
        return images_or_sizes + ops.mod(-images_or_sizes, multiple)
    return ops.stack([ops.cast(side, "int32") for side in ops.shape(images_or_sizes)[1:3]])


@keras.saving.register_keras_serializable("keras_retinanet")
class Detect(FilterDetections):
    """Threshold, select, decode, clip and suppress, in that order.

    Equal to `RegressBoxes`, `ClipBoxes` and `FilterDetections` in a row, without decoding some
    200,000 boxes and, on logits, without their sigmoids.

    Args:
        activation: "sigmoid" where the class input is logits, "linear" where it is scores.
        coder: `BoxCoder.to_dict()`; 1.0's coding for None.
        levels: how many tensors of anchors there are.
        level_candidates: how many pairs of each of them reach suppression; None for all.
        clip_margin: pixels that the right and bottom limit lie inside the edge; None does not
            clip.
        frame_multiple: true sizes are rounded up to multiples of it, for boxes that are clipped
            to each picture's own canvas.
        **kwargs: those of `FilterDetections`.
    """

    def __init__(
        self,
        activation="linear",
        coder=None,
        levels=1,
        level_candidates=None,
        clip_margin=1.0,
        frame_multiple=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if activation not in ("linear", "sigmoid"):
            raise ValueError(f"activation must be linear or sigmoid. Received: {activation!r}")
        self.activation = activation
        self.coder = BoxCoder(**(coder or {}))
        self.levels = levels
        self.level_candidates = level_candidates
        self.clip_margin = clip_margin
        self.frame_multiple = frame_multiple

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
            inputs: [images [B, H, W, C] or their true sizes [B, 2], *anchors [B, N, 4] of each
                level, deltas [B, N, 4], classes [B, N, K], *others [B, N, ...]].
        """
        frame, deltas, classes, *others = self._without_anchors(inputs)
        per_level = inputs[1 : 1 + self.levels]
        counts = [ops.shape(anchors)[1] for anchors in per_level]
        anchors = per_level[0] if self.levels == 1 else ops.concatenate(per_level, axis=1)
        frames, number = frames_of(frame, self.frame_multiple), ops.shape(anchors)[1]
        anchors, deltas = ops.reshape(anchors, (-1, 4)), ops.reshape(deltas, (-1, 4))

        def decode(place, score):
            boxes = self.coder.decode(
                ops.take(deltas, place, axis=0), ops.take(anchors, place, axis=0)
            )
            score = ops.sigmoid(score) if self.activation == "sigmoid" else score
            return self.clipped(boxes, frames, place // number), score

        rule = self.rule(self._input_threshold())
        counts = counts if self.level_candidates is not None else None
        return detect_in_batch(classes, decode, others, rule, counts)

    def rule(self, threshold):
        """Return what becomes of scores, `threshold` being on their scale."""
        return dataclasses.replace(super().rule(threshold), level_candidates=self.level_candidates)

    def clipped(self, boxes, frames, image):
        """Return `boxes` [M, 4] clipped to their frames; image [M] counts in the batch."""
        if self.clip_margin is None:
            return boxes
        if len(frames.shape) == 2:
            frames = ops.take(frames, image, axis=0)
        return geometry.clip(boxes, frames[..., 0], frames[..., 1], self.clip_margin)

    def _without_anchors(self, inputs):
        """Return all inputs, or their shapes, but for the anchors."""
        return [inputs[0], *inputs[1 + self.levels :]]

    def compute_output_shape(self, input_shape):
        """Return the shapes of boxes, scores, labels and the others."""
        frame, deltas, classes, *others = self._without_anchors(input_shape)
        return super().compute_output_shape([deltas, classes, *others])

    def compute_output_spec(self, inputs):
        """Return the specs: boxes and scores float32, labels int32, others as they came."""
        shapes = self.compute_output_shape([tensor.shape for tensor in inputs])
        others = self._without_anchors(inputs)[3:]
        dtypes = ["float32", "float32", "int32", *(tensor.dtype for tensor in others)]
        return [
            keras.KerasTensor(shape, dtype=dtype)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        ]

    def compute_mask(self, inputs, mask=None):
        """Return no mask for any output."""
        return len(self._without_anchors(inputs)) * [None]

    @classmethod
    def from_config(cls, config):
        """Return the layer of `get_config`, also of files whose coding was mean and std alone."""
        older = {key: config[key] for key in ("mean", "std") if key in config}
        own = {key: value for key, value in config.items() if key not in older}
        return cls(**({"coder": older} | own if older else own))

    def get_config(self):
        """Return every argument."""
        return super().get_config() | {
            "activation": self.activation,
            "coder": self.coder.to_dict(),
            "levels": self.levels,
            "level_candidates": self.level_candidates,
            "clip_margin": self.clip_margin,
            "frame_multiple": self.frame_multiple,
        }
