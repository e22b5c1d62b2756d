"""The network of Lin et al. 2017 (arXiv:1708.02002): pyramid, heads, and the detector on top.

Layer names are keras-retinanet 1.0's, so that its weights load by name. Logits, deltas and all
that follows are float32 under every dtype policy.
"""

import dataclasses
import re
from collections.abc import Mapping

import keras

from keras_retinanet import layers
from keras_retinanet.initializers import PriorProbability
from keras_retinanet.models.snapshot import attach_profile, profile_of
from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters

FEATURES = 256
HEAD_LAYERS = 4
PRIOR = 0.01
INNER_LEVELS = (3, 4, 5)  # compulsory: they come from the backbone


def _kernel():
    # a fresh instance for each layer: one instance would give all of them the same values
    return keras.initializers.RandomNormal(mean=0.0, stddev=0.01)


def _conv3x3(filters, name, **options):
    return keras.layers.Conv2D(filters, 3, padding="same", name=name, **options)


def _head(prefix, outputs, last_dim, width, features, depth, bias):
    """Return the input and the float32 output [B, H * W * A, last_dim] of a head."""
    inputs = keras.Input((None, None, features))
    x = inputs
    for index in range(depth):
        x = _conv3x3(width, f"{prefix}_{index}", activation="relu", kernel_initializer=_kernel())(x)
    x = _conv3x3(outputs, prefix, kernel_initializer=_kernel(), bias_initializer=bias)(x)
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
):
    """Return the class head: features [B, H, W, C] -> scores [B, H * W * A, K].

    Its bias starts every score at `prior_probability` (section 4.1).
    """
    inputs, logits = _head(
        "pyramid_classification",
        num_classes * num_anchors,
        num_classes,
        classification_feature_size,
        pyramid_feature_size,
        num_layers,
        PriorProbability(prior_probability),
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
    )
    return keras.Model(inputs, deltas, name=name)


def default_submodels(
    num_classes,
    num_anchors,
    pyramid_features=FEATURES,
    head_features=FEATURES,
    head_layers=HEAD_LAYERS,
    prior_probability=PRIOR,
):
    """Return [("regression", model), ("classification", model)]."""
    return [
        (
            "regression",
            default_regression_model(
                4, num_anchors, pyramid_features, head_features, num_layers=head_layers
            ),
        ),
        (
            "classification",
            default_classification_model(
                num_classes,
                num_anchors,
                pyramid_features,
                prior_probability,
                head_features,
                num_layers=head_layers,
            ),
        ),
    ]


def check_levels(levels, has_c2):
    """Raise ValueError unless a pyramid of `levels` can be built."""
    levels = list(levels)
    if missing := [level for level in INNER_LEVELS if level not in levels]:
        raise ValueError(f"pyramid levels 3, 4 and 5 are required; {levels} lacks {missing}")
    if levels != sorted(set(levels)) or levels[0] < 2 or levels[-1] > 7:
        raise ValueError(f"pyramid levels must rise, each once, within 2 to 7. Received: {levels}")
    if 7 in levels and 6 not in levels:
        raise ValueError(f"P6 is required to use P7. Received: levels {levels}")
    if 2 in levels and not has_c2:
        raise ValueError("this backbone gives no C2, so level 2 cannot be built; leave level 2 out")


def create_pyramid_features(backbone_layers, pyramid_levels, feature_size=FEATURES):
    """Return {"P3": tensor, …} for `pyramid_levels` (Lin et al. 2017, arXiv:1612.03144).

    P6 comes from C5 by a 3x3 of stride 2, P7 from relu(P6) likewise.

    Args:
        backbone_layers: {"C3": tensor, "C4": tensor, "C5": tensor}, with "C2" for level 2.
    """
    check_levels(pyramid_levels, has_c2="C2" in backbone_layers)
    top_down = sorted((level for level in pyramid_levels if level <= 5), reverse=True)
    pyramid, above = {}, None
    for level in top_down:
        x = keras.layers.Conv2D(feature_size, 1, name=f"C{level}_reduced")(
            backbone_layers[f"C{level}"]
        )
        if above is not None:
            x = keras.layers.Add(name=f"P{level}_merged")([above, x])
        if level > top_down[-1]:
            finer = backbone_layers[f"C{level - 1}"]
            above = layers.UpsampleLike(name=f"P{level}_upsampled")([x, finer])
        pyramid[f"P{level}"] = _conv3x3(feature_size, f"P{level}")(x)
    if 6 in pyramid_levels:
        pyramid["P6"] = _conv3x3(feature_size, "P6", strides=2)(backbone_layers["C5"])
    if 7 in pyramid_levels:
        x = keras.layers.Activation("relu", name="C6_relu")(pyramid["P6"])
        pyramid["P7"] = _conv3x3(feature_size, "P7", strides=2)(x)
    return pyramid


__create_pyramid_features = create_pyramid_features  # 1.0's name


def _as_mapping(backbone_layers):
    if isinstance(backbone_layers, Mapping):
        return dict(backbone_layers)
    names = ("C2", "C3", "C4", "C5")[-len(backbone_layers) :]
    return dict(zip(names, backbone_layers, strict=True))


def retinanet(
    inputs,
    backbone_layers,
    num_classes,
    num_anchors=None,
    create_pyramid_features=create_pyramid_features,
    pyramid_levels=None,
    submodels=None,
    name="retinanet",
):
    """Return the network: images [B, H, W, 3] -> regression [B, N, 4], classification [B, N, K].

    Args:
        inputs: the input tensor, preprocessed floats.
        backbone_layers: {"C3": …, "C4": …, "C5": …} or [C3, C4, C5], C2 before them if wanted.
        num_classes: K.
        num_anchors: anchors of a cell; those of `AnchorParameters.default`.
        create_pyramid_features: f(backbone_layers, levels) -> {"P3": …}.
        pyramid_levels: 3 to 7.
        submodels: [(output name, model of one level's features), …].
    """
    levels = DEFAULT_LEVELS if pyramid_levels is None else tuple(pyramid_levels)
    if submodels is None:
        num_anchors = num_anchors or AnchorParameters.default.num_anchors()
        submodels = default_submodels(num_classes, num_anchors)
    pyramid = create_pyramid_features(_as_mapping(backbone_layers), levels)
    features = [pyramid[f"P{level}"] for level in levels]
    outputs = {
        output: keras.layers.Concatenate(axis=1, name=output, dtype="float32")(
            [model(feature) for feature in features]
        )
        for output, model in submodels
    }
    return keras.Model(inputs, list(outputs.values()), name=name)


def output_names(network):
    """Return the names of a network's outputs in order: regression, classification, others."""
    return [tensor._keras_history.operation.name for tensor in network.outputs]


def feature_levels(network):
    """Return the pyramid levels whose layers P2 to P7 `network` has."""
    names = {layer.name for layer in network.layers}
    return tuple(level for level in range(2, 8) if f"P{level}" in names)


def backbone_layers(network):
    """Return the layers of `network` that come before its pyramid and heads."""
    own = re.compile(r"(C\d_reduced|P\d(_merged|_upsampled)?|C6_relu|.*_submodel)")
    outputs = set(output_names(network))
    return [
        layer
        for layer in network.layers
        if not own.fullmatch(layer.name) and layer.name not in outputs
    ]


def class_logits(network, levels):
    """Return the logits [B, N, K] behind the class head's sigmoid, or None for another head."""
    head = next((item for item in network.layers if item.name == "classification_submodel"), None)
    names = {layer.name for layer in getattr(head, "layers", ())}
    if "pyramid_classification_reshape" not in names:
        return None
    inner = head.get_layer("pyramid_classification_reshape").output
    # 1.0's name, so that weight files fit the detector, too, which has only this head
    logits_head = keras.Model(head.input, inner, name=head.name)
    features = [network.get_layer(f"P{level}").output for level in levels]
    per_level = [logits_head(feature) for feature in features]
    return keras.layers.Concatenate(axis=1, name="classification_logits", dtype="float32")(
        per_level
    )


def network_of(detector):
    """Return the network inside a detector that `retinanet_bbox` made; a network as it is.

    Raises:
        ValueError: the model is neither.
    """
    names = output_names(detector)
    if names[:2] == ["regression", "classification"]:
        return detector
    known = {layer.name for layer in detector.layers}
    if not {"regression", "classification_submodel"} <= known:
        raise ValueError(f"neither a network nor a detector: its outputs are {names}")
    head = detector.get_layer("classification_submodel")
    scores = head.output
    if head.layers[-1].name == "pyramid_classification_reshape":
        sigmoid = keras.layers.Activation(
            "sigmoid", name="pyramid_classification_sigmoid", dtype="float32"
        )
        scores = sigmoid(scores)
    head = keras.Model(head.input, scores, name=head.name)
    features = [detector.get_layer(f"P{n}").output for n in feature_levels(detector)]
    classification = keras.layers.Concatenate(axis=1, name="classification", dtype="float32")(
        [head(feature) for feature in features]
    )
    outputs = [detector.get_layer("regression").output, classification]
    network = keras.Model(detector.input, outputs, name="retinanet")
    return attach_profile(network, profile_of(detector))


def anchor_tensor(network, levels, params):
    """Return the anchors [B, N, 4] of all levels."""
    per_level = [
        layers.Anchors(
            size=params.sizes[index],
            stride=params.strides[index],
            ratios=params.ratios,
            scales=params.scales,
            name=f"anchors_{index}",
        )(network.get_layer(f"P{level}").output)
        for index, level in enumerate(levels)
    ]
    return keras.layers.Concatenate(axis=1, name="anchors", dtype="float32")(per_level)


def retinanet_bbox(
    model=None,
    nms=True,
    class_specific_filter=True,
    name="retinanet-bbox",
    anchor_params=None,
    pyramid_levels=None,
    nms_threshold=None,
    score_threshold=None,
    max_detections=None,
    parallel_iterations=32,
    **kwargs,
):
    """Return the detector: images -> boxes [B, D, 4], scores [B, D], labels [B, D], *others.

    Args:
        model: a network; None makes one of `retinanet(**kwargs)`.
        nms, class_specific_filter: see `layers.FilterDetections`.
        anchor_params, pyramid_levels, nms_threshold, score_threshold, max_detections: None takes
            the network's profile.
    """
    network = model if model is not None else retinanet(**kwargs)
    profile = profile_of(network)
    levels = tuple(pyramid_levels or feature_levels(network))
    params = anchor_params or profile.anchors
    if len(levels) != len(params.sizes):
        raise ValueError(
            f"{len(levels)} pyramid levels {levels} need as many anchor sizes. "
            f"Received: sizes {params.sizes}"
        )
    given = {
        "nms_threshold": nms_threshold,
        "score_threshold": score_threshold,
        "max_detections": max_detections,
    }
    profile = dataclasses.replace(
        profile,
        anchors=params,
        levels=levels,
        nms=nms,
        class_specific_filter=class_specific_filter,
        **{key: value for key, value in given.items() if value is not None},
    )
    logits = class_logits(network, levels)
    deltas, scores, *others = network.outputs
    detect = layers.Detect(
        activation="linear" if logits is None else "sigmoid",
        mean=profile.box_mean,
        std=profile.box_std,
        nms=nms,
        class_specific_filter=class_specific_filter,
        nms_threshold=profile.nms_threshold,
        score_threshold=profile.score_threshold,
        max_detections=profile.max_detections,
        candidates=profile.candidates,
        parallel_iterations=parallel_iterations,
        name="filtered_detections",
    )
    anchors = anchor_tensor(network, levels, params)
    classes = scores if logits is None else logits
    outputs = detect([network.inputs[0], anchors, deltas, classes, *others])
    return attach_profile(keras.Model(network.input, outputs, name=name), profile)
