"""The families of published RetinaNets, one row each: what their networks were trained with.

A new family is a new row, and a map of its weights' names in `keras_retinanet/weights`. That the
upsampling of the pyramid is the same in all of them follows from `pad_multiple`: doubling equals
resizing to the finer level wherever that is twice as large.
"""

import math
from dataclasses import replace

from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.profile import Profile

TORCH_RESNET = {"pool_padding": 1, "stride_in": "3x3"}
CAFFE_RESNET = {"pool_padding": 1, "stride_in": "1x1"}
LARGEST_GROWTH = math.log(1000 / 16)  # decoded sides are at most 62.5 times their anchor's
_STD_1 = (1.0, 1.0, 1.0, 1.0)
# Those that NVIDIA/retinanet-examples, issue 54, lists for each level: shapes of one cell, in whole
# pixels, times 4 and its thirds of an octave, corners on pixels (-12, -12, 19, 19 for 32 x 32).
ODTK_ANCHORS = AnchorParameters(
    sizes=AnchorParameters.default.strides,
    ratios=(1.0, 2.0, 0.5),
    scales=tuple(4 * 2 ** (third / 3) for third in range(3)),
    rounding="base",
    order="scale",
)

FIZYR = Profile()

_TORCH = Profile(
    backbone_options=TORCH_RESNET,
    pad_multiple=32,
    p6_padding=1,
    anchors=AnchorParameters(centre=0.0),
    box_coding="centres",
    box_std=_STD_1,
    box_clamp=LARGEST_GROWTH,
    level_candidates=1000,
    max_detections=100,
    clip_to="image",
    clip_margin=0.0,
)

TORCHVISION_V1 = replace(
    _TORCH,
    family="torchvision",
    backbone_options=TORCH_RESNET | {"epsilon": 0.0},
    preprocessing="torch_rgb",
    resize_rule="torchvision",
    p6_from="P5",
    anchors=AnchorParameters(centre=0.0, stride_rule="floor", rounding="whole"),
    max_detections=300,
)
TORCHVISION_TRAINED = replace(
    TORCHVISION_V1, family="torchvision_trained", backbone_options=TORCH_RESNET
)
TORCHVISION_V2 = replace(
    TORCHVISION_V1,
    family="torchvision_v2",
    backbone_options=TORCH_RESNET,
    p6_from="C5",
    head_norm="group",
)
DETECTRON2 = replace(
    _TORCH,
    family="detectron2",
    backbone_options=CAFFE_RESNET,
    preprocessing="detectron2",
    resize_rule="pillow",
    anchors=AnchorParameters(centre=0.0, order="scale"),
)
MMDETECTION = replace(
    _TORCH,
    family="mmdetection",
    preprocessing="mmdetection",
    resize_rule="mmdetection",
    p7_relu=False,
)
MMDETECTION_CAFFE = replace(
    MMDETECTION,
    family="mmdetection_caffe",
    backbone_options=CAFFE_RESNET,
    preprocessing="detectron2",
)
ODTK = replace(
    _TORCH,
    family="odtk",
    preprocessing="torch_rgb",
    resize_rule="odtk",
    pad_multiple=128,
    anchors=ODTK_ANCHORS,
    box_pixel=1.0,
    box_clamp=None,
    clip_to="canvas",
    clip_margin=1.0,
)
KERAS_HUB = replace(
    TORCHVISION_V1,
    family="keras_hub",
    backbone_options=TORCH_RESNET,
    resize_rule="letterbox",
    image_min_side=800,
    image_max_side=800,
    p6_padding="same",
    box_clamp=None,
    score_threshold=0.5,
    max_detections=100,
    level_candidates=None,
    class_specific_filter=False,
    nms_within="all",
    clip_to="nothing",
)
KERAS_HUB_V2 = replace(
    KERAS_HUB,
    family="keras_hub_v2",
    p6_from="C5",
    head_norm="group",
    head_norm_epsilon=1e-3,
)

FAMILIES = {
    profile.family: profile
    for profile in (
        FIZYR,
        TORCHVISION_V1,
        TORCHVISION_TRAINED,
        TORCHVISION_V2,
        DETECTRON2,
        MMDETECTION,
        MMDETECTION_CAFFE,
        ODTK,
        KERAS_HUB,
        KERAS_HUB_V2,
    )
}
