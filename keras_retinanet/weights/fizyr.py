"""Files of keras-retinanet 0.5 to 1.0: `.h5` of Keras 2, training or inference models.

Nothing has to be told. A file is loaded whole or not at all: every layer's name, shape and
arithmetic is compared before the first array is set. SE networks and EfficientNet came from other
libraries; those files are read as well as can be, and a warning says how far that goes.
"""

import re
import warnings
from dataclasses import replace

from keras_retinanet import models
from keras_retinanet.models.backbone_families import find_family
from keras_retinanet.models.by_name import match_by_name, set_all
from keras_retinanet.models.retinanet import retinanet_bbox
from keras_retinanet.models.snapshot import attach_profile, profile_of
from keras_retinanet.models.weight_files import (
    WeightsError,
    open_h5,
    read_keras2_weights,
    read_model_config,
)
from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters
from keras_retinanet.utils.model import freeze_batch_norm
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from keras_retinanet.weights.fizyr_facts import (
    anchors_of,
    backbone_name_of,
    check_is_retinanet,
    detector_facts_of,
    facts_of,
)
from keras_retinanet.weights.keras2_config import check_same_arithmetic, configured_layers

# 1.0 gave blue-first pictures to functions for red-first ones
_BLUE_AS_RED = replace(PREPROCESSINGS["torch_rgb"], order="bgr")
# backbones that 1.0 fed otherwise than their ImageNet weights were trained
PREPROCESSINGS_OF_1_0 = {
    r"densenet\d+": PREPROCESSINGS["tf"],
    r"seres(net|next)(50|101|152)|senet154|EfficientNetB\d": _BLUE_AS_RED,
}
BEST_EFFORT = {
    r"seres(net|next)\d+|senet154": "layers of the library image-classifiers are numbered, not "
    "named; they are taken in the order of their numbers, which only shapes confirm",
    r"EfficientNetB\d": "the library efficientnet pads strided layers otherwise than here; results "
    "are equal where height and width are multiples of 32",
}


def _written_by_keras3(path):
    """Return whether Keras 3 wrote the file: with this package, not with 1.0."""
    with open_h5(path) as file:
        group = file.get("model_weights", file)
        version = file.attrs.get("keras_version", group.attrs.get("keras_version", b"2"))
    return (version.decode() if isinstance(version, bytes) else str(version)).startswith("3")


def _anchors(path, in_file, given, facts):
    """Return the anchors given, else the file's, else 1.0's default if it can be."""
    usual = AnchorParameters.default if facts.levels == DEFAULT_LEVELS else None
    params = given or in_file or usual
    if params is None or params.num_anchors() != facts.num_anchors:
        made = "" if params is None else f", where {params.num_anchors()} are configured"
        raise WeightsError(
            f"{path}: has {facts.num_anchors} anchors a cell on levels {facts.levels}{made}. "
            "Name the --config that it was trained with."
        )
    if len(params.sizes) != len(facts.levels):
        raise WeightsError(
            f"{path}: levels {facts.levels} need as many anchor sizes; {params.sizes} are "
            "configured. Name the --config that it was trained with."
        )
    return params


def _fill(path, network, weights):
    """Set every weight of `network` from {layer: {name: array}}, or raise and set none."""
    report, pairs = match_by_name(network, weights)
    if report.left or report.skipped or report.unused:
        raise WeightsError(
            f"{path}: is not wholly a RetinaNet on {profile_of(network).backbone}: "
            f"{report.faults()}. To start from the layers that fit, give it to --weights."
        )
    set_all(path, pairs)


def _build(path, weights, layers, backbone_name, anchor_params):
    """Return the network that the file describes, with its profile and without its weights."""
    name = backbone_name_of(path, weights, backbone_name)
    facts = facts_of(path, weights, layers, name)
    try:
        anchors = _anchors(path, anchors_of(path, layers), anchor_params, facts)
        network = models.backbone(name).retinanet(
            facts.num_classes,
            anchor_params=anchors,
            pyramid_levels=facts.levels,
            **facts.arguments,
        )
    except WeightsError:
        raise
    except ValueError as error:  # an unknown name, levels or anchors that cannot be
        raise WeightsError(f"{path}: {error}") from error
    return attach_profile(network, replace(profile_of(network), **detector_facts_of(layers)))


def _row_of(table, backbone):
    """Return what `table` has for the name of a backbone, None for no row."""
    return next((row for name, row in table.items() if re.fullmatch(name, backbone)), None)


def preprocessing_of_1_0(backbone):
    """Return the `Preprocessing` with which keras-retinanet 1.0 fed a backbone."""
    return _row_of(PREPROCESSINGS_OF_1_0, backbone) or find_family(backbone)[0].preprocessing


def _as_1_0_fed_it(network):
    profile = profile_of(network)
    mode = preprocessing_of_1_0(profile.backbone)
    return attach_profile(network, replace(profile, preprocessing=mode))


def _warn(path, backbone, even_only):
    """Warn of what the weights of a file may compute otherwise than in its project."""
    found = []
    if even_only:
        found.append(
            f"{', '.join(even_only[:3])}{', …' * (len(even_only) > 3)} of this file pads images of "
            "odd height or width one pixel further right or down than here; on even sizes results "
            "are equal"
        )
    if text := _row_of(BEST_EFFORT, backbone):
        found = [f"{text}. See that it detects what it did in 1.0"]
    for sentence in found:
        warnings.warn(f"{path}: {sentence}.", stacklevel=3)


def load_fizyr(path, backbone_name=None, anchor_params=None):
    """Return the network of a file, or its detector where it holds an inference model.

    Args:
        path: `.h5`, a whole model or weights alone.
        backbone_name: used where the file's layers do not tell the backbone.
        anchor_params: they replace those of the file. Only inference models that were saved
            whole tell theirs; None takes 1.0's default for the others.

    Raises:
        WeightsError: the file is damaged, no RetinaNet, of an unknown backbone, not wholly of
            this network, or of anchors that nobody told.
    """
    weights = read_keras2_weights(path)
    check_is_retinanet(path, weights)
    try:
        layers = configured_layers(read_model_config(path))
        network = _build(path, weights, layers, backbone_name, anchor_params)
        ours = configured_layers({"config": network.get_config()})
        even_only = check_same_arithmetic(path, layers, ours)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise WeightsError(
            f"{path}: not a model as Keras 2 writes it ({error!r}). Write the file anew."
        ) from error
    backbone = profile_of(network).backbone
    _fill(path, network, find_family(backbone)[0].renamed(weights, backbone) or weights)
    freeze_batch_norm(network)
    if not _written_by_keras3(path):
        _warn(path, backbone, even_only)
        _as_1_0_fed_it(network)
    if "filtered_detections" not in weights:
        return network
    profile = profile_of(network)
    return retinanet_bbox(
        network, nms=profile.nms, class_specific_filter=profile.class_specific_filter
    )
