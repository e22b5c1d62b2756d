"""A LiteRT file whose convolutions compute in int8, by the AI Edge Quantizer, LiteRT's own.

The converter's own quantisation takes a whole graph or nothing; boxes in pixels would go with it.
"""

import re
from functools import cache

from keras_retinanet.export.between import between
from keras_retinanet.export.libraries import library, quiet

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
BITS = 8


def _quantised_scopes(content):
    """Return patterns of the names of the operators that compute in int8."""
    schema = library("ai_edge_litert.schema_py_generated", "litert")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    maker = {
        int(tensor): place for place, op in enumerate(graph.operators) for tensor in op.outputs
    }
    takers = {}
    for place, op in enumerate(graph.operators):
        for tensor in op.inputs:
            takers.setdefault(int(tensor), []).append(place)

    @cache
    def before(place):
        return [maker[one] for one in map(int, graph.operators[place].inputs) if one in maker]

    @cache
    def after(place):
        outputs = map(int, graph.operators[place].outputs)
        return [taker for one in outputs for taker in takers.get(one, ())]

    kinds = [names[model.operatorCodes[op.opcodeIndex].builtinCode] for op in graph.operators]
    convolutions = [place for place, kind in enumerate(kinds) if kind in CONVOLUTIONS]
    inner, _ = between(convolutions, before, after)
    outputs = [
        ";".join(graph.tensors[one].name.decode() for one in graph.operators[place].outputs)
        for place in sorted(inner)
    ]
    return [f"^{re.escape(one)};" for one in outputs]


def with_int8(content, calibration):
    """Return the bytes of a LiteRT file whose convolutions compute in int8.

    The last of each head compute in float32.

    Args:
        content: bytes of a float32 file of one signature, whose input is `images`.
        calibration: batches of levels as the file takes them, at least one.

    Raises:
        ValueError: ai_edge_quantizer is not installed.
    """
    with quiet():
        quantizer = library("ai_edge_quantizer.quantizer", "int8").Quantizer(bytearray(content))
        everything = library("ai_edge_quantizer.qtyping", "int8").TFLOperationName.ALL_SUPPORTED
        for scope in _quantised_scopes(content):
            quantizer.add_static_config(scope, everything, BITS, BITS)
        ranges = quantizer.calibrate({"serving_default": [{"images": one} for one in calibration]})
        return bytes(quantizer.quantize(ranges, enable_progress_report=False).quantized_model)
