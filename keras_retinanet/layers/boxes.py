"""Decoding and clipping of boxes, as layers."""

import keras
from keras import ops

from keras_retinanet.utils import boxes as geometry


@keras.saving.register_keras_serializable("keras_retinanet")
class RegressBoxes(keras.layers.Layer):
    """Apply deltas to anchors.

    Args:
        mean, std: four numbers each, the standardisation of the deltas.
    """

    def __init__(self, mean=None, std=None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.mean = _four(geometry.DELTA_MEAN if mean is None else mean, "mean")
        self.std = _four(geometry.DELTA_STD if std is None else std, "std")

    def call(self, inputs):
        """Return boxes [B, N, 4] of `inputs` = [anchors [B, N, 4], deltas [B, N, 4]]."""
        anchors, deltas = inputs
        return geometry.decode(deltas, anchors, self.mean, self.std)

    def compute_output_shape(self, input_shape):
        """Return the shape of the anchors."""
        return input_shape[0]

    def get_config(self):
        """Return mean and std."""
        return super().get_config() | {"mean": list(self.mean), "std": list(self.std)}


@keras.saving.register_keras_serializable("keras_retinanet")
class ClipBoxes(keras.layers.Layer):
    """Move corners to 0 .. width - 1 and 0 .. height - 1 of the batch's canvas."""

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs):
        """Return boxes [B, N, 4] of `inputs` = [images [B, H, W, C], boxes [B, N, 4]]."""
        images, boxes = inputs
        shape = ops.shape(images)
        return geometry.clip(boxes, shape[1], shape[2])

    def compute_output_shape(self, input_shape):
        """Return the shape of the boxes."""
        return input_shape[1]


def _four(values, name):
    """Return `values` as four floats, or say which argument is wrong."""
    values = tuple(float(value) for value in values)
    if len(values) != 4:
        raise ValueError(f"{name} must be four numbers. Received: {values}")
    return values
