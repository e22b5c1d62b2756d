"""Files as Detectron2, MMDetection and ODTK write them, of a network of `torch_references`."""

import collections
import pickle
import sys
import types
import zipfile
from contextlib import contextmanager

import torch

from tests.weights.torch_references import STRIDES, cell_by_size, named_tensors

COUNTER = "num_batches_tracked"
CONFIG_2 = """\
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(
    type='RetinaNet',
    pretrained='torchvision://resnet50',
    backbone=dict(
        type='ResNet',
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        style='pytorch'),
    neck=dict(
        type='FPN',
        start_level=1,
        add_extra_convs='on_input',
        num_outs=5),
    bbox_head=dict(
        type='RetinaHead',
        num_classes=80,
        anchor_generator=dict(
            type='AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64, 128]),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder',
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[1.0, 1.0, 1.0, 1.0])),
    test_cfg=dict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=0.05,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=100))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(1333, 800),
        transforms=[
            dict(type='Normalize', mean=[123.675, 116.28, 103.53],
                 std=[58.395, 57.12, 57.375], to_rgb=True),
            dict(type='Pad', size_divisor=32),
        ])
]
"""
CONFIG_3 = (
    "model = dict(data_preprocessor=dict(type='DetDataPreprocessor', "
    "mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True, "
    "pad_size_divisor=32), " + CONFIG_2.split("model = dict(")[1].split("test_pipeline")[0]
)


def _arrays(model):
    """Return {Detectron2's name: array}; its frozen batch norm counts no batches."""
    named = named_tensors(model, "detectron2")
    arrays = {name: value.numpy() for name, value in named.items() if not name.endswith(COUNTER)}
    for level, stride in enumerate(STRIDES):
        cell = cell_by_size(stride).astype("float32")
        arrays[f"anchor_generator.cell_anchors.{level}"] = cell
    return arrays


def detectron2_pickle(model, path, **more):
    """Write the model zoo's `.pkl`: arrays under "model"."""
    content = {"model": _arrays(model) | more, "__author__": "Detectron2 Model Zoo"}
    content["matching_heuristics"] = True
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def detectron2_checkpoint(model, path):
    """Write the `.pth` of a training: tensors, and the state of optimizer and scheduler."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in _arrays(model).items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    content = {"model": tensors, "optimizer": optimizer.state_dict(), "iteration": 89999}
    torch.save(content | {"scheduler": {"milestones": collections.Counter({60000: 1})}}, path)
    return path


@contextmanager
def _history():
    """Give an object of a class that only MMEngine has."""
    names = ["mmengine", "mmengine.logging", "mmengine.logging.history_buffer"]
    modules = {name: types.ModuleType(name) for name in names}
    kind = type("HistoryBuffer", (), {"__module__": names[-1]})
    modules[names[-1]].HistoryBuffer = kind
    found = kind()
    found.history = [1.0, 2.0]
    sys.modules |= modules
    try:
        yield found
    finally:
        for name in names:
            del sys.modules[name]


def mmdetection_file(model, path, cfg=CONFIG_3, version=3, **meta):
    """Write a checkpoint of MMDetection 2 or 3; `cfg` None leaves the configuration out."""
    key = {2: "config", 3: "cfg"}[version]
    stated = {key: cfg} if cfg is not None else {}
    stated |= {"mmdet_version": f"{version}.3.0", "epoch": 12, "iter": 87960} | meta
    content = {"meta": stated, "state_dict": named_tensors(model, "mmdetection")}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    content["optimizer"] = optimizer.state_dict()
    with _history() as history:
        content["message_hub"] = {"log_scalars": {"loss": history}}
        torch.save(content, path)
    return path


def odtk_file(model, path, **more):
    """Write ODTK's checkpoint."""
    content = {"backbone": "ResNetFPN", "classes": model.classes}
    content["state_dict"] = named_tensors(model, "odtk")
    torch.save(content | {"optimizer": {"state": {}}, "iteration": 90000} | more, path)
    return path


def odtk_release(model, path):
    """Write the zip that ODTK publishes: a checkpoint beside a text."""
    inner = odtk_file(model, path.with_suffix(".pth"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, f"retinanet/{inner.name}")
        archive.writestr("retinanet/LICENSE.txt", "terms")
    return path
