"""ResNet in the layout of the original Caffe models (He et al. 2015, arXiv:1512.03385).

The stride stands on the first 1x1 convolution of a stage's first block, convolutions have no
bias, and layers are named as in keras-retinanet 1.0, so that its weights load by name. conv1
pads by 3 on every side, as the published COCO weights were trained; `conv1_padding="same"` is
what release 1.0.0 itself used.
"""

import keras

from keras_retinanet.models.backbones import Backbone

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
EPSILON = 1e-5
MOMENTUM = 0.9  # of He et al.'s training; frozen layers do not use it


def _conv(filters, size, name, **options):
    return keras.layers.Conv2D(filters, size, use_bias=False, name=name, **options)


def _norm(name):
    return keras.layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name=name)


def _relu(name):
    return keras.layers.Activation("relu", name=name)


def _block_names(depth_of_model, stage, blocks):
    """Return a, b, c, …; in the long stages of the deep models a, b1, b2, …."""
    numbered = depth_of_model != "resnet50" and stage in (3, 4)
    return ["a"] + [f"b{i}" if numbered else chr(ord("a") + i) for i in range(1, blocks)]


def _bottleneck(x, filters, block, stride, project):
    """Return one residual block: 1x1 with the stride, 3x3, 1x1 of four times the filters."""
    y = x
    for branch, size in (("2a", 1), ("2b", 3), ("2c", 1)):
        width = 4 * filters if branch == "2c" else filters
        options = {"strides": stride} if branch == "2a" else {}
        padding = "same" if size == 3 else "valid"
        y = _conv(width, size, f"res{block}_branch{branch}", padding=padding, **options)(y)
        y = _norm(f"bn{block}_branch{branch}")(y)
        if branch != "2c":
            y = _relu(f"res{block}_branch{branch}_relu")(y)
    if project:
        x = _conv(4 * filters, 1, f"res{block}_branch1", strides=stride)(x)
        x = _norm(f"bn{block}_branch1")(x)
    y = keras.layers.Add(name=f"res{block}")([y, x])
    return _relu(f"res{block}_relu")(y)


def build_resnet(inputs, name="resnet50", conv1_padding=3):
    """Return a model of `inputs` -> [C2, C3, C4, C5], the last ReLU of each stage.

    Args:
        inputs: image tensor [B, H, W, channels].
        name: resnet50, resnet101 or resnet152.
        conv1_padding: 3, or "same".
    """
    x = inputs
    if conv1_padding != "same":
        x = keras.layers.ZeroPadding2D(conv1_padding, name="padding_conv1")(x)
    padding = "same" if conv1_padding == "same" else "valid"
    x = _conv(64, 7, "conv1", strides=2, padding=padding)(x)
    x = _relu("conv1_relu")(_norm("bn_conv1")(x))
    x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    outputs = []
    for stage, blocks in enumerate(BLOCKS[name], start=2):
        for index, block in enumerate(_block_names(name, stage, blocks)):
            stride = 2 if index == 0 and stage > 2 else 1
            x = _bottleneck(x, 2 ** (4 + stage), f"{stage}{block}", stride, project=index == 0)
        outputs.append(x)
    return keras.Model(inputs, outputs, name=name)


class ResNetBackbone(Backbone):
    """ResNet50, 101 and 152."""


def resnet_retinanet(num_classes, backbone="resnet50", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on ResNet; see `Backbone.retinanet`."""
    return ResNetBackbone(backbone).retinanet(
        num_classes, inputs=inputs, modifier=modifier, **kwargs
    )


def resnet50_retinanet(num_classes, inputs=None, **kwargs):
    """Return a RetinaNet on ResNet50."""
    return resnet_retinanet(num_classes, "resnet50", inputs=inputs, **kwargs)


def resnet101_retinanet(num_classes, inputs=None, **kwargs):
    """Return a RetinaNet on ResNet101."""
    return resnet_retinanet(num_classes, "resnet101", inputs=inputs, **kwargs)


def resnet152_retinanet(num_classes, inputs=None, **kwargs):
    """Return a RetinaNet on ResNet152."""
    return resnet_retinanet(num_classes, "resnet152", inputs=inputs, **kwargs)
