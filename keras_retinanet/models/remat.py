"""Gradient checkpointing: parts of a network compute their inside again in the backward pass.

A part keeps what goes in and what comes out, not what is between (Chen et al. 2016,
arXiv:1604.06174, section 3). Parts of a backbone lie between tensors that all of the network
after them depends on, such as the outputs of residual blocks; each head is a part. `keras.remat`
does the work on every backend. The values and gradients are the same.
"""

import re

import keras

HEADS = "_submodel"  # how the names of the heads end
TAPPED = re.compile(r"C\d_reduced")  # the layers of the pyramid that take the backbone's outputs
FEWEST = 6  # layers of a part; a residual block has as many


class Recomputed(keras.layers.Layer):
    """A layer or model that keeps its input and output alone in training.

    Args:
        part: what is called; takes and gives one tensor, or gives a list.
    """

    def __init__(self, part):
        super().__init__(name=f"{part.name}_recomputed", dtype=part.dtype_policy, autocast=False)
        self.part = part
        self.built = True

    def call(self, inputs, training=None):
        """Return what the part returns."""
        if not training:
            return self.part(inputs, training=training)
        return keras.remat(lambda tensor: self.part(tensor, training=True))(inputs)

    def compute_output_spec(self, inputs, training=None):
        """Return the part's own."""
        return self.part.compute_output_spec(inputs, training=training)


def _in_order(model):
    """Return the nodes of a functional model, each after those it takes tensors of."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]


def cut_tensors(model):
    """Return the tensors that part a functional model of one input, the input first.

    A tensor parts it where, once it is there, nothing before it is needed any more, except by the
    model's outputs themselves.
    """
    nodes, last_use = _in_order(model), {}
    for place, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = place
    cuts, alive = [model.inputs[0]], {id(model.inputs[0])}
    for place, node in enumerate(nodes):
        alive |= {id(tensor) for tensor in node.outputs}
        alive = {key for key in alive if last_use.get(key, -1) > place}
        if len(node.outputs) == 1 and alive <= {id(node.outputs[0])}:
            cuts.append(node.outputs[0])
    return cuts


def _trains_statistics(model):
    """Return whether a batch norm in `model` changes in training, which must not happen twice."""
    return any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for layer in model._flatten_layers()
    )


def parts_of(model):
    """Return [(tensor of `model`, model that gives it of the one before)] that add up to `model`.

    Args:
        model: its outputs are all among its `cut_tensors`.
    """
    outputs = {id(tensor) for tensor in model.outputs}
    cuts = cut_tensors(model)
    places = {id(tensor): place for place, tensor in enumerate(_tensors(model))}
    kept = [cuts[0]]
    for tensor in cuts[1:]:
        long_enough = places[id(tensor)] - places[id(kept[-1])] >= FEWEST
        if long_enough or id(tensor) in outputs:
            kept.append(tensor)
    return [
        (last, keras.Model(first, last, name=f"part_{number}"))
        for number, (first, last) in enumerate(zip(kept, kept[1:], strict=False))
    ]


def _tensors(model):
    return [model.inputs[0], *(tensor for node in _in_order(model) for tensor in node.outputs)]


def _recomputed(part):
    """Return `part` as a layer that keeps no inside, itself where its batch norm trains."""
    return part if _trains_statistics(part) else Recomputed(part)


def with_recomputed_parts(core):
    """Return a functional model equal to `core`, on its variables, that keeps less in training.

    Args:
        core: of a `TrainingModel`.

    Raises:
        ValueError: the backbone is no row of parts.
    """
    # of this graph: a layer's own `input` is that of the first one it was part of
    nodes = [node for node in _in_order(core) if TAPPED.fullmatch(node.operation.name)]
    taps = [node.input_tensors[0] for node in nodes]
    backbone = keras.Model(core.input, taps) if taps else core
    cuts = {id(tensor) for tensor in cut_tensors(backbone)}
    if not taps or not cuts.issuperset(id(tap) for tap in taps):
        raise ValueError(
            f"--remat: the backbone of {core.name!r} is no row of parts that could be computed "
            "again; train it without"
        )
    tensor, made = core.input, {}
    for cut, part in parts_of(backbone):
        made[id(cut)] = tensor = _recomputed(part)(tensor)
    return _joined(core, taps, [made[id(tap)] for tap in taps])


def _joined(core, taps, tensors):
    """Return `core` with `tensors` in place of its tensors `taps`, its heads recomputed."""
    heads = {}

    def call(layer, *args, **kwargs):
        if not layer.name.endswith(HEADS):
            return layer(*args, **kwargs)
        head = heads.setdefault(layer.name, _recomputed(layer))
        return head(args[0])

    rest = keras.Model([core.input, *taps], core.output)
    rest = keras.models.clone_model(rest, clone_function=lambda layer: layer, call_function=call)
    return keras.Model(core.input, rest([core.input, *tensors]), name=core.name)
