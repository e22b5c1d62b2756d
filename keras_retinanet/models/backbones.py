"""The table of backbones: how each is built, where it is tapped, how its input is scaled.

A new backbone is a new row. Names are keras-retinanet 1.0's, and for others those of
keras.applications, torchvision or timm.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module

import keras

from keras_retinanet import layers, losses
from keras_retinanet.initializers import PriorProbability
from keras_retinanet.models import retinanet as network
from keras_retinanet.models.by_name import load_backbone_file
from keras_retinanet.models.download import fetch
from keras_retinanet.models.heads import group_norm
from keras_retinanet.models.snapshot import attach_profile
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.utils.model import freeze_batch_norm
from keras_retinanet.utils.profile import Profile

APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications"
TORCHVISION = "https://download.pytorch.org/models"
TIMM = "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights"
GLUON = "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1"
CAFFE_RESNETS = "https://github.com/fizyr/keras-models/releases/download/v0.0.1"
# keras.applications' 0.99 and 0.999 need thousands of steps before inference is right
TRAINED_BATCH_NORM_MOMENTUM = 0.9
MOBILENET_TAPS = ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu")
MOBILENET_V2_TAPS = ("block_6_expand_relu", "block_13_expand_relu", "out_relu")
VGG_TAPS = ("block3_pool", "block4_pool", "block5_pool")
DENSENET_BLOCKS = {
    "densenet121": (6, 12, 24, 16),
    "densenet169": (6, 12, 32, 32),
    "densenet201": (6, 12, 48, 32),
}
# name: file of ImageNet weights
TORCH_RESNETS = {
    "resnet18": f"{TORCHVISION}/resnet18-f37072fd.pth",
    "resnet34": f"{TORCHVISION}/resnet34-b627a593.pth",
    "resnext50_32x4d": f"{TORCHVISION}/resnext50_32x4d-7cdf4587.pth",
    "resnext101_32x4d": f"{GLUON}/gluon_resnext101_32x4d-b253c8c4.pth",
    "resnext101_32x8d": f"{TORCHVISION}/resnext101_32x8d-8ba56ff5.pth",
    "resnext101_64x4d": f"{TORCHVISION}/resnext101_64x4d-173b62eb.pth",
    "wide_resnet50_2": f"{TORCHVISION}/wide_resnet50_2-95faca4d.pth",
    "wide_resnet101_2": f"{TORCHVISION}/wide_resnet101_2-32ee1156.pth",
    "resnet18d": f"{TIMM}/resnet18d_ra2-48a79e06.pth",
    "resnet34d": f"{TIMM}/resnet34d_ra2-f8dcfcaf.pth",
    "resnet50d": f"{TIMM}/resnet50d_ra2-464e36ba.pth",
    "resnet101d": f"{TIMM}/resnet101d_ra2-2803ffab.pth",
    "resnet152d": f"{TIMM}/resnet152d_ra2-5cac0439.pth",
}


@dataclass(frozen=True)
class Family:
    """A row of `FAMILIES`.

    Attributes:
        pattern: regular expression of the names; its groups describe the member.
        examples: names for messages.
        build: f(inputs, match) -> (model that weight files fit, {"C3": tensor, …}).
        preprocessing: mode of `utils.image.preprocess_image`.
        weights_url: f(match) -> address of the ImageNet weights without top.
    """

    pattern: str
    examples: tuple
    build: Callable
    preprocessing: str
    weights_url: Callable


def _build_resnet(inputs, match, **options):
    build = import_module("keras_retinanet.models.resnet").build_resnet
    model = build(inputs, match[1], **options)
    return model, dict(zip(("C2", "C3", "C4", "C5"), model.outputs, strict=True))


def _build_application(inputs, match, constructor, taps, **options):
    """Return a keras.applications model and its tensors at `taps` (C3, C4, C5 last)."""
    model = getattr(keras.applications, constructor)(
        input_tensor=inputs, include_top=False, weights=None, **options
    )
    names = ("C2", "C3", "C4", "C5")[-len(taps) :]
    return model, {name: model.get_layer(tap).output for name, tap in zip(names, taps, strict=True)}


def _build_vgg(inputs, match):
    return _build_application(inputs, match, match[1].upper(), VGG_TAPS)


def _build_densenet(inputs, match):
    blocks = enumerate(DENSENET_BLOCKS[match[1]], start=2)
    taps = [f"conv{stage}_block{count}_concat" for stage, count in blocks]
    return _build_application(inputs, match, "DenseNet" + match[1][-3:], taps)


def _build_mobilenet(inputs, match, constructor, taps):
    return _build_application(inputs, match, constructor, taps, alpha=float(match["alpha"]))


def _resnet_url(match):
    return f"{CAFFE_RESNETS}/ResNet-{match[1].removeprefix('resnet')}-model.keras.h5"


def _torch_resnet_url(match):
    return TORCH_RESNETS[match[1]]


def _vgg_url(match):
    return f"{APPLICATIONS}/{match[1]}/{match[1]}_weights_tf_dim_ordering_tf_kernels_notop.h5"


def _densenet_url(match):
    return f"{APPLICATIONS}/densenet/{match[1]}_weights_tf_dim_ordering_tf_kernels_notop.h5"


def _mobilenet_url(match):
    alpha = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}[float(match["alpha"])]
    return f"{APPLICATIONS}/mobilenet/mobilenet_{alpha}_{match['rows']}_tf_no_top.h5"


def _mobilenet_v2_url(match):
    alpha = float(match["alpha"])
    stem = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
    return f"{APPLICATIONS}/mobilenet_v2/{stem}_{alpha}_224_no_top.h5"


FAMILIES = {
    "resnet": Family(
        r"(resnet50|resnet101|resnet152)",
        ("resnet50", "resnet101", "resnet152"),
        _build_resnet,
        "caffe",
        _resnet_url,
    ),
    "torch_resnet": Family(
        f"({'|'.join(TORCH_RESNETS)})",
        tuple(TORCH_RESNETS),
        _build_resnet,
        "torch",
        _torch_resnet_url,
    ),
    "mobilenet": Family(
        r"mobilenet(?P<rows>128|160|192|224)_(?P<alpha>1(?:\.0)?|0?\.75|0?\.50?|0?\.25)",
        tuple(f"mobilenet{r}_{a}" for r in (128, 160, 192, 224) for a in (1.0, 0.75, 0.5, 0.25)),
        partial(_build_mobilenet, constructor="MobileNet", taps=MOBILENET_TAPS),
        "tf",
        _mobilenet_url,
    ),
    "mobilenetv2": Family(
        r"mobilenetv2_(?P<alpha>1\.4|1\.3|1(?:\.0)?|0?\.75|0?\.50?|0?\.35)",
        tuple(f"mobilenetv2_{a}" for a in (1.4, 1.3, 1.0, 0.75, 0.5, 0.35)),
        partial(_build_mobilenet, constructor="MobileNetV2", taps=MOBILENET_V2_TAPS),
        "tf",
        _mobilenet_v2_url,
    ),
    "vgg": Family(r"(vgg16|vgg19)", ("vgg16", "vgg19"), _build_vgg, "caffe", _vgg_url),
    "densenet": Family(
        r"(densenet121|densenet169|densenet201)",
        tuple(DENSENET_BLOCKS),
        _build_densenet,
        "torch",
        _densenet_url,
    ),
}


def find_family(name):
    """Return the row of `name` and the match of its pattern.

    Raises:
        ValueError: no backbone has that name; the message has the nearest ones.
    """
    for family in FAMILIES.values():
        if match := re.fullmatch(family.pattern, name):
            return family, match
    names = [example for family in FAMILIES.values() for example in family.examples]
    begun = [known for known in names if name and known.lower().startswith(name.lower())]
    near = begun[:3] or difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(names)}."
    raise ValueError(f"unknown backbone {name!r}. {hint}")


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
                at its statistics, as in 1.0; without, it trains.
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
        profile = profile or Profile(preprocessing=self.family.preprocessing)
        given = {
            "anchors": anchor_params,
            "levels": None if pyramid_levels is None else tuple(pyramid_levels),
            "pyramid_features": pyramid_features,
            "head_features": head_features,
            "head_layers": head_layers,
            "backbone_options": backbone_options,
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
