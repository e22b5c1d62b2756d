"""KerasHub's RetinaNets, run as installed, with the weights of torchvision's, by names."""

import importlib.util

import numpy as np
import pytest

from keras_retinanet.weights.coco_classes import OUTPUTS_BY_ID

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
BLOCKS = {
    "resnet18": ((2, 2, 2, 2), "basic_block"),
    "resnet50": ((3, 4, 6, 3), "bottleneck_block"),
}
FPN = {"lateral_conv_P": "inner_blocks", "output_conv_P": "layer_blocks"}
HEADS = {
    "box_head": ("head.regression_head", "bbox_reg"),
    "classification_head": ("head.classification_head", "cls_logits"),
}
PARTS = {
    "Conv2D": ("weight", "bias"),
    "GroupNormalization": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
}


def keras_hub_or_skip():
    """Return KerasHub's module of models; skip where it is not installed."""
    if importlib.util.find_spec("keras_hub") is None:
        pytest.skip("keras-hub is not installed: pip install --no-deps -r requirements-proof.txt")
    from keras_hub import models

    return models


def _converter(side):
    import keras_hub

    return keras_hub.layers.RetinaNetImageConverter(
        image_size=(side, side),
        scale=(1 / (255 * STD)).tolist(),
        offset=(-MEAN / STD).tolist(),
        crop_to_aspect_ratio=False,
        pad_to_aspect_ratio=True,
    )


def build(resnet, version, side=800, outputs=OUTPUTS_BY_ID):
    """Return KerasHub's detector.

    Args:
        resnet: key of `BLOCKS`.
        version: 1 or 2, of torchvision's RetinaNet.
        side: of the square that pictures are fitted into.
    """
    models = keras_hub_or_skip()
    blocks, kind = BLOCKS[resnet]
    encoder = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=list(blocks),
        stackwise_num_strides=[1, 2, 2, 2],
        block_type=kind,
    )
    backbone = models.RetinaNetBackbone(
        image_encoder=encoder,
        min_level=3,
        max_level=7,
        use_p5=version == 2,  # which makes P6 of C5, contrary to its documentation
    )
    return models.RetinaNetObjectDetector(
        backbone=backbone,
        num_classes=outputs,
        use_prediction_head_norm=version == 2,
        preprocessor=models.RetinaNetObjectDetectorPreprocessor(image_converter=_converter(side)),
    )


def _encoder_module(layer):
    """Return torchvision's name of a layer of the encoder."""
    words = layer.split("_")
    if words[0] == "conv1":
        return f"backbone.body.{'conv1' if words[1] == 'conv' else 'bn1'}"
    stage, block, number, kind = words
    place = f"backbone.body.layer{int(stage.removeprefix('stack')) + 1}"
    place += f".{block.removeprefix('block')}"
    if number == "0":
        return f"{place}.downsample.{0 if kind == 'conv' else 1}"
    return f"{place}.{kind}{number}"


def _fpn_module(layer):
    if layer.startswith("coarser_P"):
        return f"backbone.fpn.extra_blocks.p{layer[-1]}"
    return f"backbone.fpn.{FPN[layer[:-1]]}.{int(layer[-1]) - 3}.0"


def _head_module(head, layer):
    module, last = HEADS[head]
    if layer == "logits_layer":
        return f"{module}.{last}"
    kind = 0 if layer.startswith("conv2d") else 1
    return f"{module}.conv.{layer[-1]}.{kind}"


def _layers(detector):
    """Yield (layer, torchvision's name of it) for all layers with weights."""
    for layer in detector.backbone.get_layer("backbone").layers:
        if layer.weights:
            yield layer, _encoder_module(layer.name)
    for layer in _inner(detector.backbone.get_layer("fpn")):
        yield layer, _fpn_module(layer.name)
    for head in HEADS:
        for layer in _inner(detector.get_layer(head)):
            yield layer, _head_module(head, layer.name)


def _inner(layer):
    return [one for one in layer._flatten_layers(include_self=False) if one.weights]


def take_weights(detector, tensors):
    """Set a detector's weights to those of torchvision's network, all of them; return it."""
    tensors = {name: tensor.numpy() for name, tensor in tensors.items()}
    used = set()
    for layer, module in _layers(detector):
        for variable, part in zip(layer.weights, PARTS[type(layer).__name__], strict=False):
            array = tensors[f"{module}.{part}"]
            used.add(f"{module}.{part}")
            variable.assign(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)
    left = {name for name in tensors if not name.endswith("num_batches_tracked")} - used
    assert not left, left
    return detector
