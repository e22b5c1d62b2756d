"""torchvision without its compiled part: the operators that its import and its detectors need.

torchvision's Python code runs on a torch of any build, but its C++ operators are built for one.
`nms` is written here from its documentation; `qnms` need only exist.
"""

import importlib.util

import pytest


def _suppressed(torch, boxes, scores, iou_threshold):
    """Return the indices that greedy NMS keeps, by descending score."""
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]  # [N, 4]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = torch.ones(len(boxes), dtype=torch.bool)
    kept = []
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        kept.append(index)
        top_left = torch.maximum(boxes[index, :2], boxes[:, :2])
        bottom_right = torch.minimum(boxes[index, 2:], boxes[:, 2:])
        sides = (bottom_right - top_left).clamp(min=0)
        shared = sides[:, 0] * sides[:, 1]
        alive &= ~(shared / (areas[index] + areas - shared) > iou_threshold)
    return order[torch.tensor(kept, dtype=torch.long)]


def torchvision_or_skip():
    """Return the torchvision module, its operators defined; skip where it is not installed."""
    torch = pytest.importorskip("torch", reason="pip install -r requirements-proof.txt")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed: pip install --no-deps -r requirements-proof.txt")
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", lambda *args: _suppressed(torch, *args), "CPU")
        torchvision_or_skip.library = library  # its operators go when it goes
    import torchvision

    torchvision.extension._has_ops = lambda: True  # it looks for the compiled file, not for them
    return torchvision
