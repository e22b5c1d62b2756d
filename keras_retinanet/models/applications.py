"""Backbones of keras.applications, tapped by the structure of their graphs.

A tap is the last tensor of its stride that every path to the output goes through, with the norm
and the activation behind it. For the residual networks that is a stage's output, for the others
the widest tensor before the next reduction.
"""

from keras import KerasTensor, Model, applications, layers, models, tree

SIDE = 512  # pixels; divisible by 32, so that no reduction rounds
LEVELS = (2, 3, 4, 5)
BEHIND = (layers.BatchNormalization, layers.Activation, layers.ReLU)
SCALING = (layers.Rescaling, layers.Normalization)
LAST_NORM = "layer_normalization"  # of ConvNeXt


def trunk(model):
    """Return the tensors that every path through `model` goes through, in order.

    When nothing else is still awaited by a later operation, all that follows hangs on one tensor.
    """
    awaited = {}
    for operation in model.operations:
        for tensor in operation._inbound_nodes[0].input_tensors:
            awaited[id(tensor)] = awaited.get(id(tensor), 0) + 1
    pending, found = {}, []
    for operation in model.operations:
        node = operation._inbound_nodes[0]
        for tensor in node.input_tensors:
            awaited[id(tensor)] -= 1
            if not awaited[id(tensor)]:
                pending.pop(id(tensor), None)
        pending |= {id(tensor): tensor for tensor in node.output_tensors}
        if len(pending) == 1:
            found += pending.values()
    return found


def _with_what_stands_behind(tensor, model):
    """Return `tensor` behind the norm and the activation that take it, if any do."""
    behind = [
        operation.output
        for operation in model.operations
        if isinstance(operation, BEHIND) and operation.input is tensor
    ]
    return _with_what_stands_behind(behind[0], model) if len(behind) == 1 else tensor


def taps_of(model):
    """Return {"C2": tensor, …}: the last tensor of the trunk at strides 4, 8, 16 and 32."""
    tensors = trunk(model)
    channels = model.inputs[0].shape[-1]
    probe = Model(model.inputs[0], tensors)
    specs = probe.compute_output_spec(KerasTensor((1, SIDE, SIDE, channels), "float32"))
    last = {
        level: tensor
        for tensor, spec in zip(tensors, specs, strict=True)
        for level in LEVELS
        if len(spec.shape) == 4 and spec.shape[1] * 2**level == SIDE
    }
    return {f"C{level}": _with_what_stands_behind(last[level], model) for level in LEVELS}


def _called(layer, *args, **kwargs):
    """Return a layer's output; scaling of the input is left out, nested layers come out."""
    if isinstance(layer, SCALING):
        return args[0]
    if not isinstance(layer, models.Sequential):
        return layer(*args, **kwargs)
    x = args[0]
    for inner in layer.layers:
        x = type(inner).from_config(inner.get_config())(x)
    return x


def _renewed(layer):
    """Return a new layer like `layer`, its name free of Keras' counter where weights go by it."""
    config = layer.get_config()
    if layer.name.startswith(LAST_NORM):
        config = config | {"name": LAST_NORM}
    return type(layer).from_config(config)


def _flat(model):
    """Return `model` anew, without scaling of its input and without models inside.

    Pictures are scaled outside, as those of other backbones; weights go by layer.
    """
    inputs = tree.pack_sequence_as(model.input, model.inputs)
    return models.clone_model(
        model, input_tensors=inputs, clone_function=_renewed, call_function=_called
    )


def build_application(inputs, constructor, **options):
    """Return a keras.applications model without weights, and its taps {"C2": tensor, …}.

    Args:
        inputs: image tensor [B, H, W, channels].
        constructor: name in keras.applications.
        options: of the constructor.
    """
    model = getattr(applications, constructor)(
        input_tensor=inputs, include_top=False, weights=None, **options
    )
    if any(isinstance(layer, (models.Sequential, *SCALING)) for layer in model.layers):
        model = _flat(model)
    return model, taps_of(model)


def build_tapped(inputs, constructor, taps, **options):
    """Return a keras.applications model and {"C3": tensor, …}, as keras-retinanet 1.0 tapped it.

    Args:
        taps: layers of C3, C4 and C5, or C2 to C5.
    """
    model = getattr(applications, constructor)(
        input_tensor=inputs, include_top=False, weights=None, **options
    )
    names = ("C2", "C3", "C4", "C5")[-len(taps) :]
    return model, {name: model.get_layer(tap).output for name, tap in zip(names, taps, strict=True)}
