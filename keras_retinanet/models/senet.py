"""Squeeze-and-excitation networks (Hu et al. 2017, arXiv:1709.01507), as keras-retinanet 1.0 took
them from the library image-classifiers.

SE-ResNet-18 and 34 are ResNets with norm and activation first (He et al. 2016, arXiv:1603.05027);
the deeper ones are named as our ResNets. Files of that library name most layers by number.
"""

import re
from dataclasses import dataclass

import keras

from keras_retinanet.models.backbones import Backbone, for_backbone
from keras_retinanet.models.resnet import ResNetStyle, conv, norm, relu

REDUCTION = 16  # of channels between squeeze and excitation (section 3)
PREACTIVATED = {"seresnet18": (2, 2, 2, 2), "seresnet34": (3, 4, 6, 3)}
STYLE = ResNetStyle(epsilon=1e-5)
PREACTIVATED_STYLE = ResNetStyle(epsilon=2e-5)


@dataclass(frozen=True)
class SeMember:
    """A row of `SENETS`.

    Attributes:
        blocks: of each stage.
        shares: channels of the 1x1 and the 3x3 of a block as divisors of its outputs.
        groups: of the 3x3.
        strided: which of the two has the stride, 0 or 1.
        stem: (channels, window) of each convolution before the pooling.
        shortcut: window of the strided shortcuts.
    """

    blocks: tuple
    shares: tuple = (4, 4)
    groups: int = 1
    strided: int = 0
    stem: tuple = ((64, 7),)
    shortcut: int = 1


SENETS = {
    "seresnet50": SeMember((3, 4, 6, 3)),
    "seresnet101": SeMember((3, 4, 23, 3)),
    "seresnet152": SeMember((3, 8, 36, 3)),
    "seresnext50": SeMember((3, 4, 6, 3), (2, 2), 32, 1),
    "seresnext101": SeMember((3, 4, 23, 3), (2, 2), 32, 1),
    "senet154": SeMember((3, 8, 36, 3), (2, 1), 64, 1, ((64, 3), (64, 3), (128, 3)), 3),
}


def _excited(x, name):
    """Return `x` times a factor for each channel, worked out from the channels' means."""
    channels = x.shape[-1]
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    for part, width, activation in (
        ("reduce", channels // REDUCTION, "relu"),
        ("expand", channels, "sigmoid"),
    ):
        y = keras.layers.Conv2D(width, 1, activation=activation, name=f"{name}_{part}")(y)
    return keras.layers.Multiply(name=f"{name}_excite")([x, y])


def _pooled(x):
    x = keras.layers.ZeroPadding2D(1, name="padding_pool1")(x)
    return keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)


def _block(x, outputs, block, stride, member):
    strides = [1, 1]
    strides[member.strided] = stride
    widths = [outputs // share for share in member.shares] + [outputs]
    y, rows = x, ((1, strides[0], 1), (3, strides[1], member.groups), (1, 1, 1))
    for part, width, (size, step, groups) in zip("abc", widths, rows, strict=True):
        y = conv(y, width, size, f"res{block}_branch2{part}", stride=step, groups=groups)
        y = norm(y, f"bn{block}_branch2{part}", STYLE)
        if part != "c":
            y = relu(y, f"res{block}_branch2{part}_relu")
    if stride > 1 or x.shape[-1] != outputs:
        size = member.shortcut if stride > 1 else 1
        x = norm(
            conv(x, outputs, size, f"res{block}_branch1", stride=stride),
            f"bn{block}_branch1",
            STYLE,
        )
    y = keras.layers.Add(name=f"res{block}")([_excited(y, f"res{block}_se"), x])
    return relu(y, f"res{block}_relu")


def block_names(blocks):
    """Yield (name, stage, stride) of every block: 2a, 2b1, 2b2, 3a, …."""
    for stage, count in enumerate(blocks, start=2):
        for index in range(count):
            name = f"{stage}a" if index == 0 else f"{stage}b{index}"
            yield name, stage, 2 if index == 0 and stage > 2 else 1


def _build_bottlenecks(inputs, name):
    member, x = SENETS[name], inputs
    for index, (width, size) in enumerate(member.stem, start=1):
        x = conv(x, width, size, f"conv{index}", stride=2 if index == 1 else 1)
        x = relu(norm(x, f"bn_conv{index}", STYLE), f"conv{index}_relu")
    x = _pooled(x)
    for block, stage, stride in block_names(member.blocks):
        x = _block(x, 2 ** (6 + stage), block, stride, member)
    return x


def _normed(x, name):
    return relu(norm(x, name, PREACTIVATED_STYLE), re.sub("bn", "relu", name))


def _unit(x, filters, name, stride, first):
    """Return a residual unit of two 3x3, each behind its norm and activation."""
    y = _normed(x, f"{name}_bn1")
    shortcut = conv(y, filters, 1, f"{name}_sc", stride=stride) if first else x
    y = conv(y, filters, 3, f"{name}_conv1", stride=stride)
    y = conv(_normed(y, f"{name}_bn2"), filters, 3, f"{name}_conv2")
    return keras.layers.Add(name=f"{name}_add")([_excited(y, f"{name}_se"), shortcut])


def _build_preactivated(inputs, name):
    x = keras.layers.BatchNormalization(
        epsilon=PREACTIVATED_STYLE.epsilon, scale=False, name="bn_data"
    )(inputs)
    x = _normed(conv(x, 64, 7, "conv0", stride=2), "bn0")
    x = _pooled(x)
    for stage, count in enumerate(PREACTIVATED[name], start=1):
        for unit in range(1, count + 1):
            stride = 2 if unit == 1 and stage > 1 else 1
            x = _unit(x, 2 ** (5 + stage), f"stage{stage}_unit{unit}", stride, unit == 1)
    return _normed(x, "bn1")


def build_senet(inputs, name):
    """Return a model of `inputs` -> C5; the table taps it by its structure.

    Args:
        inputs: image tensor [B, H, W, channels].
        name: a key of `SENETS` or `PREACTIVATED`.
    """
    build = _build_preactivated if name in PREACTIVATED else _build_bottlenecks
    return keras.Model(keras.utils.get_source_inputs(inputs)[0], build(inputs, name), name=name)


class SeBackbone(Backbone):
    """SE-ResNet, SE-ResNeXt and SENet."""


def senet_retinanet(num_classes, backbone="seresnext50", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on an SE network; see `Backbone.retinanet`."""
    return SeBackbone(backbone).retinanet(num_classes, inputs=inputs, modifier=modifier, **kwargs)


seresnet18_retinanet = for_backbone(senet_retinanet, "seresnet18")
seresnet34_retinanet = for_backbone(senet_retinanet, "seresnet34")
seresnet50_retinanet = for_backbone(senet_retinanet, "seresnet50")
seresnet101_retinanet = for_backbone(senet_retinanet, "seresnet101")
seresnet152_retinanet = for_backbone(senet_retinanet, "seresnet152")
seresnext50_retinanet = for_backbone(senet_retinanet, "seresnext50")
seresnext101_retinanet = for_backbone(senet_retinanet, "seresnext101")
senet154_retinanet = for_backbone(senet_retinanet, "senet154")
