"""Weights of an ONNX model in half precision: half the file, the arithmetic as it was.

Each large float32 initializer becomes a float16 one and a Cast, which runtimes fold into a constant
when they open the file. Biases, normalisation, anchors, decoding and suppression stay float32.
"""

from keras_retinanet.export.libraries import library

LEAST = 1024  # numbers; smaller tensors save nothing


def with_half_weights(model):
    """Return a copy of an `onnx.ModelProto` whose convolutions have their weights in float16."""
    import numpy as np

    onnx = library("onnx", "onnx")
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    kernels = {
        node.input[1] for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "MatMul")
    }
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.name not in kernels or values.dtype != np.float32 or values.size < LEAST:
            continue
        whole, name = tensor.name, f"{tensor.name}/half"
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name))
        kind = onnx.TensorProto.FLOAT
        casts.append(onnx.helper.make_node("Cast", [name], [whole], name=f"{whole}/cast", to=kind))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return changed
