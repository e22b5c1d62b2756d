"""Nearest-neighbour resizing of one feature map to another's size."""

import keras
from keras import ops


def upsample_nearest(source, height, width):
    """Return out[i, j] = source[i * h // height, j * w // width].

    TensorFlow 1's rule, which published weights were trained on; `keras.ops.image.resize`
    gives other rows for most sizes that are not exact multiples.

    Args:
        source: [B, h, w, C].
        height, width: of the result.
    """
    rows = ops.arange(height) * ops.shape(source)[1] // height
    columns = ops.arange(width) * ops.shape(source)[2] // width
    return ops.take(ops.take(source, rows, axis=1), columns, axis=2)


@keras.saving.register_keras_serializable("keras_retinanet")
class UpsampleLike(keras.layers.Layer):
    """Resize the first of [source, target] to the second's height and width."""

    def call(self, inputs):
        """Return [B, H, W, C] of `inputs` = [source [B, h, w, C], target [B, H, W, ...]]."""
        source, target = inputs
        return upsample_nearest(source, ops.shape(target)[1], ops.shape(target)[2])

    def compute_output_shape(self, input_shape):
        """Return the batch and channels of the source, the sides of the target."""
        source, target = input_shape
        return (source[0], target[1], target[2], source[3])
