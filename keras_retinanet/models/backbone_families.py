"""The table of backbones: how each is built, how its input is scaled, where its weights are.

A new backbone is a new row. Names are keras-retinanet 1.0's, and for others those of
keras.applications, torchvision or timm.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

from keras_retinanet.models import imagenet_files as files
from keras_retinanet.models.applications import build_application, build_tapped, taps_of
from keras_retinanet.utils.normalisation import PREPROCESSINGS, Preprocessing

MOBILENET_TAPS = ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu")
MOBILENET_V2_TAPS = ("block_6_expand_relu", "block_13_expand_relu", "out_relu")
VGG_TAPS = ("block3_pool", "block4_pool", "block5_pool")
DENSENET_BLOCKS = {
    "densenet121": (6, 12, 24, 16),
    "densenet169": (6, 12, 32, 32),
    "densenet201": (6, 12, 48, 32),
}
CAFFE, TF, TORCH, LEVELS = (PREPROCESSINGS[mode] for mode in ("caffe", "tf", "torch", "levels"))
# EfficientNetV2-S, M and L divide by 128, not 127.5
TF_128 = Preprocessing("bgr", 1 / 128, (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Family:
    """A row of `FAMILIES`.

    Attributes:
        pattern: regular expression of the names; its groups describe the member.
        examples: names for messages.
        build: f(inputs, match, **options) -> (model that weight files fit, {"C3": tensor, …}).
        preprocessing: `Preprocessing` that the ImageNet weights were trained with, blue first.
        weights_url: f(match) -> address of the ImageNet weights without top.
        weights_order: of the channels that weight files of the backbone alone were trained on,
            "rgb" or "bgr".
        renamed: f(layers of a weight file, name of the backbone) -> the same by our names, or
            None where there is nothing to do, for files that number their layers.
    """

    pattern: str
    examples: tuple
    build: Callable
    preprocessing: Preprocessing
    weights_url: Callable
    weights_order: str = "rgb"
    renamed: Callable = field(default=lambda stored, name: None)


def _build_resnet(inputs, match, **options):
    build = import_module("keras_retinanet.models.resnet").build_resnet
    model = build(inputs, match[1], **options)
    return model, dict(zip(("C2", "C3", "C4", "C5"), model.outputs, strict=True))


def _build_senet(inputs, match):
    model = import_module("keras_retinanet.models.senet").build_senet(inputs, match[1])
    return model, taps_of(model)


def _renamed_senet(stored, name):
    return import_module("keras_retinanet.models.senet_files").numbered_as_ours(stored, name)


def _build_vgg(inputs, match):
    return build_tapped(inputs, match[1].upper(), VGG_TAPS)


def _build_densenet(inputs, match):
    blocks = enumerate(DENSENET_BLOCKS[match[1]], start=2)
    taps = [f"conv{stage}_block{count}_concat" for stage, count in blocks]
    return build_tapped(inputs, "DenseNet" + match[1][-3:], taps)


def _build_mobilenet(inputs, match, constructor, taps):
    return build_tapped(inputs, constructor, taps, alpha=float(match["alpha"]))


def _build_mobilenet_v3(inputs, match):
    options = {"alpha": float(match["alpha"]), "include_preprocessing": False}
    return build_application(inputs, "MobileNetV3" + match["size"].title(), **options)


def _build_resnet_v2(inputs, match):
    return build_application(inputs, f"ResNet{match['depth']}V2")


def _build_efficientnet(inputs, match):
    return build_application(inputs, match[0])


def _build_efficientnet_v2(inputs, match):
    return build_application(inputs, match[0], include_preprocessing=False)


def _build_convnext(inputs, match):
    constructor = "ConvNeXt" + match["size"].title().replace("Xl", "XL")
    options = {"include_preprocessing": False, "name": match[0]}
    return build_application(inputs, constructor, **options)


def _one_of(names):
    return f"({'|'.join(names)})"


CAFFE_RESNETS = ("resnet50", "resnet101", "resnet152")
SENETS = ("seresnet50", "seresnet101", "seresnet152", "seresnext50", "seresnext101", "senet154")
FAMILIES = {
    "resnet": Family(
        _one_of(CAFFE_RESNETS), CAFFE_RESNETS, _build_resnet, CAFFE, files.caffe_resnet, "bgr"
    ),
    "torch_resnet": Family(
        _one_of(files.TORCH_RESNETS),
        tuple(files.TORCH_RESNETS),
        _build_resnet,
        TORCH,
        files.torch_resnet,
    ),
    "mobilenet": Family(
        r"mobilenet(?P<rows>128|160|192|224)_(?P<alpha>1(?:\.0)?|0?\.75|0?\.50?|0?\.25)",
        tuple(f"mobilenet{r}_{a}" for r in (128, 160, 192, 224) for a in (1.0, 0.75, 0.5, 0.25)),
        partial(_build_mobilenet, constructor="MobileNet", taps=MOBILENET_TAPS),
        TF,
        files.mobilenet,
    ),
    "mobilenetv2": Family(
        r"mobilenetv2_(?P<alpha>1\.4|1\.3|1(?:\.0)?|0?\.75|0?\.50?|0?\.35)",
        tuple(f"mobilenetv2_{a}" for a in (1.4, 1.3, 1.0, 0.75, 0.5, 0.35)),
        partial(_build_mobilenet, constructor="MobileNetV2", taps=MOBILENET_V2_TAPS),
        TF,
        files.mobilenet_v2,
    ),
    "mobilenetv3": Family(
        r"mobilenetv3_(?P<size>small|large)_(?P<alpha>1(?:\.0)?|0?\.75)",
        tuple(f"mobilenetv3_{size}_{a}" for size in ("small", "large") for a in (1.0, 0.75)),
        _build_mobilenet_v3,
        TF,
        files.mobilenet_v3,
    ),
    "vgg": Family(
        r"(vgg16|vgg19)", ("vgg16", "vgg19"), _build_vgg, CAFFE, files.vgg, weights_order="bgr"
    ),
    "densenet": Family(
        _one_of(DENSENET_BLOCKS), tuple(DENSENET_BLOCKS), _build_densenet, TORCH, files.densenet
    ),
    "resnetv2": Family(
        r"(resnet(?P<depth>50|101|152)v2)",
        ("resnet50v2", "resnet101v2", "resnet152v2"),
        _build_resnet_v2,
        TF,
        files.resnet_v2,
    ),
    "seresnet": Family(
        r"(seresnet18|seresnet34)",
        ("seresnet18", "seresnet34"),
        _build_senet,
        LEVELS,  # a norm before the first convolution scales them
        files.senet,
        renamed=_renamed_senet,
    ),
    "senet": Family(
        _one_of(SENETS), SENETS, _build_senet, TORCH, files.senet, renamed=_renamed_senet
    ),
    "efficientnet": Family(
        r"EfficientNet(?P<size>B[0-7])",
        tuple(f"EfficientNetB{number}" for number in range(8)),
        _build_efficientnet,
        TORCH,
        files.efficientnet,
    ),
    "efficientnetv2_b": Family(
        r"EfficientNetV2(?P<size>B[0-3])",
        tuple(f"EfficientNetV2B{number}" for number in range(4)),
        _build_efficientnet_v2,
        TORCH,
        files.efficientnet_v2,
    ),
    "efficientnetv2": Family(
        r"EfficientNetV2(?P<size>[SML])",
        tuple(f"EfficientNetV2{size}" for size in "SML"),
        _build_efficientnet_v2,
        TF_128,
        files.efficientnet_v2,
    ),
    "convnext": Family(
        r"convnext_(?P<size>tiny|small|base|large|xlarge)",
        tuple(f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")),
        _build_convnext,
        TORCH,
        files.convnext,
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
