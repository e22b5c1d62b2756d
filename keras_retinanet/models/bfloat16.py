"""A network that computes in bfloat16, which processors and GPUs of late do twice as fast.

Its variables stay float32. Layers are set as if the network had been built under Keras' policy
mixed_bfloat16: what leads from the heads' last convolutions to scores and deltas is float32.
"""

import keras

from keras_retinanet import layers
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
    for layer in network._flatten_layers():
        if isinstance(layer, (keras.layers.InputLayer, *GEOMETRY)) or layer.name in EXACT:
            continue
        layer.dtype_policy = POLICY
    return network
