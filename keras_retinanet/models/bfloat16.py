"""A network that computes in bfloat16, which processors and GPUs of late do twice as fast.

Its variables stay float32. Layers are set as if the network had been built under Keras' policy
mixed_bfloat16: what leads from the heads' last convolutions to scores and deltas is float32. So is
a backbone with depthwise convolutions on TensorFlow, to which they are slower so.
"""

import keras

from keras_retinanet import layers
from keras_retinanet.models.retinanet import backbone_layers
from keras_retinanet.models.snapshot import attach_profile, profile_of

POLICY = "mixed_bfloat16"
# of the heads and of the network's end
EXACT = (
    *("pyramid_classification_reshape", "pyramid_classification_sigmoid"),
    *("pyramid_regression_reshape", "regression", "classification", "classification_logits"),
)
GEOMETRY = (layers.Anchors, layers.ClipBoxes, layers.RegressBoxes)


def computing_in_bfloat16(network, own=False):
    """Return a network equal to `network` that computes in bfloat16.

    Args:
        network: a network of ours.
        own: whether `network` itself may become that; otherwise it is copied, and stays as it is.
    """
    if not own:
        copy = keras.models.clone_model(network)
        copy.set_weights(network.get_weights())
        network = attach_profile(copy, profile_of(network))
    exact = _slower(network)
    for layer in network._flatten_layers():
        kept = isinstance(layer, (keras.layers.InputLayer, *GEOMETRY)) or layer.name in EXACT
        if not kept and id(layer) not in exact:
            layer.dtype_policy = POLICY
    return network


def _slower(network):
    """Return the ids of layers that TensorFlow computes slower in bfloat16 on a processor.

    Its depthwise convolutions are: MobileNetV2 as a whole took 1.3 times as long as in float32, its
    pyramid and heads alone 0.8 times.
    """
    if keras.backend.backend() != "tensorflow":
        return set()
    backbone = backbone_layers(network)
    has_depthwise = any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in backbone)
    return {id(layer) for layer in backbone} if has_depthwise else set()
