"""ImageNet backbones of torchvision and timm: the names of ResNet and its relatives.

A file has `conv1.weight`, `bn1.running_mean`, `layer1.0.conv1.weight`,
`layer1.0.downsample.0.weight` and so on. It is loaded whole or not at all.
"""

from keras_retinanet.models.resnet import RESNETS, block_names, deep_stem
from keras_retinanet.models.weight_files import WeightsError

# in Keras' order of a layer's weights
NORM = ("weight", "bias", "running_mean", "running_var")
COUNTER = ".num_batches_tracked"  # that nothing here reads
SHOWN = 3  # faults in a message
DEEP_STEM = {
    "conv1.0": "conv1_1",
    "conv1.1": "bn_conv1_1",
    "conv1.3": "conv1_2",
    "conv1.4": "bn_conv1_2",
    "conv1.6": "conv1_3",
    "bn1": "bn_conv1_3",
}
PLAIN_STEM = {"conv1": "conv1", "bn1": "bn_conv1"}


def _block_layers(prefix, block, deep):
    """Return {module of a residual block: our layer}, those that no block has included."""
    found = {}
    for index, part in enumerate("abc", start=1):
        found[f"{prefix}.conv{index}"] = f"res{block}_branch2{part}"
        found[f"{prefix}.bn{index}"] = f"bn{block}_branch2{part}"
    first = 1 if deep else 0  # behind the pooling of ResNet-D
    found[f"{prefix}.downsample.{first}"] = f"res{block}_branch1"
    found[f"{prefix}.downsample.{first + 1}"] = f"bn{block}_branch1"
    return found


def module_names(name):
    """Return {module of torchvision or timm: our layer} of a key of `models.resnet.RESNETS`."""
    member = RESNETS[name]
    deep = member.stem is deep_stem
    found = dict(DEEP_STEM if deep else PLAIN_STEM)
    for stage in range(2, 6):
        for index, block in enumerate(block_names(member.blocks, stage)):
            found |= _block_layers(f"layer{stage - 1}.{index}", f"{stage}{block}", deep)
    return found


def _wanted(model):
    """Return {tensor's name: variable} of all weights of a ResNet of ours."""
    found = {}
    layers = {layer.name: layer for layer in model.layers}
    for module, layer in module_names(model.name).items():
        variables = layers[layer].weights if layer in layers else ()
        for part, variable in zip(NORM, variables, strict=False):
            found[f"{module}.{part}"] = variable
    return found


def _as_ours(array):
    """Return a kernel [out, in, h, w] as [h, w, in, out], others as they are."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _as_theirs(shape):
    return [shape[3], shape[2], shape[0], shape[1]] if len(shape) == 4 else list(shape)


def _faults(tensors, wanted):
    """Yield what does not fit, as text."""
    for name, variable in wanted.items():
        expected = _as_theirs(variable.shape)
        if name not in tensors:
            yield f"{name} {expected} is missing"
        elif list(tensors[name].shape) != expected:
            yield f"{name}: expected {expected}, found {list(tensors[name].shape)}"
    for name in tensors:
        if name not in wanted and not name.startswith("fc.") and not name.endswith(COUNTER):
            yield f"{name} {list(tensors[name].shape)} is of no layer"


def match_torch_backbone(path, tensors, model):
    """Return [(variable, array), …] of all weights of `model`, setting none.

    Args:
        path: of the file, for messages.
        tensors: {name: array} as torchvision or timm name them.
        model: what `models.resnet.build_resnet` gave.

    Raises:
        WeightsError: a tensor is missing, of another shape, or of no layer.
    """
    wanted = _wanted(model)
    if faults := list(_faults(tensors, wanted)):
        more = f"; {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise WeightsError(
            f"{path}: does not fit {model.name}: {'; '.join(faults[:SHOWN])}{more}. Name the "
            "--backbone that the file is of."
        )
    return [(variable, _as_ours(tensors[name])) for name, variable in wanted.items()]
