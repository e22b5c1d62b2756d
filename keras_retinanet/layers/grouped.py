"""Grouped convolution (ResNeXt, Xie et al. 2017, arXiv:1611.05431) as convolutions of blocks.

Keras gives a grouped convolution to XLA on TensorFlow, whose gradient takes 4.4 CPU seconds on a
processor for 3x3 on 100 x 100 x 128 in 32 groups, and TensorFlow's own kernel has a gradient in
some builds only. Blocks of 32 channels take 15 ms: within a block the groups are one convolution
with zeros between groups, 8 times the multiplications at most, at a kernel's full speed.
"""

import math

import keras
from keras import ops

BLOCK = 32  # channels; measured 16 to 64: alike within a third, fewer convolutions when larger


def block_kernels(kernel, groups):
    """Return the kernels [h, w, block in, block out] of the blocks, in order.

    Args:
        kernel: [h, w, channels of a group, filters].
        groups: how many.
    """
    channels = kernel.shape[2]
    in_block = math.gcd(groups, max(1, BLOCK // channels))
    filters = kernel.shape[3] // groups
    own = ops.repeat(ops.eye(in_block, dtype=kernel.dtype), channels, axis=0)
    own = ops.tile(ops.repeat(own, filters, axis=1), (1, groups // in_block))
    return ops.split(ops.tile(kernel, (1, 1, in_block, 1)) * own, groups // in_block, axis=3)


def grouped_conv(inputs, kernel, groups, **options):
    """Return [B, h, w, filters]; `options` of `keras.ops.conv`.

    Args:
        inputs: [B, H, W, channels].
        kernel: [h, w, channels / groups, filters].
        groups: how many; filter i sees the channels of group i * groups // filters.
    """
    kernels = block_kernels(kernel, groups)
    blocks = ops.split(inputs, len(kernels), axis=-1)
    convolved = [ops.conv(*pair, **options) for pair in zip(blocks, kernels, strict=True)]
    return ops.concatenate(convolved, axis=-1)


@keras.saving.register_keras_serializable("keras_retinanet")
class GroupedConv2D(keras.layers.Conv2D):
    """A `Conv2D` of several groups, channels last, that trains on every backend at speed."""

    def convolution_op(self, inputs, kernel):
        """Return the convolution of `inputs` with `kernel`, without bias or activation."""
        return grouped_conv(
            inputs,
            kernel,
            self.groups,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_last",
        )
