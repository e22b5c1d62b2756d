"""Padding a batch to whole cells of the pyramid, inside the network."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_retinanet")
class PadToMultiple(keras.layers.Layer):
    """Pad [B, H, W, C] with zeros, below and right, to sides that are multiples of a number.

    Args:
        multiple: pixels.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, images):
        """Return [B, H + less than multiple, W + less than multiple, C]."""
        # not -side % multiple: ONNX files would get the remainder of truncation, which crops
        below, right = (
            (self.multiple - side % self.multiple) % self.multiple
            for side in ops.shape(images)[1:3]
        )
        return ops.pad(images, [[0, 0], [0, below], [0, right], [0, 0]])

    def compute_output_shape(self, input_shape):
        """Return the padded sides where they are known."""
        batch, *sides, channels = input_shape
        padded = [None if s is None else s + -s % self.multiple for s in sides]
        return (batch, *padded, channels)

    def get_config(self):
        """Return the multiple."""
        return super().get_config() | {"multiple": self.multiple}
