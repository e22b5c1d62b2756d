"""Which layers of a network train: the stages of its backbone, and its batch norm.

Stage n of a backbone is what works at a stride of 2**n pixels, whatever its layers are called:
1 is the stem (strides 1 and 2), 2 to 5 have strides 4 to 32. For ResNets that is Detectron2's
FREEZE_AT=n, and torchvision's trainable_layers=5 - n.
"""

import keras

from keras_retinanet.models.retinanet import backbone_layers

STAGES = 5
PROBE = 512  # pixels; a side that every stage divides, and whose coarsest map is no point
BATCH_NORM = ("frozen", "train", "sync")


def stages(network):
    """Return {layer name: stage} of the backbone of `network`.

    A layer on pooled or flat features, as in squeeze and excitation, belongs to the layer before.
    """
    nodes = [node for nodes in network._nodes_by_depth.values() for node in nodes]
    # of nested models, too, whose own `output` is a tensor of another graph
    outputs = {node.operation.name: node.outputs[0] for node in nodes}
    probe = keras.Model(network.inputs, outputs)
    picture = keras.KerasTensor((1, PROBE, PROBE, network.inputs[0].shape[-1]))
    shapes = {name: out.shape for name, out in probe.compute_output_spec(picture).items()}
    found, stage = {}, 1
    for layer in backbone_layers(network):
        shape = shapes[layer.name]
        if len(shape) == 4 and shape[1] >= PROBE >> STAGES:
            stage = max(1, (PROBE // shape[1]).bit_length() - 1)
        found[layer.name] = stage
    return found


def freeze_stages(network, count):
    """Let the first `count` stages of the backbone keep their weights, and the others train.

    Args:
        network: with or without frozen layers.
        count: 0 to `STAGES`, which is all.

    Returns:
        The number of layers with weights that are frozen so.
    """
    stage_of = stages(network)
    for layer in backbone_layers(network):
        layer.trainable = stage_of[layer.name] > count
    return sum(bool(layer.weights) and not layer.trainable for layer in backbone_layers(network))


def set_batch_norm(network, policy):
    """Say what the batch norm of the layers that train does in training.

    At inference it is the same under every policy: the statistics that are stored. Frozen layers
    keep theirs.

    Args:
        network: after `freeze_stages`.
        policy: "frozen": statistics, scale and shift stay; "train": the statistics of each
            batch, on each replica its own; "sync": those of the batches of all replicas.
    """
    # JAX sees one batch over all devices, and torch trains on one: the flag is TensorFlow's
    across = policy == "sync" and keras.backend.backend() == "tensorflow"
    for layer in _batch_norms(network):
        layer.trainable = layer.trainable and policy != "frozen"
        layer.synchronized = across


def _batch_norms(model):
    """Yield the batch norm layers of `model` and of the models nested in it."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            yield layer
