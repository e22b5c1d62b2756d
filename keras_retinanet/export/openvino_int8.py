"""An OpenVINO model whose convolutions compute in int8, by NNCF, OpenVINO's own quantiser."""

import os

from keras_retinanet.export.between import between
from keras_retinanet.export.libraries import library, quiet

CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData")
NO_OPERATION = ("Constant", "Parameter", "Result")


def _not_quantised(model):
    """Return names of the operators of an `openvino.Model` that stay float32."""
    nodes = {node.get_name(): node for node in model.get_ops()}

    def before(name):
        return [value.get_node().get_name() for value in nodes[name].input_values()]

    def after(name):
        return [
            target.get_node().get_name()
            for output in nodes[name].outputs()
            for target in output.get_target_inputs()
        ]

    kinds = {name: node.get_type_name() for name, node in nodes.items()}
    inner, last = between([name for name in nodes if kinds[name] in CONVOLUTIONS], before, after)
    return [
        node.get_friendly_name()
        for name, node in nodes.items()
        if kinds[name] not in NO_OPERATION and name not in inner | last
    ]


def with_int8(model, calibration):
    """Return an `openvino.Model` whose convolutions compute in int8.

    The last of each head take int8 and give float32.

    Args:
        model: `openvino.Model` of one input, levels [B, H, W, C]; its constants are folded.
        calibration: levels [H, W, C], at least one.

    Raises:
        ValueError: nncf is not installed.
    """
    os.environ.setdefault("NNCF_CI", "1")  # else it reports to its makers that it was used
    with quiet():
        nncf, passes = library("nncf", "int8"), library("openvino.passes", "openvino")
        # Weights behind a Reshape get a scale for each channel and row, which OpenVINO computes
        # wrongly where sizes are not fixed.
        folding = passes.Manager()
        folding.register_pass(passes.ConstantFolding())
        folding.run_passes(model)
        shape = model.input(0).partial_shape
        count = 1 if shape[0].is_dynamic else shape[0].get_length()
        batches = [levels[None].repeat(count, axis=0) for levels in calibration]
        return nncf.quantize(
            model,
            nncf.Dataset(batches),
            subset_size=len(batches),
            fast_bias_correction=False,  # slower, with a third of the deviation less
            ignored_scope=nncf.IgnoredScope(names=_not_quantised(model), validate=False),
        )
