"""RetinaNets of Detectron2, MMDetection and ODTK in torch, from the description of each family.

The slow truth for ours: one network of plain modules, whose tensors get each project's names, and
detection by loops over levels, anchors and classes. Widths are small, which no switch depends on.
Read: Lin et al. 2017 (arXiv:1708.02002), and for names and anchors what the projects' users quote:
detectron2 issues 2098 and 4217, mmdetection 627 and 1316, retinanet-examples 54, 102 and 269.
"""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.models.torch_resnet import TorchResNet, randomised

LEVELS = (3, 4, 5, 6, 7)
STRIDES = (8, 16, 32, 64, 128)
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDTHS = {18: (128, 256, 512), 50: (512, 1024, 2048), 101: (512, 1024, 2048)}


@dataclass(frozen=True)
class Family:
    """What sets a family's network and detections apart.

    Attributes:
        stride_in: convolution of a bottleneck with the stride.
        multiple: of the sides that pictures are padded to with zeros.
        relu: whether P7 is made of relu(P6).
        cell: f(stride) -> the anchors [A, 4] of the cell at the origin, as the family orders them.
        pixel: added to sides in the coding of boxes.
        clamp: of the logarithms of growths.
        clip: what boxes are clipped to, the "picture" or the padded "canvas".
        last_pixel: how far inside its edge that is.
    """

    stride_in: str
    multiple: int
    relu: bool
    cell: object
    pixel: float = 0.0
    clamp: float = float(np.log(1000 / 16))
    clip: str = "picture"
    last_pixel: float = 0.0


def _about(x, y, width, height):
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def cell_by_size(stride, sizes=3, ratios=(0.5, 1.0, 2.0)):
    """Return anchors on the cell's corner, sizes outermost (Detectron2)."""
    found = []
    for size in range(sizes):
        side = 4 * stride * 2 ** (size / sizes)
        found += [_about(0, 0, side / ratio**0.5, side * ratio**0.5) for ratio in ratios]
    return np.array(found)


def cell_by_ratio(stride, base=4, octave=3, ratios=(0.5, 1.0, 2.0)):
    """Return anchors on the cell's corner, ratios outermost (MMDetection)."""
    found = []
    for ratio in ratios:
        sides = [base * stride * 2 ** (step / octave) for step in range(octave)]
        found += [_about(0, 0, side / ratio**0.5, side * ratio**0.5) for side in sides]
    return np.array(found)


def cell_on_pixels(stride, ratios=(1.0, 2.0, 0.5), scales=None):
    """Return anchors about the cell's middle, scales outermost, ending on pixels (ODTK)."""
    found = []
    for scale in scales or [4 * 2 ** (step / 3) for step in range(3)]:
        for ratio in ratios:
            width = round(stride / ratio**0.5)
            box = _about(stride / 2, stride / 2, width * scale, round(width * ratio) * scale)
            found.append([box[0], box[1], box[2] - 1, box[3] - 1])
    return np.array(found)


FAMILIES = {
    "detectron2": Family("1x1", 32, True, cell_by_size),
    "mmdetection": Family("3x3", 32, False, cell_by_ratio),
    "mmdetection_caffe": Family("1x1", 32, False, cell_by_ratio),
    "odtk": Family(
        "3x3",
        128,
        True,
        cell_on_pixels,
        pixel=1.0,
        clamp=np.inf,
        clip="canvas",
        last_pixel=1.0,
    ),
}


def _conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2)


def _head(width, outputs, hidden=2):
    layers = [_conv(width, width, 3) for _ in range(hidden)]
    return nn.ModuleList([*layers, _conv(width, outputs, 3)])


class TorchRetinaNet(nn.Module):
    """A RetinaNet: images [B, 3, H, W] -> five levels, class logits and deltas.

    Args:
        family: key of FAMILIES.
        depth: of the ResNet.
        classes: K.
        width: of pyramid and heads.
        anchors: A, of a cell.
        p6_from: "C5" or "P5".
        groups, base: of the 3x3 of bottlenecks, and its width in the first stage.
    """

    def __init__(
        self,
        family,
        depth=18,
        classes=3,
        width=16,
        anchors=9,
        p6_from="C5",
        groups=1,
        base=64,
    ):
        super().__init__()
        self.family, self.classes, self.p6_from = FAMILIES[family], classes, p6_from
        self.body = TorchResNet(
            BLOCKS[depth],
            bottleneck=depth >= 50,
            groups=groups,
            width=base,
            stride_in=self.family.stride_in,
        )
        del self.body.fc
        self.laterals = nn.ModuleList([_conv(inputs, width, 1) for inputs in WIDTHS[depth]])
        self.outputs = nn.ModuleList([_conv(width, width, 3) for _ in range(3)])
        top = width if p6_from == "P5" else WIDTHS[depth][-1]
        self.extras = nn.ModuleList([_conv(top, width, 3, 2), _conv(width, width, 3, 2)])
        self.class_head = _head(width, anchors * classes)
        self.box_head = _head(width, anchors * 4)

    def pyramid(self, images):
        """Return [P3, …, P7]."""
        features = self.body(images)[1:]
        above, levels = None, []
        for lateral, output, feature in reversed(
            list(zip(self.laterals, self.outputs, features, strict=True))
        ):
            x = lateral(feature)
            if above is not None:
                x = x + functional.interpolate(above, size=x.shape[-2:], mode="nearest")
            above = x
            levels.insert(0, output(x))
        p6 = self.extras[0](levels[-1] if self.p6_from == "P5" else features[-1])
        p7 = self.extras[1](torch.relu(p6) if self.family.relu else p6)
        return [*levels, p6, p7]

    def padded(self, images):
        """Return images with zeros right and below, as the family pads them."""
        down, right = (-side % self.family.multiple for side in images.shape[-2:])
        return functional.pad(images, (0, right, 0, down))

    def forward(self, images):
        """Return [(logits [B, H * W * A, K], deltas [B, H * W * A, 4], (H, W)), …] by level."""
        return [
            (
                _run(self.class_head, x, self.classes),
                _run(self.box_head, x, 4),
                tuple(x.shape[-2:]),
            )
            for x in self.pyramid(self.padded(images))
        ]


def _run(head, x, last):
    for layer in head[:-1]:
        x = torch.relu(layer(x))
    return head[-1](x).permute(0, 2, 3, 1).reshape(len(x), -1, last)


def build(family, seed=0, **options):
    """Return a TorchRetinaNet with random weights, whose scores and boxes are all over.

    The last layers are scaled on one picture, to logits about -5 +- 1.5 and deltas about +- 0.5.
    """
    model = randomised(TorchRetinaNet(family, **options), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        levels = model(torch.randn((1, 3, 96, 96), generator=generator))
        for head, index, spread, mean in (
            (model.class_head, 0, 1.5, -5),
            (model.box_head, 1, 0.5, 0),
        ):
            outputs = torch.cat([level[index].ravel() for level in levels])
            scale = spread / outputs.std()
            head[-1].weight.mul_(scale)
            head[-1].bias.mul_(scale).add_(mean - outputs.mean() * scale)
    return model


# Names


def _as_detectron2(name):
    """Return Detectron2's name of a tensor of torchvision's ResNet."""
    name = re.sub(r"^(conv1|bn1)\b", r"stem.\1", name)
    name = re.sub(r"layer(\d)", lambda m: f"res{int(m[1]) + 1}", name)
    name = re.sub(r"bn(\d)", r"conv\1.norm", name)
    return name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")


NAMES = {
    "detectron2": {
        "body": lambda name: f"backbone.bottom_up.{_as_detectron2(name)}",
        "laterals": lambda place, last: f"backbone.fpn_lateral{place + 3}",
        "outputs": lambda place, last: f"backbone.fpn_output{place + 3}",
        "extras": lambda place, last: f"backbone.top_block.p{place + 6}",
        "class_head": lambda place, last: (
            "head.cls_score" if last else f"head.cls_subnet.{2 * place}"
        ),
        "box_head": lambda place, last: (
            "head.bbox_pred" if last else f"head.bbox_subnet.{2 * place}"
        ),
    },
    "mmdetection": {
        "body": lambda name: f"backbone.{name}",
        "laterals": lambda place, last: f"neck.lateral_convs.{place}.conv",
        "outputs": lambda place, last: f"neck.fpn_convs.{place}.conv",
        "extras": lambda place, last: f"neck.fpn_convs.{place + 3}.conv",
        "class_head": lambda place, last: (
            "bbox_head.retina_cls" if last else f"bbox_head.cls_convs.{place}.conv"
        ),
        "box_head": lambda place, last: (
            "bbox_head.retina_reg" if last else f"bbox_head.reg_convs.{place}.conv"
        ),
    },
    "odtk": {
        "body": lambda name: f"backbones.ResNetFPN.features.{name}",
        "laterals": lambda place, last: f"backbones.ResNetFPN.lateral{place + 3}",
        "outputs": lambda place, last: f"backbones.ResNetFPN.smooth{place + 3}",
        "extras": lambda place, last: f"backbones.ResNetFPN.pyramid{place + 6}",
        "class_head": lambda place, last: f"cls_head.{2 * place}",
        "box_head": lambda place, last: f"box_head.{2 * place}",
    },
}


def named_tensors(model, project):
    """Return {name in the words of `project`: tensor}."""
    found = {}
    for name, tensor in model.state_dict().items():
        role, rest = name.split(".", 1)
        if role == "body":
            found[NAMES[project]["body"](rest)] = tensor
            continue
        place, kind = rest.split(".")
        last = int(place) == len(getattr(model, role)) - 1
        found[f"{NAMES[project][role](int(place), last)}.{kind}"] = tensor
    return found


# Detection, by loops


def anchors_of_level(cell, stride, rows, columns):
    """Return the anchors [H * W * A, 4] of a level: row, column, then the cell's order."""
    found = []
    for row in range(rows):
        for column in range(columns):
            found.append(cell + np.array([column, row, column, row]) * stride)
    return np.concatenate(found)


def decode(deltas, anchors, family):
    """Return the boxes [N, 4] of deltas (tx, ty, tw, th) [N, 4], in float64."""
    boxes = []
    for (tx, ty, tw, th), (x1, y1, x2, y2) in zip(deltas, anchors, strict=True):
        width, height = x2 - x1 + family.pixel, y2 - y1 + family.pixel
        x, y = tx * width + x1 + width / 2, ty * height + y1 + height / 2
        wide = np.exp(min(tw, family.clamp)) * width
        high = np.exp(min(th, family.clamp)) * height
        box = _about(x, y, wide, high)
        boxes.append([box[0], box[1], box[2] - family.pixel, box[3] - family.pixel])
    return np.array(boxes).reshape(-1, 4)


def iou(box, others):
    """Return the intersections over union [M] of a box with others [M, 4]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / np.maximum((box[2:] - box[:2]).prod() + areas - shared, 1e-12)


def suppress(boxes, scores, labels, threshold=0.5):
    """Return the places of what stays, best first, class by class."""
    kept, order = [], np.argsort(-scores, kind="stable")
    for place in order:
        same = [other for other in kept if labels[other] == labels[place]]
        if not same or iou(boxes[place], boxes[same]).max() <= threshold:
            kept.append(place)
    return kept


@dataclass(frozen=True)
class Rule:
    """What detection drops: the families' score threshold, candidates of a level, detections."""

    score: float = 0.05
    candidates: int = 1000
    most: int = 100


def _candidates(level, cell, stride, family, rule):
    """Return (boxes, scores, labels) of a level's best pairs, not clipped yet."""
    logits, deltas, grid = level
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    anchor, label = np.nonzero(scores > rule.score)
    best = np.argsort(-scores[anchor, label], kind="stable")[: rule.candidates]
    anchor, label = anchor[best], label[best]
    anchors = anchors_of_level(cell, stride, *grid)
    boxes = decode(deltas[anchor].astype(np.float64), anchors[anchor], family)
    return boxes, scores[anchor, label], label


def detect(levels, sides, family, cells=None, strides=STRIDES, rule=None):
    """Return (boxes [D, 4], scores [D], labels [D]) of one picture, best first.

    Args:
        levels: [(logits [H * W * A, K], deltas [H * W * A, 4], (rows, columns)), …], NumPy.
        sides: (height, width) that boxes are clipped to.
        family: a Family.
        cells: anchors of a cell of each level; the family's.
        strides: of each level.
        rule: a Rule.
    """
    rule = rule or Rule()
    cells = cells or [family.cell(stride) for stride in strides]
    found = [
        _candidates(*level, family, rule) for level in zip(levels, cells, strides, strict=True)
    ]
    boxes, scores, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    limit = np.array([sides[1], sides[0]] * 2) - family.last_pixel
    boxes = np.clip(boxes, 0, limit)
    kept = suppress(boxes, scores, labels)[: rule.most]
    return boxes[kept], scores[kept], labels[kept]


def outputs(model, images):
    """Return [[(logits, deltas, grid), …] of each picture] of images NumPy [B, H, W, 3]."""
    with torch.no_grad():
        levels = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    return [
        [(logits[place].numpy(), deltas[place].numpy(), grid) for logits, deltas, grid in levels]
        for place in range(len(images))
    ]
