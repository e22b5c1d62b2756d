"""ResNet (He et al. 2015, arXiv:1512.03385) and its relatives, one builder for all.

ResNeXt (Xie et al. 2017, arXiv:1611.05431), Wide ResNet (Zagoruyko and Komodakis 2016,
arXiv:1605.07146) and ResNet-D (He et al. 2019, arXiv:1812.01187, section 4) differ in blocks,
widths, stem and shortcut: a row of `RESNETS` each. Equal members of published families differ
in how they pad and stride: a `ResNetStyle`. Convolutions have no bias, and layers are named as
in keras-retinanet 1.0, so that its weights load by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras

from keras_retinanet.layers import GroupedConv2D
from keras_retinanet.models.backbones import Backbone, for_backbone

MOMENTUM = 0.9  # of He et al.'s training; frozen layers do not use it
EXPANSION = 4  # outputs of a bottleneck over those of its row's stages


@dataclass(frozen=True)
class ResNetStyle:
    """What sets the same network of two families apart; no weight's shape depends on it.

    Attributes:
        conv1_padding: of the first convolution: pixels on every side, or "same", Keras' rule
            (on even sides, less at the top and left).
        pool_padding: of the pooling behind it, likewise.
        stride_in: the convolution of a bottleneck that has the stride: "1x1", the first, as the
            Caffe models, or "3x3", as torch's. A strided 3x3 pads by 1 on every side.
        epsilon: of batch norm; torchvision's first detector has 0.
    """

    conv1_padding: int | str = 3
    pool_padding: int | str = "same"
    stride_in: str = "1x1"
    epsilon: float = 1e-5

    def __post_init__(self):
        for name in ("conv1_padding", "pool_padding"):
            value = getattr(self, name)
            if value != "same" and not (isinstance(value, int) and value >= 0):
                raise ValueError(f'{name} must be pixels or "same". Received: {value!r}')
        if self.stride_in not in ("1x1", "3x3"):
            raise ValueError(f'stride_in must be "1x1" or "3x3". Received: {self.stride_in!r}')


CAFFE = ResNetStyle()
TORCH = ResNetStyle(conv1_padding=3, pool_padding=1, stride_in="3x3")
TORCH_DEEP = replace(TORCH, conv1_padding=1)  # the first convolution is a 3x3


def conv(x, filters, size, name, stride=1, padding=None, groups=1):
    """Return a convolution without bias.

    Args:
        padding: pixels on every side, or "same"; by default half of the window.
    """
    padding = size // 2 if padding is None else padding
    if stride == 1 and padding == size // 2:
        padding = "same"  # without a layer that pads: equal
    if padding != "same" and padding > 0:
        x = keras.layers.ZeroPadding2D(padding, name=f"padding_{name}")(x)
    kind, options = (
        (keras.layers.Conv2D, {}) if groups == 1 else (GroupedConv2D, {"groups": groups})
    )
    mode = "same" if padding == "same" else "valid"
    return kind(filters, size, strides=stride, padding=mode, use_bias=False, name=name, **options)(
        x
    )


def norm(x, name, style):
    return keras.layers.BatchNormalization(epsilon=style.epsilon, momentum=MOMENTUM, name=name)(x)


def relu(x, name):
    return keras.layers.Activation("relu", name=name)(x)


# Stems: f(x, style) -> features at stride 2, before the pooling.


def _plain_stem(x, style):
    x = conv(x, 64, 7, "conv1", stride=2, padding=style.conv1_padding)
    return relu(norm(x, "bn_conv1", style), "conv1_relu")


def deep_stem(x, style):
    """Return three 3x3 in place of the 7x7 (ResNet-C of He et al. 2019)."""
    for index, filters in enumerate((32, 32, 64), start=1):
        first = {"stride": 2, "padding": style.conv1_padding} if index == 1 else {}
        x = conv(x, filters, 3, f"conv1_{index}", **first)
        x = relu(norm(x, f"bn_conv1_{index}", style), f"conv1_{index}_relu")
    return x


# Shortcuts: f(x, filters, block, stride, style) -> x in the shape of the block's output.


def _strided_shortcut(x, filters, block, stride, style):
    x = conv(x, filters, 1, f"res{block}_branch1", stride=stride)
    return norm(x, f"bn{block}_branch1", style)


def _pooled_shortcut(x, filters, block, stride, style):
    """Return the shortcut that sees every pixel: the mean of 2x2, then the 1x1 (ResNet-D)."""
    if stride > 1:
        # "same" averages what there is at an odd side's end
        pool = keras.layers.AveragePooling2D(
            stride, padding="same", name=f"res{block}_branch1_pool"
        )
        x = pool(x)
    return _strided_shortcut(x, filters, block, 1, style)


# Blocks: f(x, filters, block, stride, member, style) -> the sum's other half.


def _basic(x, filters, block, stride, member, style):
    for branch, step in (("2a", stride), ("2b", 1)):
        x = conv(x, filters, 3, f"res{block}_branch{branch}", stride=step)
        x = norm(x, f"bn{block}_branch{branch}", style)
        if branch != "2b":
            x = relu(x, f"res{block}_branch{branch}_relu")
    return x


def _bottleneck(x, filters, block, stride, member, style):
    """Return 1x1, 3x3, 1x1 of `EXPANSION` times the filters."""
    inner = filters * member.width // 64
    strides = {"1x1": (stride, 1, 1), "3x3": (1, stride, 1)}[style.stride_in]
    shapes = (
        ("2a", inner, 1, 1),
        ("2b", inner, 3, member.groups),
        ("2c", filters * EXPANSION, 1, 1),
    )
    for (branch, width, size, groups), step in zip(shapes, strides, strict=True):
        x = conv(x, width, size, f"res{block}_branch{branch}", stride=step, groups=groups)
        x = norm(x, f"bn{block}_branch{branch}", style)
        if branch != "2c":
            x = relu(x, f"res{block}_branch{branch}_relu")
    return x


@dataclass(frozen=True)
class Member:
    """A row of `RESNETS`.

    Attributes:
        blocks: of each stage.
        style: that its published weights were trained with.
        residual: what makes a block, `_basic` or `_bottleneck`.
        expansion: channels of a block's output over 64, 128, 256, 512.
        groups: of the 3x3 of a bottleneck.
        width: channels of the 3x3 of a bottleneck in the first stage.
        stem, shortcut: functions that make them.
    """

    blocks: tuple
    style: ResNetStyle = TORCH
    residual: Callable = _bottleneck
    expansion: int = EXPANSION
    groups: int = 1
    width: int = 64
    stem: Callable = _plain_stem
    shortcut: Callable = _strided_shortcut


def _basic_member(blocks, **options):
    return Member(blocks, residual=_basic, expansion=1, **options)


DEEP = {"style": TORCH_DEEP, "stem": deep_stem, "shortcut": _pooled_shortcut}
RESNETS = {
    "resnet18": _basic_member((2, 2, 2, 2)),
    "resnet34": _basic_member((3, 4, 6, 3)),
    "resnet50": Member((3, 4, 6, 3), CAFFE),
    "resnet101": Member((3, 4, 23, 3), CAFFE),
    "resnet152": Member((3, 8, 36, 3), CAFFE),
    "resnet18d": _basic_member((2, 2, 2, 2), **DEEP),
    "resnet34d": _basic_member((3, 4, 6, 3), **DEEP),
    "resnet50d": Member((3, 4, 6, 3), **DEEP),
    "resnet101d": Member((3, 4, 23, 3), **DEEP),
    "resnet152d": Member((3, 8, 36, 3), **DEEP),
    "resnext50_32x4d": Member((3, 4, 6, 3), groups=32, width=128),
    "resnext101_32x4d": Member((3, 4, 23, 3), groups=32, width=128),
    "resnext101_32x8d": Member((3, 4, 23, 3), groups=32, width=256),
    "resnext101_64x4d": Member((3, 4, 23, 3), groups=64, width=256),
    "wide_resnet50_2": Member((3, 4, 6, 3), width=128),
    "wide_resnet101_2": Member((3, 4, 23, 3), width=128),
}


def block_names(stages, stage):
    """Return a, b, c, …; in the long stages of the deep models a, b1, b2, …."""
    numbered = stages[2] > 6 and stage in (3, 4)
    rest = range(1, stages[stage - 2])
    return ["a"] + [f"b{index}" if numbered else chr(ord("a") + index) for index in rest]


def _stage(x, stage, member, style):
    filters = 2 ** (4 + stage)
    outputs = filters * member.expansion
    for index, name in enumerate(block_names(member.blocks, stage)):
        block, stride = f"{stage}{name}", 2 if index == 0 and stage > 2 else 1
        y = member.residual(x, filters, block, stride, member, style)
        if stride > 1 or x.shape[-1] != outputs:
            x = member.shortcut(x, outputs, block, stride, style)
        x = relu(keras.layers.Add(name=f"res{block}")([y, x]), f"res{block}_relu")
    return x


def build_resnet(inputs, name="resnet50", style=None, **switches):
    """Return a model of `inputs` -> [C2, C3, C4, C5], the last ReLU of each stage.

    Args:
        inputs: image tensor [B, H, W, channels].
        name: a key of `RESNETS`.
        style: a `ResNetStyle`; by default that of the row.
        switches: fields of it to change, such as conv1_padding="same", release 1.0.0's.
    """
    member = RESNETS[name]
    style = replace(style or member.style, **switches)
    x = member.stem(inputs, style)
    if style.pool_padding != "same" and style.pool_padding > 0:
        # zeros do as well as minus infinity: what is pooled is no less, after the ReLU
        x = keras.layers.ZeroPadding2D(style.pool_padding, name="padding_pool1")(x)
    mode = "same" if style.pool_padding == "same" else "valid"
    x = keras.layers.MaxPooling2D(3, strides=2, padding=mode, name="pool1")(x)
    outputs = []
    for stage in range(2, 6):
        x = _stage(x, stage, member, style)
        outputs.append(x)
    # `inputs` may be a padded canvas; a model that begins there would be a copy of these layers
    return keras.Model(keras.utils.get_source_inputs(inputs)[0], outputs, name=name)


class ResNetBackbone(Backbone):
    """ResNet and its relatives."""


def resnet_retinanet(num_classes, backbone="resnet50", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on ResNet; see `Backbone.retinanet`."""
    return ResNetBackbone(backbone).retinanet(
        num_classes, inputs=inputs, modifier=modifier, **kwargs
    )


resnet50_retinanet = for_backbone(resnet_retinanet, "resnet50")
resnet101_retinanet = for_backbone(resnet_retinanet, "resnet101")
resnet152_retinanet = for_backbone(resnet_retinanet, "resnet152")
