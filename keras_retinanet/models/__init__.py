"""Networks and detectors: building, loading, converting."""

import sys

from keras_retinanet.models.backbones import Backbone
from keras_retinanet.models.loading import load_model
from keras_retinanet.models.retinanet import output_names, retinanet_bbox

__all__ = [
    "Backbone",
    "assert_training_model",
    "backbone",
    "check_training_model",
    "convert_model",
    "is_network",
    "load_model",
]


def backbone(backbone_name):
    """Return the `Backbone` of that name, such as resnet50 or mobilenet224_1.0."""
    return Backbone(backbone_name)


def is_network(model):
    """Return whether `model` is a network: its first outputs are regression, classification."""
    names = output_names(model)
    return names[:2] == ["regression", "classification"]


def convert_model(model, nms=None, class_specific_filter=None, anchor_params=None, **kwargs):
    """Return the detector of a network; see `models.retinanet.retinanet_bbox`."""
    return retinanet_bbox(
        model=model,
        nms=nms,
        class_specific_filter=class_specific_filter,
        anchor_params=anchor_params,
        **kwargs,
    )


def assert_training_model(model):
    """Raise AssertionError unless `model` is a network."""
    if not is_network(model):
        raise AssertionError(
            f"a network has outputs regression and classification. Received: {output_names(model)}"
        )


def check_training_model(model):
    """Exit with code 1 and a message unless `model` is a network (1.0's name for scripts)."""
    try:
        assert_training_model(model)
    except AssertionError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
