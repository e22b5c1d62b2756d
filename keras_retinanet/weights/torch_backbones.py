"""ImageNet backbones of torchvision and timm: ResNet and its relatives, `.pth` or `.safetensors`.

A file has `conv1.weight`, `bn1.running_mean`, `layer1.0.conv1.weight`,
`layer1.0.downsample.0.weight` and so on. It is loaded whole or not at all, its classifier left out.
"""

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.layer_names import resnet_names, torch_resnet_names
from keras_retinanet.weights.published import MOST_FAULTS, match
from keras_retinanet.weights.tensor_files import is_tensor_file, read_tensors
from keras_retinanet.weights.torch_resnets import resnet_of

__all__ = ["is_tensor_file", "match_torch_backbone", "torch_backbone_names"]

CLASSIFIER = ("fc.",)
# of ResNet-D: activations stand between, and the last norm is outside
DEEP_STEM = {
    "conv1_1": "conv1.0",
    "bn_conv1_1": "conv1.1",
    "conv1_2": "conv1.3",
    "bn_conv1_2": "conv1.4",
    "conv1_3": "conv1.6",
    "bn_conv1_3": "bn1",
}
POOLED_SHORTCUT = {"conv": "downsample.1", "bn": "downsample.2"}


def torch_backbone_names(layer_names):
    """Return {our layer: module} of a ResNet in the words of torchvision and timm."""
    if "conv1_1" not in layer_names:
        return torch_resnet_names(layer_names)
    return resnet_names(
        layer_names,
        DEEP_STEM,
        lambda stage, block, kind, number: f"layer{stage - 1}.{block}.{kind}{number}",
        lambda stage, block, kind: f"layer{stage - 1}.{block}.{POOLED_SHORTCUT[kind]}",
    )


def _other(path, tensors, name):
    """Return which ResNet the file is of, as a sentence, where that is another one."""
    try:
        found = resnet_of(path, tensors, "")
    except WeightsError:
        return ""
    return "" if name.removesuffix("d") == found else f" It looks like {found}."


def match_torch_backbone(path, model, name):
    """Return [(variable, array), …] of all weights of a backbone, setting none.

    Args:
        path: of the file.
        model: what `Backbone.build` gave.
        name: of the backbone.

    Raises:
        WeightsError: the file cannot be read, or a tensor is missing, of another shape, no finite
            numbers, or of no layer.
    """
    tensors = read_tensors(path).tensors
    names = torch_backbone_names([layer.name for layer in model.layers])
    pairs, faults = match(model, names, tensors, CLASSIFIER)
    if faults:
        more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
        raise WeightsError(
            f"{path}: does not fit {name}: {'; '.join(faults[:MOST_FAULTS])}{more}."
            f"{_other(path, tensors, name)}"
        )
    return pairs
