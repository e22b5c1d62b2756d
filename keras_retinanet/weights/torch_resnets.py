"""Which ResNet a file of torch holds, by the shapes of its tensors."""

import re

from keras_retinanet.models.weight_files import WeightsError

# (bottlenecks, blocks of each stage): name
DEPTHS = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
# (name, groups, width of the first 3x3): of grouped and of wide 3x3 convolutions
GROUPED = {
    ("resnet50", 32, 128): "resnext50_32x4d",
    ("resnet101", 32, 128): "resnext101_32x4d",
    ("resnet101", 32, 256): "resnext101_32x8d",
    ("resnet101", 64, 256): "resnext101_64x4d",
    ("resnet50", 1, 128): "wide_resnet50_2",
    ("resnet101", 1, 128): "wide_resnet101_2",
}


def _stages(tensors, stem, stage):
    """Return how many blocks each of the four stages has."""
    pattern = re.compile(re.escape(stem) + stage + r"\.(\d+)\.conv1\.weight")
    blocks = {}
    for name in tensors:
        if match := pattern.fullmatch(name):
            blocks.setdefault(int(match[1]), set()).add(int(match[2]))
    return tuple(len(blocks[number]) for number in sorted(blocks))


def resnet_of(path, tensors, stem, stage=r"layer(\d)", first="layer1"):
    """Return the name of the ResNet whose tensors' names begin with `stem`.

    Args:
        path: for messages.
        tensors: {name: array}.
        stem: prefix of the backbone's names.
        stage: regular expression of a stage's name, its number a group.
        first: name of the first stage.

    Raises:
        WeightsError: it is none that is known here.
    """
    blocks = _stages(tensors, stem, stage)
    bottleneck = f"{stem}{first}.0.conv3.weight" in tensors
    name = DEPTHS.get((bottleneck, blocks))
    kernel = tensors.get(f"{stem}{first}.0.conv2.weight")
    if name is None or kernel is None or kernel.ndim != 4:
        kind = "bottlenecks" if bottleneck else "blocks"
        raise WeightsError(
            f"{path}: its backbone has stages of {list(blocks)} {kind}; known here are "
            f"{', '.join(DEPTHS.values())} and their grouped kin."
        )
    if not bottleneck:
        return name
    width, per_group = kernel.shape[:2]
    groups = width // max(1, per_group)
    if (groups, width) == (1, 64):
        return name
    if (name, groups, width) not in GROUPED:
        raise WeightsError(
            f"{path}: a {name} whose 3x3 convolutions are {width} wide in {groups} groups is not "
            f"known here; there are {', '.join(GROUPED.values())}."
        )
    return GROUPED[name, groups, width]
