"""torchvision's RetinaNets with random weights that look like trained ones, in its own files."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from keras_retinanet.weights.coco_classes import IDS, OUTPUTS_BY_ID
from tests.proof.torchvision_ops import torchvision_or_skip

CLASS_BIAS = -6.5  # mean logit, with CLASS_SPREAD: a share of 0.001 to 0.02 exceeds 0.05
CLASS_SPREAD = 1.6
BOX_SPREAD = 0.4  # of deltas: boxes of 0.4 to 2.5 times their anchors' sides
LONG = 4.2  # log of how wide the first anchor's boxes are: some beyond torchvision's limit, 4.135
NEVER = -100.0  # bias of outputs that no category of COCO has


@dataclass(frozen=True)
class Kind:
    """A RetinaNet that torchvision's builders make.

    Attributes:
        family: key of our `FAMILIES` that it is.
        resnet: name of torchvision's builder.
        frozen: whether batch norm is FrozenBatchNorm2d, as in published files of version 1.
        epsilon: of batch norm.
    """

    family: str
    resnet: str
    frozen: bool
    epsilon: float


KINDS = {
    "v1 resnet50": Kind("torchvision", "resnet50", True, 0.0),
    "v2 resnet50": Kind("torchvision_v2", "resnet50", False, 1e-5),
    "v1 resnet18": Kind("torchvision_trained", "resnet18", True, 1e-5),
    "v2 resnet18": Kind("torchvision_v2", "resnet18", False, 1e-5),
    "v2 resnext50": Kind("torchvision_v2", "resnext50_32x4d", False, 1e-5),
}


def _backbone(kind):
    import torchvision
    from torchvision.models.detection._utils import overwrite_eps
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    norm = torchvision.ops.FrozenBatchNorm2d if kind.frozen else None
    body = getattr(torchvision.models, kind.resnet)(weights=None, norm_layer=norm)
    p6_inputs = body.fc.in_features if kind.family == "torchvision_v2" else 256
    extra = LastLevelP6P7(p6_inputs, 256)
    network = _resnet_fpn_extractor(body, 5, returned_layers=[2, 3, 4], extra_blocks=extra)
    if kind.frozen:
        overwrite_eps(network, kind.epsilon)
    return network


def _head(kind, backbone):
    import torch
    from torchvision.models.detection import retinanet

    generator = retinanet._default_anchorgen()
    if kind.family != "torchvision_v2":
        return generator, None
    norm = partial(torch.nn.GroupNorm, 32)
    anchors = generator.num_anchors_per_location()[0]
    head = retinanet.RetinaNetHead(backbone.out_channels, anchors, OUTPUTS_BY_ID, norm_layer=norm)
    head.regression_head._loss_type = "giou"
    return generator, head


def build(kind, seed=0):
    """Return torchvision's network of a `Kind` with random weights, which does not resize."""
    torchvision_or_skip()
    import torch
    from torchvision.models.detection.retinanet import RetinaNet

    torch.manual_seed(seed)
    backbone = _backbone(kind)
    generator, head = _head(kind, backbone)
    network = RetinaNet(backbone, OUTPUTS_BY_ID, anchor_generator=generator, head=head).eval()
    network.transform.resize = lambda image, target=None: (image, target)
    randomise(network, np.random.default_rng(seed))
    return network


def _fill(tensor, values):
    import torch

    tensor.copy_(torch.tensor(np.asarray(values, np.float32)))


def randomise(network, rng):
    """Give statistics and scales to norms, and heads whose scores spread as a detector's."""
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            _fill(tensor, rng.normal(0, 0.3, tensor.shape))
        elif name.endswith("running_var"):  # small ones too, where epsilon shows
            _fill(tensor, np.exp(rng.uniform(np.log(0.05), np.log(2), tensor.shape)))
        elif tensor.ndim == 1 and name.endswith("weight"):
            _fill(tensor, rng.uniform(0.2, 0.8, tensor.shape))
        elif tensor.ndim == 1:
            _fill(tensor, rng.normal(0, 0.2, tensor.shape))
        elif "head" in name and tensor.ndim == 4:
            _fill(tensor, rng.normal(0, 1, tensor.shape) * (2 / tensor[0].numel()) ** 0.5)
    _spread_outputs(network, rng)


def _spread_outputs(network, rng):
    """Scale the last convolutions so that outputs have the spreads named above."""
    import torch

    picture = torch.tensor(rng.uniform(0, 1, (3, 192, 256)).astype("float32"))
    head = network.head
    last = (
        (head.classification_head.cls_logits, "cls_logits", CLASS_SPREAD, CLASS_BIAS),
        (head.regression_head.bbox_reg, "bbox_regression", BOX_SPREAD, 0.0),
    )
    with torch.no_grad():
        outputs = heads(network, [picture])[1]
        for layer, key, spread, bias in last:
            layer.weight.mul_(spread / outputs[key].std())
            layer.bias.copy_(bias + 0.1 * torch.randn(layer.bias.shape))
        unused = sorted(set(range(OUTPUTS_BY_ID)) - set(IDS))
        biases = head.classification_head.cls_logits.bias.view(-1, OUTPUTS_BY_ID)
        biases[:, unused] = NEVER
        head.regression_head.bbox_reg.bias[2] = LONG


def heads(network, pictures):
    """Return (pyramid [tensor, …], {output: tensor}, anchors [N, 4], box coder)."""
    import torch

    with torch.no_grad():
        canvas, _ = network.transform(pictures)
        pyramid = list(network.backbone(canvas.tensors).values())
        outputs = network.head(pyramid)
        anchors = network.anchor_generator(canvas, pyramid)[0]
    return pyramid, outputs, anchors, network.box_coder


def older_names(tensors):
    """Return {name: tensor} under the names of files from before torchvision 0.12."""
    return {_older(name): tensor for name, tensor in tensors.items()}


def _older(name):
    words = name.split(".")
    if "conv" in words and words[0] == "head":  # head.….conv.2.0.weight -> head.….conv.4.weight
        place = words.index("conv") + 1
        return ".".join([*words[:place], str(2 * int(words[place])), words[-1]])
    if any(word in ("inner_blocks", "layer_blocks") for word in words):
        return ".".join([*words[:-2], words[-1]])
    return name


def save(network, path, rename=dict):
    """Write a network's weights as torch or safetensors, by the path's suffix; return the path."""
    import torch
    from safetensors.torch import save_file

    tensors = {name: tensor.clone() for name, tensor in rename(network.state_dict()).items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path
