"""The rows of the families, switch by switch, against what their projects state.

The values were read in the projects' code and configurations: torchvision 0.29, Detectron2's
R50-FPN of the model zoo, MMDetection 3.3's retinanet_r50_fpn_1x_coco, NVIDIA's retinanet-examples,
KerasHub 0.32's presets of COCO, keras-retinanet 1.0.
"""

import dataclasses
import math

import pytest

from keras_retinanet.utils.families import FAMILIES
from keras_retinanet.utils.normalisation import Preprocessing

NAMES = (
    *("fizyr", "torchvision", "torchvision_trained", "torchvision_v2", "detectron2"),
    *("mmdetection", "mmdetection_caffe", "odtk", "keras_hub", "keras_hub_v2"),
)
RED_FIRST = Preprocessing("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE = Preprocessing("bgr", 1, (103.939, 116.779, 123.68), (1, 1, 1))
DETECTRON = Preprocessing("bgr", 1, (103.53, 116.28, 123.675), (1, 1, 1))
MMDETECTION = Preprocessing("rgb", 1, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CLAMP = math.log(1000 / 16)

# switch: values in the order of NAMES
TABLE = {
    "preprocessing": (
        *(CAFFE, RED_FIRST, RED_FIRST, RED_FIRST, DETECTRON),
        *(MMDETECTION, DETECTRON, RED_FIRST, RED_FIRST, RED_FIRST),
    ),
    "resize_rule": (
        *("opencv", "torchvision", "torchvision", "torchvision", "pillow"),
        *("mmdetection", "mmdetection", "odtk", "letterbox", "letterbox"),
    ),
    "image_min_side": 10 * (800,),
    "image_max_side": (*8 * (1333,), 800, 800),
    "pad_multiple": (1, 32, 32, 32, 32, 32, 32, 128, 32, 32),
    "p6_from": ("C5", "P5", "P5", "C5", "C5", "C5", "C5", "C5", "P5", "C5"),
    "p6_padding": ("same", 1, 1, 1, 1, 1, 1, 1, "same", "same"),
    "p7_relu": (True, True, True, True, True, False, False, True, True, True),
    "head_norm": (*3 * ("none",), "group", *5 * ("none",), "group"),
    "head_norm_groups": 10 * (32,),
    "head_norm_epsilon": (*9 * (1e-5,), 1e-3),
    "box_coding": ("corners", *9 * ("centres",)),
    "box_std": (4 * (0.2,), *9 * (4 * (1.0,),)),
    "box_mean": 10 * (4 * (0.0,),),
    "box_pixel": (0, 0, 0, 0, 0, 0, 0, 1, 0, 0),
    "box_clamp": (None, CLAMP, CLAMP, CLAMP, CLAMP, CLAMP, CLAMP, None, None, None),
    "score_threshold": (*8 * (0.05,), 0.5, 0.5),
    "nms_threshold": 10 * (0.5,),
    "max_detections": (300, 300, 300, 300, 100, 100, 100, 100, 100, 100),
    "candidates": 10 * (None,),
    "level_candidates": (None, *7 * (1000,), None, None),
    "nms": 10 * (True,),
    "class_specific_filter": (*8 * (True,), False, False),
    "nms_within": (*8 * ("class",), "all", "all"),
    "clip_to": ("canvas", *6 * ("image",), "canvas", "nothing", "nothing"),
    "clip_margin": (1, 0, 0, 0, 0, 0, 0, 1, 0, 0),
    "levels": 10 * ((3, 4, 5, 6, 7),),
    "resize": 10 * (True,),
}
ANCHORS = {
    "centre": (0.5, 0, 0, 0, 0, 0, 0, 0.5, 0, 0),
    "stride_rule": (*("fixed", "floor", "floor", "floor"), *4 * ("fixed",), "floor", "floor"),
    "rounding": (*("none", "whole", "whole", "whole"), *3 * ("none",), "base", "whole", "whole"),
    "order": (*4 * ("ratio",), "scale", "ratio", "ratio", "scale", "ratio", "ratio"),
    "ratios": (*7 * ((0.5, 1, 2),), (1, 2, 0.5), (0.5, 1, 2), (0.5, 1, 2)),
    "strides": 10 * ((8, 16, 32, 64, 128),),
}
RESNETS = {  # of the families that say how their ResNets are built
    "pool_padding": ("none said", *9 * (1,)),
    "stride_in": ("none said", *3 * ("3x3",), "1x1", "3x3", "1x1", *3 * ("3x3",)),
    "epsilon": ("none said", 0, *8 * ("none said",)),
}
# what a family leaves open: sizes that each network has, and what training chose
OPEN = {
    *("family", "backbone", "backbone_options", "classes", "anchors", "tile", "tile_overlap"),
    *("pyramid_features", "head_features", "head_layers", "advised_thresholds"),
    "temperature",
}


def test_the_tables_hold_every_family_and_every_switch():
    assert tuple(FAMILIES) == NAMES
    fields = {field.name for field in dataclasses.fields(FAMILIES["fizyr"])}
    assert TABLE.keys() == fields - OPEN
    assert FAMILIES["fizyr"].backbone_options == {}


@pytest.mark.parametrize("switch", TABLE)
def test_each_switch_is_as_the_projects_have_it(switch):
    found = {name: getattr(profile, switch) for name, profile in FAMILIES.items()}
    assert found == dict(zip(NAMES, TABLE[switch], strict=True))


@pytest.mark.parametrize("switch", ANCHORS)
def test_each_switch_of_anchors_is_as_the_projects_have_it(switch):
    found = {name: getattr(profile.anchors, switch) for name, profile in FAMILIES.items()}
    assert found == dict(zip(NAMES, ANCHORS[switch], strict=True))


@pytest.mark.parametrize("switch", RESNETS)
def test_each_switch_of_resnets_is_as_the_projects_have_it(switch):
    options = {name: profile.backbone_options for name, profile in FAMILIES.items()}
    found = {name: own.get(switch, "none said") for name, own in options.items()}
    assert found == dict(zip(NAMES, RESNETS[switch], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_and_the_smallest_square_of_each_level(name):
    """4 strides at the first scale, 4 * 2^(2/3) at the last; whole where the family rounds."""
    anchors = FAMILIES[name].anchors
    for size, stride in zip(anchors.sizes, anchors.strides, strict=True):
        sides = [size * scale for scale in anchors.scales]
        assert min(sides) == pytest.approx(4 * stride)
        assert max(sides) == pytest.approx(4 * 2 ** (2 / 3) * stride)
