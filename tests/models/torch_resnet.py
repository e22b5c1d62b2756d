"""ResNet and relatives in torch, written from the papers: the truth for ours.

Modules are named as torchvision and timm name them, so that a state dictionary looks like theirs.
Read: He et al. 2015 (arXiv:1512.03385), Xie et al. 2017 (1611.05431), He et al. 2019 (1812.01187).
"""

import torch
from torch import nn

STAGES = (64, 128, 256, 512)


def _conv(inputs, outputs, size, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)


class Block(nn.Module):
    """A residual block: `convolutions` with a batch norm each, ReLU between and after the sum."""

    def __init__(self, convolutions, downsample, epsilon):
        super().__init__()
        for index, convolution in enumerate(convolutions, start=1):
            setattr(self, f"conv{index}", convolution)
            setattr(self, f"bn{index}", nn.BatchNorm2d(convolution.out_channels, eps=epsilon))
        self.count, self.downsample = len(convolutions), downsample

    def forward(self, x):
        y = x
        for index in range(1, self.count + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            y = y if index == self.count else torch.relu(y)
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class TorchResNet(nn.Module):
    """Gives [C2, C3, C4, C5] of images [B, 3, H, W].

    Args:
        blocks: of each stage.
        bottleneck, groups, width: of the blocks; False for two 3x3.
        deep: three 3x3 as stem, and shortcuts that average (ResNet-D).
        stride_in: convolution of a bottleneck with the stride, "1x1" or "3x3".
        epsilon: of batch norm.
    """

    def __init__(
        self,
        blocks,
        bottleneck=True,
        groups=1,
        width=64,
        deep=False,
        stride_in="3x3",
        epsilon=1e-5,
    ):
        super().__init__()
        self.options = (bottleneck, groups, width, deep, stride_in, epsilon)
        self.conv1 = self._deep_stem() if deep else _conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64, eps=epsilon)
        channels = 64
        for stage, (filters, count) in enumerate(zip(STAGES, blocks, strict=True), start=1):
            outputs = filters * (4 if bottleneck else 1)
            made = []
            for index in range(count):
                stride = 2 if index == 0 and stage > 1 else 1
                made.append(self._block(channels, filters, outputs, stride))
                channels = outputs
            setattr(self, f"layer{stage}", nn.Sequential(*made))
        self.fc = nn.Linear(channels, 10)

    def _deep_stem(self):
        norms = [nn.BatchNorm2d(32, eps=self.options[-1]) for _ in range(2)]
        return nn.Sequential(
            _conv(3, 32, 3, 2),
            norms[0],
            nn.ReLU(),
            _conv(32, 32, 3),
            norms[1],
            nn.ReLU(),
            _conv(32, 64, 3),
        )

    def _block(self, inputs, filters, outputs, stride):
        bottleneck, groups, width, deep, stride_in, epsilon = self.options
        if bottleneck:
            inner = filters * width // 64
            first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
            convolutions = [
                _conv(inputs, inner, 1, first),
                _conv(inner, inner, 3, second, groups),
                _conv(inner, outputs, 1),
            ]
        else:
            convolutions = [_conv(inputs, filters, 3, stride), _conv(filters, filters, 3)]
        downsample = None
        if stride > 1 or inputs != outputs:
            pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
            norm = nn.BatchNorm2d(outputs, eps=epsilon)
            plain = (_conv(inputs, outputs, 1, stride), norm)
            pooled = (pool if stride > 1 else nn.Identity(), _conv(inputs, outputs, 1), norm)
            downsample = nn.Sequential(*(pooled if deep else plain))
        return Block(convolutions, downsample, epsilon)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, padding=1)
        outputs = []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            outputs.append(x)
        return outputs


def randomised(model, seed=0):
    """Return `model` ready for inference with random weights and batch norm statistics.

    The last gamma of a block is small, or the sums of many blocks would overflow.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
            value = torch.rand(tensor.shape, generator=generator) + 0.5
            last = name.endswith(("bn3.weight", "bn2.weight"))
            tensor.copy_(value * (0.3 if last else 1.0))
        elif tensor.ndim == 1:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.2)
        else:
            fan_in = tensor[0].numel()
            value = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(value * (2 / fan_in) ** 0.5)
    return model.eval()


def torch_outputs(model, images):
    """Return [C2, C3, C4, C5] as NumPy [B, H, W, C] of images NumPy [B, H, W, 3]."""
    with torch.no_grad():
        outputs = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    return [output.permute(0, 2, 3, 1).numpy() for output in outputs]
