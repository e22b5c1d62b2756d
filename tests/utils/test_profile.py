"""The profile keeps what it is given and survives JSON."""

import dataclasses
import json

import pytest

from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.normalisation import PREPROCESSINGS, Preprocessing
from keras_retinanet.utils.profile import Profile

OTHER = Profile(
    family="odtk",
    backbone="mobilenet128_0.25",
    backbone_options={"stride_in": "3x3", "epsilon": 0.0},
    classes=("cat", "", "dog"),
    preprocessing=Preprocessing("rgb", 0.5, (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0)),
    resize_rule="pillow",
    pad_multiple=32,
    p6_from="P5",
    p6_padding=1,
    p7_relu=False,
    head_norm="group",
    head_norm_groups=16,
    head_norm_epsilon=1e-3,
    box_coding="centres",
    box_pixel=1.0,
    box_clamp=4.0,
    level_candidates=500,
    clip_to="image",
    clip_margin=0.0,
    image_min_side=400,
    image_max_side=600,
    resize=False,
    tile=512,
    tile_overlap=0.3,
    anchors=AnchorParameters((16, 40), (8, 16), (1,), (1, 1.5), 0.0, "floor", "whole", "scale"),
    levels=(3, 4),
    box_mean=(0.1, 0.2, 0.3, 0.4),
    box_std=(1.0, 2.0, 3.0, 4.0),
    score_threshold=0.2,
    nms_threshold=0.6,
    max_detections=10,
    advised_thresholds=(0.3, None),
    temperature=1.5,
    candidates=1000,
    nms=False,
    class_specific_filter=False,
    nms_within="all",
    pyramid_features=64,
    head_features=32,
    head_layers=2,
)


def test_every_field_of_the_test_profile_differs_from_its_default():
    for field in dataclasses.fields(Profile):
        assert getattr(OTHER, field.name) != getattr(Profile(), field.name), field.name


@pytest.mark.parametrize("profile", [Profile(), OTHER], ids=["default", "other"])
def test_profiles_survive_json(profile):
    assert Profile.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


def test_the_default_is_1_0():
    profile = Profile()
    assert (profile.backbone, profile.preprocessing) == ("resnet50", PREPROCESSINGS["caffe"])
    assert (profile.image_min_side, profile.image_max_side) == (800, 1333)
    assert profile.levels == (3, 4, 5, 6, 7)
    assert profile.box_std == (0.2, 0.2, 0.2, 0.2)
    assert (profile.score_threshold, profile.nms_threshold) == (0.05, 0.5)
    assert (profile.max_detections, profile.candidates) == (300, None)


def test_keys_of_later_versions_are_left_out():
    assert Profile.from_dict({**OTHER.to_dict(), "colour_of_the_sky": "blue"}) == OTHER


def test_the_number_of_classes_counts_labels_without_name():
    assert OTHER.num_classes == 3


def test_levels_and_anchor_sizes_must_be_as_many():
    with pytest.raises(ValueError, match=r"levels \(3, 4, 5\) need 3 anchor sizes"):
        Profile(levels=(3, 4, 5))
