"""Our layers' names in the words of torch: which module of a source each layer corresponds to.

Maps are {part: module}; a part is "layer", or "head/layer" within a head. What a module's tensors
are called and how they lie follows from the kind of layer (`published.TORCH_LAYOUTS`).
"""

import re

HEADS = {"classification": "classification_submodel", "regression": "regression_submodel"}
_BLOCK = re.compile(r"(res|bn)(\d)([a-z]\d*)_branch(1|2[abc])")
_BRANCHES = {"2a": "1", "2b": "2", "2c": "3"}


def block_number(name):
    """Return the place in its stage of block "a", "b", "c", … or "a", "b1", "b2", …."""
    return int(name[1:]) if len(name) > 1 else ord(name) - ord("a")


def resnet_names(layer_names, stem, stage, shortcut):
    """Return {our layer: module} of a ResNet.

    Args:
        layer_names: of our network.
        stem: {"conv1": module, "bn_conv1": module}.
        stage: f(number from 2, block, "conv" or "bn", number from 1) -> module.
        shortcut: the same without the last argument.
    """
    found = {name: module for name, module in stem.items() if name in layer_names}
    for name in layer_names:
        if match := _BLOCK.fullmatch(name):
            kind = "conv" if match[1] == "res" else "bn"
            place = int(match[2]), block_number(match[3]), kind
            branch = _BRANCHES.get(match[4])
            found[name] = stage(*place, branch) if branch else shortcut(*place)
    return found


def torch_resnet_names(layer_names, prefix=""):
    """Return {our layer: module} in the words of torchvision, timm and MMDetection."""
    downsample = {"conv": "downsample.0", "bn": "downsample.1"}
    return resnet_names(
        layer_names,
        {"conv1": f"{prefix}conv1", "bn_conv1": f"{prefix}bn1"},
        lambda stage, block, kind, number: f"{prefix}layer{stage - 1}.{block}.{kind}{number}",
        lambda stage, block, kind: f"{prefix}layer{stage - 1}.{block}.{downsample[kind]}",
    )


def head_names(kind, hidden, norm, last, depth):
    """Return {part: module} of a head.

    Args:
        kind: a key of `HEADS`.
        hidden: f(place) -> module of a hidden convolution.
        norm: f(place) -> module of the norm behind it; None where there is none.
        last: module of the last convolution.
        depth: number of hidden layers.
    """
    head, prefix = HEADS[kind], f"pyramid_{kind}"
    found = {f"{head}/{prefix}_{place}": hidden(place) for place in range(depth)}
    if norm:
        found |= {f"{head}/{prefix}_{place}_norm": norm(place) for place in range(depth)}
    return found | {f"{head}/{prefix}": last}
