"""The network of Lin et al. 2017 (arXiv:1708.02002), and the detector on top.

Layer names are keras-retinanet 1.0's, so that its weights load by name. Logits, deltas and all
that follows are float32 under every dtype policy.
"""

import dataclasses
import re
from collections.abc import Mapping

import keras

from keras_retinanet import layers
from keras_retinanet.models.heads import (
    FEATURES,
    HEAD_LAYERS,
    PRIOR,
    default_classification_model,
    default_regression_model,
    default_submodels,
)
from keras_retinanet.models.pyramid import INNER_LEVELS, check_levels, create_pyramid_features
from keras_retinanet.models.snapshot import attach_profile, profile_of
from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters

__all__ = [
    "FEATURES",
    "HEAD_LAYERS",
    "INNER_LEVELS",
    "PRIOR",
    "anchor_tensors",
    "backbone_layers",
    "check_levels",
    "class_logits",
    "create_pyramid_features",
    "default_classification_model",
    "default_regression_model",
    "default_submodels",
    "feature_levels",
    "network_of",
    "output_names",
    "retinanet",
    "retinanet_bbox",
]

CANVAS = "padded_canvas"  # name of the layer that pads a network's input

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
    own = re.compile(r"(C\d_reduced|P\d(_merged|_upsampled|_padding)?|C6_relu|.*_submodel)")
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
    # a detector may take sizes, too
    network = keras.Model(detector.inputs[0], outputs, name="retinanet")
    return attach_profile(network, profile_of(detector))


def canvas_of(network):
    """Return the tensor that `network` works on: its input, or that padded to whole cells."""
    names = {layer.name for layer in network.layers}
    return network.get_layer(CANVAS).output if CANVAS in names else network.inputs[0]


def anchor_tensors(network, levels, params):
    """Return the anchors [B, N, 4] of each level."""
    canvas = canvas_of(network)
    made = []
    for index, level in enumerate(levels):
        features = network.get_layer(f"P{level}").output
        fixed = params.stride_rule == "fixed"
        layer = layers.Anchors(
            size=params.sizes[index],
            stride=params.strides[index] if fixed else None,
            ratios=params.ratios,
            scales=params.scales,
            centre=params.centre,
            rounding=params.rounding,
            order=params.order,
            name=f"anchors_{index}",
        )
        made.append(layer(features if fixed else [features, canvas]))
    return made


def anchor_tensor(network, levels, params):
    """Return the anchors [B, N, 4] of all levels."""
    return keras.layers.Concatenate(axis=1, name="anchors", dtype="float32")(
        anchor_tensors(network, levels, params)
    )


def retinanet_bbox(
    model=None,
    nms=None,
    class_specific_filter=None,
    name="retinanet-bbox",
    anchor_params=None,
    pyramid_levels=None,
    nms_threshold=None,
    score_threshold=None,
    max_detections=None,
    parallel_iterations=32,
    sizes=None,
    nms_within=None,
    **kwargs,
):
    """Return the detector: images -> boxes [B, D, 4], scores [B, D], labels [B, D], *others.

    Args:
        model: a network; None makes one of `retinanet(**kwargs)`.
        nms, class_specific_filter: see `layers.FilterDetections`; None takes the profile's, as
            do the next five.
        anchor_params, pyramid_levels, nms_threshold, score_threshold, max_detections: as there.
        parallel_iterations: taken for 1.0's sake.
        sizes: `keras.Input((2,))` for (height, width) of each picture on its canvas makes the
            detector a model of [images, sizes], for batches of different true sizes whose boxes
            are clipped to the picture or, as the profile has it, to the canvas that it would have
            alone; None takes pictures as large as the batch.
        nms_within: see `layers.FilterDetections`; None takes the profile's.
    """
    network = model if model is not None else retinanet(**kwargs)
    profile = _detector_profile(
        profile_of(network),
        levels=tuple(pyramid_levels or feature_levels(network)),
        anchors=anchor_params,
        nms=nms,
        class_specific_filter=class_specific_filter,
        nms_threshold=nms_threshold,
        score_threshold=score_threshold,
        max_detections=max_detections,
        nms_within=nms_within,
    )
    logits = class_logits(network, profile.levels)
    deltas, scores, *others = network.outputs
    by_level = profile.level_candidates is not None
    make_anchors = anchor_tensors if by_level else anchor_tensor
    anchors = make_anchors(network, profile.levels, profile.anchors)
    anchors = anchors if by_level else [anchors]
    detect = layers.Detect(
        activation="linear" if logits is None else "sigmoid",
        levels=len(anchors),
        level_candidates=profile.level_candidates,
        coder=profile.coder.to_dict(),
        clip_margin=None if profile.clip_to == "nothing" else profile.clip_margin,
        frame_multiple=profile.pad_multiple if profile.clip_to == "canvas" else 1,
        nms=profile.nms,
        class_specific_filter=profile.class_specific_filter,
        nms_threshold=profile.nms_threshold,
        score_threshold=profile.score_threshold,
        max_detections=profile.max_detections,
        candidates=profile.candidates,
        nms_within=profile.nms_within,
        parallel_iterations=parallel_iterations,
        name="filtered_detections",
    )
    frame = canvas_of(network) if profile.clip_to == "canvas" else network.inputs[0]
    inputs = network.input
    if sizes is not None:
        frame, inputs = sizes, [network.inputs[0], sizes]
    outputs = detect([frame, *anchors, deltas, scores if logits is None else logits, *others])
    return attach_profile(keras.Model(inputs, outputs, name=name), profile)


def _detector_profile(profile, levels, anchors, **given):
    """Return `profile` with what is given; None keeps its own."""
    anchors = anchors or profile.anchors
    if len(levels) != len(anchors.sizes):
        raise ValueError(
            f"{len(levels)} pyramid levels {levels} need as many anchor sizes. "
            f"Received: sizes {anchors.sizes}"
        )
    given = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(profile, anchors=anchors, levels=levels, **given)
