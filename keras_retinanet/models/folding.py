"""Frozen batch norm folded into the convolution before it, anew in each step.

A batch norm at fixed statistics is a scale s and a shift of each channel, and
s (W * x) + t = (s W) * x + t: the product with the small kernel takes the place of passes over
large activations, forward and backward, and the activations between the two are not kept. The
variables stay those of the layers that a snapshot holds, and the gradient of W is the same.
"""

import keras
from keras import ops


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the batch norm behind it in one; as the two where the batch norm trains.

    Args:
        convolution: a built `Conv2D` or `DepthwiseConv2D` without activation, channels last.
        norm: the built `BatchNormalization` that takes its output.
    """

    def __init__(self, convolution, norm):
        # the product with the scale is float32 under every policy, the convolution is as it was
        super().__init__(name=f"{norm.name}_folded", dtype="float32", autocast=False)
        self.convolution = convolution
        self.norm = norm
        self.built = True

    def kernel_and_bias(self):
        """Return the float32 kernel and bias of the convolution that does the work of both."""
        norm, kernel = self.norm, self.convolution.kernel.value
        scale = ops.rsqrt(norm.moving_variance.value + norm.epsilon)  # [C]
        if norm.scale:
            scale = scale * norm.gamma.value
        bias = -norm.moving_mean.value * scale
        if norm.center:
            bias = bias + norm.beta.value
        if self.convolution.use_bias:
            bias = bias + self.convolution.bias.value * scale
        # a depthwise kernel is [H, W, channels, multiplier], channels outermost in the output
        depthwise = isinstance(self.convolution, keras.layers.DepthwiseConv2D)
        return kernel * (ops.reshape(scale, kernel.shape[2:]) if depthwise else scale), bias

    def call(self, inputs, training=None):
        """Return the normalised output of the convolution."""
        convolution = self.convolution
        if training and self.norm.trainable:
            return self.norm(convolution(inputs), training=True)
        depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        precision = convolution.compute_dtype
        kernel, bias = (ops.cast(value, precision) for value in self.kernel_and_bias())
        convolve = ops.depthwise_conv if depthwise else ops.conv
        outputs = convolve(
            ops.cast(inputs, precision),
            kernel,
            strides=convolution.strides,
            padding=convolution.padding,
            data_format="channels_last",
            dilation_rate=convolution.dilation_rate,
        )
        return outputs + bias

    def compute_output_shape(self, input_shape):
        """Return the shape of the convolution's output."""
        return self.convolution.compute_output_shape(input_shape)


def _convolution_before(norm, model):
    """Return the convolution whose output goes to the batch norm `norm` alone, or None."""
    tensor = norm.input
    before = tensor._keras_history.operation
    plain = isinstance(before, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)) and (
        before.activation is keras.activations.linear
        and before.data_format == "channels_last"
        and getattr(before, "groups", 1) == 1
    )
    alone = plain and len(before._outbound_nodes) == 1
    return before if alone and all(tensor is not output for output in model.outputs) else None


def with_folded_batch_norm(model, trains=True):
    """Return a functional model equal to `model`, on its variables, frozen batch norm folded.

    Args:
        model: functional. Batch norm that trains, or does not follow a convolution, stays as it is.
        trains: False for a model that only predicts, in which no batch norm trains.
    """
    frozen = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization) and not (trains and layer.trainable)
    ]
    before = {norm.name: _convolution_before(norm, model) for norm in frozen}
    before = {name: convolution for name, convolution in before.items() if convolution is not None}
    if not before:
        return model
    left_out = {convolution.name for convolution in before.values()}

    def call(layer, *args, **kwargs):
        if layer.name in left_out:
            return args[0]
        if layer.name in before:
            return FoldedConvolution(before[layer.name], layer)(args[0])
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
