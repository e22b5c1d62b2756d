"""Small files as other projects write their RetinaNets on ResNet-18 and 50, names by hand.

Values are random; a file of 20 million numbers is written in a blink.
"""

import pickle

import numpy as np
from safetensors.numpy import save_file

BLOCKS = {"resnet18": (False, (2, 2, 2, 2)), "resnet50": (True, (3, 4, 6, 3))}
NORM = ("weight", "bias", "running_mean", "running_var")


def _convolutions(resnet):
    """Yield (stage, block, place or 0 for the shortcut, [out, in, side, side])."""
    bottleneck, stages = BLOCKS[resnet]
    before = 64
    for stage, blocks in enumerate(stages):
        width = 64 * 2**stage
        out = 4 * width if bottleneck else width
        for block in range(blocks):
            shapes = (
                [(width, before, 1, 1), (width, width, 3, 3), (out, width, 1, 1)]
                if bottleneck
                else [(width, before, 3, 3), (out, width, 3, 3)]
            )
            for place, shape in enumerate(shapes, start=1):
                yield stage, block, place, shape
            if block == 0 and before != out:
                yield stage, block, 0, (out, before, 1, 1)
            before = out


def _torch_place(stage, block, place):
    """Return the (convolution, norm) of a place in the words of torch."""
    prefix = f"layer{stage + 1}.{block}."
    if place == 0:
        return f"{prefix}downsample.0", f"{prefix}downsample.1"
    return f"{prefix}conv{place}", f"{prefix}bn{place}"


def _detectron2_place(stage, block, place):
    name = f"res{stage + 2}.{block}." + (f"conv{place}" if place else "shortcut")
    return name, f"{name}.norm"


def _resnet(resnet, prefix, stem, place_of):
    """Return {name: shape} of a ResNet without its classifier."""
    found = {f"{prefix}{stem[0]}.weight": (64, 3, 7, 7)}
    norms = [(stem[1], 64)]
    for stage, block, place, shape in _convolutions(resnet):
        convolution, norm = place_of(stage, block, place)
        found[f"{prefix}{convolution}.weight"] = shape
        norms.append((norm, shape[0]))
    return found | {f"{prefix}{norm}.{part}": (n,) for norm, n in norms for part in NORM}


def _layers(layers):
    """Return {name: shape} of [(module, kernel's shape), …] with biases."""
    found = {}
    for module, shape in layers:
        found |= {f"{module}.weight": shape, f"{module}.bias": shape[:1]}
    return found


def _pyramid(resnet, lateral, output, p6, p7, p6_from_p5=False):
    widths = [width * (4 if BLOCKS[resnet][0] else 1) for width in (128, 256, 512)]
    names = zip(lateral, output, widths, strict=True)
    layers = []
    for inner, outer, width in names:
        layers += [(inner, (256, width, 1, 1)), (outer, (256, 256, 3, 3))]
    p6_width = 256 if p6_from_p5 else widths[-1]
    return _layers([*layers, (p6, (256, p6_width, 3, 3)), (p7, (256, 256, 3, 3))])


def _heads(hidden, last, classes, anchors=9):
    """Return {name: shape} of both heads.

    Args:
        hidden: {head: f(place) -> module}.
        last: {head: module}.
    """
    outputs = {"class": anchors * classes, "box": anchors * 4}
    layers = []
    for head, module_of in hidden.items():
        layers += [(module_of(place), (256, 256, 3, 3)) for place in range(4)]
        layers.append((last[head], (outputs[head], 256, 3, 3)))
    return _layers(layers)


def torchvision(resnet="resnet18", classes=91, anchors=9):
    """Return {name: shape} of torchvision's version 1."""
    fpn, head = "backbone.fpn.", "head.{}_head."
    kinds = {"class": head.format("classification"), "box": head.format("regression")}
    return (
        _resnet(resnet, "backbone.body.", ("conv1", "bn1"), _torch_place)
        | _pyramid(
            resnet,
            [f"{fpn}inner_blocks.{place}.0" for place in range(3)],
            [f"{fpn}layer_blocks.{place}.0" for place in range(3)],
            f"{fpn}extra_blocks.p6",
            f"{fpn}extra_blocks.p7",
            p6_from_p5=True,
        )
        | _heads(
            {
                kind: lambda place, stem=stem: f"{stem}conv.{place}.0"
                for kind, stem in kinds.items()
            },
            {"class": f"{kinds['class']}cls_logits", "box": f"{kinds['box']}bbox_reg"},
            classes,
            anchors,
        )
    )


def detectron2(resnet="resnet50", classes=80, anchors=9):
    """Return {name: shape} of Detectron2's."""
    return (
        _resnet(resnet, "backbone.bottom_up.", ("stem.conv1", "stem.conv1.norm"), _detectron2_place)
        | _pyramid(
            resnet,
            [f"backbone.fpn_lateral{level}" for level in (3, 4, 5)],
            [f"backbone.fpn_output{level}" for level in (3, 4, 5)],
            "backbone.top_block.p6",
            "backbone.top_block.p7",
        )
        | _heads(
            {
                "class": lambda place: f"head.cls_subnet.{2 * place}",
                "box": lambda place: f"head.bbox_subnet.{2 * place}",
            },
            {"class": "head.cls_score", "box": "head.bbox_pred"},
            classes,
            anchors,
        )
    )


def mmdetection(resnet="resnet18", classes=80, anchors=9):
    """Return {name: shape} of MMDetection's."""
    return (
        _resnet(resnet, "backbone.", ("conv1", "bn1"), _torch_place)
        | _pyramid(
            resnet,
            [f"neck.lateral_convs.{place}.conv" for place in range(3)],
            [f"neck.fpn_convs.{place}.conv" for place in range(3)],
            "neck.fpn_convs.3.conv",
            "neck.fpn_convs.4.conv",
        )
        | _heads(
            {
                "class": lambda place: f"bbox_head.cls_convs.{place}.conv",
                "box": lambda place: f"bbox_head.reg_convs.{place}.conv",
            },
            {"class": "bbox_head.retina_cls", "box": "bbox_head.retina_reg"},
            classes,
            anchors,
        )
    )


def odtk(resnet="resnet18", classes=80, anchors=9):
    """Return {name: shape} of ODTK's."""
    body = f"backbones.{resnet.replace('resnet', 'ResNet')}FPN."
    return (
        _resnet(resnet, f"{body}features.", ("conv1", "bn1"), _torch_place)
        | _pyramid(
            resnet,
            [f"{body}lateral{level}" for level in (3, 4, 5)],
            [f"{body}smooth{level}" for level in (3, 4, 5)],
            f"{body}pyramid6",
            f"{body}pyramid7",
        )
        | _heads(
            {
                "class": lambda place: f"cls_head.{2 * place}",
                "box": lambda place: f"box_head.{2 * place}",
            },
            {"class": "cls_head.8", "box": "box_head.8"},
            classes,
            anchors,
        )
    )


PROJECTS = {
    "torchvision": torchvision,
    "detectron2": detectron2,
    "mmdetection": mmdetection,
    "odtk": odtk,
}


def filled(shapes, seed=0):
    """Return {name: float32 array} of {name: shape}, variances above 0."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.random(shape, np.float32) + 0.5
        if name.endswith("running_var")
        else (rng.random(shape, np.float32) - 0.5) * np.float32(0.1)
        for name, shape in shapes.items()
    }


def write(path, tensors):
    """Write tensors as safetensors or, for a .pkl, as a plain pickle; return the path."""
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps({"model": tensors, "__author__": "somebody"}))
    else:
        save_file(tensors, path)
    return path
