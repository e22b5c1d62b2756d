"""Weights of an ONNX model in fewer bits: a smaller file, the arithmetic as it was.

Each large float32 initializer of a convolution becomes a smaller one and what makes it float32
again, which runtimes fold into a constant when they open the file. Biases, normalisation, anchors,
decoding and suppression stay float32.
"""

import numpy as np

from keras_retinanet.export.libraries import library
from keras_retinanet.export.precision import FLOAT32, HALF, INT8

LEAST = 1024  # numbers; smaller tensors save nothing
# operators with weights: the axis of their output channels
CHANNELS = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}
FLOAT = 1  # of onnx.TensorProto
LARGEST = 127  # of int8; symmetric, so that 0 is 0


def _cast(name, output):
    """Return the node that makes float32 of a tensor."""
    onnx = library("onnx", "onnx")
    return onnx.helper.make_node("Cast", [name], [output], f"{output}/cast", to=FLOAT)


def _in_half(whole, values, axis):
    """Return (initializers, nodes) of weights in float16."""
    name = f"{whole}/half"
    tensor = library("onnx", "onnx").numpy_helper.from_array(values.astype(np.float16), name)
    return [tensor], [_cast(name, whole)]


def _in_int8(whole, values, axis):
    """Return (initializers, nodes) of weights in int8, with a scale for each channel.

    Not DequantizeLinear, which ONNX Runtime works out anew for each picture.
    """
    onnx, names = library("onnx", "onnx"), (f"{whole}/int8", f"{whole}/scale")
    others = tuple(one for one in range(values.ndim) if one != axis)
    scales = np.abs(values).max(axis=others, keepdims=True) / np.float32(LARGEST)
    scales[scales == 0] = 1  # a channel of zeros
    levels = np.rint(values / scales).astype(np.int8)
    tensors = [
        onnx.numpy_helper.from_array(array, name)
        for array, name in zip((levels, scales), names, strict=True)
    ]
    large = f"{whole}/levels"
    product = onnx.helper.make_node("Mul", [large, names[1]], [whole], f"{whole}/product")
    return tensors, [_cast(names[0], large), product]


KEPT = {HALF: _in_half, INT8: _in_int8}  # precision: how weights are kept


def with_small_weights(model, precision):
    """Return a copy of an `onnx.ModelProto` whose convolutions keep their weights in fewer bits.

    Args:
        model: of any precision; float32 weights are changed.
        precision: a name of `precision.PRECISIONS`. float32 returns `model` itself.
    """
    if precision == FLOAT32:
        return model
    onnx = library("onnx", "onnx")
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    axes = {
        node.input[1]: CHANNELS[node.op_type] for node in graph.node if node.op_type in CHANNELS
    }
    initializers, made = [], []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.name not in axes or values.dtype != np.float32 or values.size < LEAST:
            initializers.append(tensor)
            continue
        tensors, nodes = KEPT[precision](tensor.name, values, axes[tensor.name])
        initializers.extend(tensors)
        made.extend(nodes)
    nodes = list(graph.node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*made, *nodes])
    graph.initializer.extend(initializers)
    return changed
