"""A backbone by its name: built, with its weights, under a pyramid and heads.

`models.backbone_families` has the table.
"""

from dataclasses import replace
from functools import partial

import keras

from keras_retinanet import layers, losses
from keras_retinanet.initializers import PriorProbability
from keras_retinanet.models import retinanet as network
from keras_retinanet.models.backbone_families import FAMILIES, find_family
from keras_retinanet.models.backbone_files import load_backbone_file, training_of
from keras_retinanet.models.channel_order import reverse_input_channels
from keras_retinanet.models.download import fetch
from keras_retinanet.models.heads import group_norm
from keras_retinanet.models.snapshot import attach_profile
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.utils.model import freeze_batch_norm
from keras_retinanet.utils.profile import Profile

__all__ = ["FAMILIES", "Backbone", "find_family", "for_backbone", "padded"]

# keras.applications' 0.99 and 0.999 need thousands of steps before inference is right
TRAINED_BATCH_NORM_MOMENTUM = 0.9


def padded(inputs, profile):
    """Return `inputs` padded as the profile has it."""
    if profile.pad_multiple == 1:
        return inputs
    return layers.PadToMultiple(profile.pad_multiple, name=network.CANVAS)(inputs)


def _pyramid(profile):
    return partial(
        network.create_pyramid_features,
        feature_size=profile.pyramid_features,
        p6_from=profile.p6_from,
        p6_padding=profile.p6_padding,
        p7_relu=profile.p7_relu,
    )


def _submodels(profile, num_anchors, prior_probability):
    norm = None
    if profile.head_norm == "group":
        norm = group_norm(profile.head_norm_groups, profile.head_norm_epsilon)
    return network.default_submodels(
        profile.num_classes,
        num_anchors,
        profile.pyramid_features,
        profile.head_features,
        profile.head_layers,
        prior_probability,
        norm,
    )


def for_backbone(build, backbone):
    """Return build(…) for one backbone, under the name that keras-retinanet 1.0 gave it.

    Args:
        build: f(num_classes, backbone, inputs=None, **kwargs) -> a network.
        backbone: its name.
    """

    def made(num_classes, inputs=None, **kwargs):
        return build(num_classes, backbone, inputs=inputs, **kwargs)

    made.__name__ = made.__qualname__ = f"{backbone}_retinanet"
    made.__module__ = build.__module__
    made.__doc__ = f"Return a RetinaNet on {backbone}; see `Backbone.retinanet`."
    return made


class Backbone:
    """A backbone by its name.

    Attributes:
        backbone: the name.
        custom_objects: what Keras needs to load 1.0's models.
    """

    def __init__(self, backbone):
        self.backbone = backbone
        self.custom_objects = {
            "UpsampleLike": layers.UpsampleLike,
            "PriorProbability": PriorProbability,
            "RegressBoxes": layers.RegressBoxes,
            "FilterDetections": layers.FilterDetections,
            "Anchors": layers.Anchors,
            "ClipBoxes": layers.ClipBoxes,
            "_smooth_l1": losses.smooth_l1(),
            "_focal": losses.focal(),
        }
        self.family, self.match = find_family(backbone)

    def validate(self):
        """Raise ValueError unless the name is known."""
        find_family(self.backbone)

    def build(self, inputs, **options):
        """Return the model that weight files fit, and {"C3": tensor, "C4": …, "C5": …}."""
        return self.family.build(inputs, self.match, **options)

    def training(self, weights=None):
        """Return how a weight file of this backbone was trained: a `backbone_files.Training`."""
        return training_of(weights, self.family)

    def retinanet(
        self,
        num_classes,
        inputs=None,
        modifier=None,
        backbone_weights=None,
        anchor_params=None,
        pyramid_levels=None,
        pyramid_features=None,
        head_features=None,
        head_layers=None,
        prior_probability=network.PRIOR,
        num_anchors=None,
        submodels=None,
        backbone=None,
        backbone_options=None,
        profile=None,
        **kwargs,
    ):
        """Return a network on this backbone, with its profile.

        Args:
            num_classes: K.
            inputs: input tensor; float [B, H, W, 3] by default.
            modifier: f(backbone model) -> the same model, for example frozen.
            backbone_weights: weight file of the backbone alone. With one, batch norm is frozen
                at its statistics, as in 1.0; without, it trains. A file of torch decides, too,
                how a ResNet strides and pads and how pictures are scaled, where no argument
                does. Weights that saw red first are turned round for blue-first pictures.
            anchor_params, pyramid_levels: the grid.
            pyramid_features, head_features, head_layers: width and depth of pyramid and heads.
            prior_probability: first score of every anchor; 0.5 gives a bias of 0.
            num_anchors, submodels, **kwargs: see `models.retinanet.retinanet`.
            backbone: another name, as 1.0 took it here.
            backbone_options: options of the builder, such as ResNet's conv1_padding.
            profile: a row of `utils.families.FAMILIES` or a profile like it, whose switches the
                network gets where no other argument says otherwise; 1.0's for None, but for the
                preprocessing, which is then this backbone's.
        """
        if backbone not in (None, self.backbone):
            self = type(self)(backbone)
        training = self.training(backbone_weights)
        profile = profile or Profile(
            preprocessing=training.preprocessing, backbone_options=training.options
        )
        given = {
            "anchors": anchor_params,
            "levels": None if pyramid_levels is None else tuple(pyramid_levels),
            "pyramid_features": pyramid_features,
            "head_features": head_features,
            "head_layers": head_layers,
            "backbone_options": backbone_options and {**training.options, **backbone_options},
        }
        profile = replace(
            profile,
            backbone=self.backbone,
            classes=("",) * num_classes,
            **{name: value for name, value in given.items() if value is not None},
        )
        if inputs is None:
            inputs = keras.Input((None, None, profile.preprocessing.channels))
        model, taps = self.build(padded(inputs, profile), **profile.backbone_options)
        network.check_levels(profile.levels, has_c2="C2" in taps)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = TRAINED_BATCH_NORM_MOMENTUM
        if backbone_weights:
            load_backbone_file(model, backbone_weights, self.backbone)
            if training.order != profile.preprocessing.order:
                reverse_input_channels(model)
            freeze_batch_norm(model)
        if modifier:
            modifier(model)
        num_anchors = num_anchors or profile.anchors.num_anchors()
        submodels = submodels or _submodels(profile, num_anchors, prior_probability)
        kwargs.setdefault("create_pyramid_features", _pyramid(profile))
        made = network.retinanet(
            inputs, taps, num_classes, pyramid_levels=profile.levels, submodels=submodels, **kwargs
        )
        return attach_profile(made, profile)

    def download_imagenet(self):
        """Return the path of the ImageNet weights, fetched to Keras' cache if need be."""
        return fetch(self.family.weights_url(self.match))

    def preprocess_image(self, inputs):
        """Return `inputs` as this backbone wants them: float32."""
        return preprocess_image(inputs, mode=self.family.preprocessing)
