"""A network that was trained on red-first pictures, made to see blue-first ones, and back."""

from keras import ops


def layers_that_see_channels(model):
    """Return the layers with weights for each channel of the picture, in no order.

    Those are the first convolution and any norm before it; padding and scaling pass channels on.
    """
    found, tensors = [], list(model.inputs)
    while tensors:
        tensor = tensors.pop()
        for layer in model.operations:
            if all(tensor is not source for source in layer._inbound_nodes[0].input_tensors):
                continue
            if getattr(layer, "weights", ()):
                found.append(layer)
            if not hasattr(layer, "kernel"):
                tensors.append(layer.output)
    return found


def reverse_input_channels(model):
    """Reverse the channels that `model` sees: model(x) becomes what it was for x[..., ::-1]."""
    for layer in layers_that_see_channels(model):
        mixes = hasattr(layer, "kernel")
        for variable in [layer.kernel] if mixes else layer.weights:
            variable.assign(ops.flip(variable, axis=2 if mixes else 0))
