"""The heads of Lin et al. 2017 (arXiv:1708.02002): class scores and deltas of every anchor.

Layer names are keras-retinanet 1.0's. Scores and deltas are float32 under every dtype policy.
"""

import keras

from keras_retinanet.initializers import PriorProbability

FEATURES = 256
HEAD_LAYERS = 4
PRIOR = 0.01


def _kernel():
    # a fresh instance for each layer: one instance would give all of them the same values
    return keras.initializers.RandomNormal(mean=0.0, stddev=0.01)


def _conv3x3(filters, name, **options):
    return keras.layers.Conv2D(
        filters, 3, padding="same", name=name, kernel_initializer=_kernel(), **options
    )


def group_norm(groups, epsilon):
    """Return f(name) -> group norm (Wu & He 2018, arXiv:1803.08494) for the heads' `norm`."""

    def norm(name):
        return keras.layers.GroupNormalization(groups, epsilon=epsilon, name=name)

    return norm


def _plain_layer(x, width, name):
    return _conv3x3(width, name, activation="relu")(x)


def _normed_layer(x, width, name, norm):
    """Return relu(norm(conv(x))); the convolution needs no bias before a norm."""
    x = norm(f"{name}_norm")(_conv3x3(width, name, use_bias=False)(x))
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


def _head(prefix, outputs, last_dim, width, features, depth, bias, norm):
    """Return the input and the float32 output [B, H * W * A, last_dim] of a head."""
    inputs = keras.Input((None, None, features))
    x = inputs
    for index in range(depth):
        name = f"{prefix}_{index}"
        x = _normed_layer(x, width, name, norm) if norm else _plain_layer(x, width, name)
    x = _conv3x3(outputs, prefix, bias_initializer=bias)(x)
    shape = (-1, last_dim)
    return inputs, keras.layers.Reshape(shape, name=f"{prefix}_reshape", dtype="float32")(x)


def default_classification_model(
    num_classes,
    num_anchors,
    pyramid_feature_size=FEATURES,
    prior_probability=PRIOR,
    classification_feature_size=FEATURES,
    name="classification_submodel",
    num_layers=HEAD_LAYERS,
    norm=None,
):
    """Return the class head: features [B, H, W, C] -> scores [B, H * W * A, K].

    Its bias starts every score at `prior_probability` (section 4.1). `norm` is f(name) -> a
    layer behind each hidden convolution, or None.
    """
    inputs, logits = _head(
        "pyramid_classification",
        num_classes * num_anchors,
        num_classes,
        classification_feature_size,
        pyramid_feature_size,
        num_layers,
        PriorProbability(prior_probability),
        norm,
    )
    scores = keras.layers.Activation(
        "sigmoid", name="pyramid_classification_sigmoid", dtype="float32"
    )(logits)
    return keras.Model(inputs, scores, name=name)


def default_regression_model(
    num_values,
    num_anchors,
    pyramid_feature_size=FEATURES,
    regression_feature_size=FEATURES,
    name="regression_submodel",
    num_layers=HEAD_LAYERS,
    norm=None,
):
    """Return the box head: features [B, H, W, C] -> deltas [B, H * W * A, num_values]."""
    inputs, deltas = _head(
        "pyramid_regression",
        num_values * num_anchors,
        num_values,
        regression_feature_size,
        pyramid_feature_size,
        num_layers,
        "zeros",
        norm,
    )
    return keras.Model(inputs, deltas, name=name)


def default_submodels(
    num_classes,
    num_anchors,
    pyramid_features=FEATURES,
    head_features=FEATURES,
    head_layers=HEAD_LAYERS,
    prior_probability=PRIOR,
    norm=None,
):
    """Return [("regression", model), ("classification", model)]."""
    regression = default_regression_model(
        4, num_anchors, pyramid_features, head_features, num_layers=head_layers, norm=norm
    )
    classification = default_classification_model(
        num_classes,
        num_anchors,
        pyramid_features,
        prior_probability,
        head_features,
        num_layers=head_layers,
        norm=norm,
    )
    return [("regression", regression), ("classification", classification)]
