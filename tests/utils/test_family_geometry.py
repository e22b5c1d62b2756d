"""Anchors, box coding and preprocessing of each family: values by hand and by slow loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import Anchors
from keras_retinanet.utils.anchors import AnchorParameters, anchors_for_shape
from keras_retinanet.utils.box_coder import BoxCoder
from keras_retinanet.utils.families import FAMILIES, LARGEST_GROWTH
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.utils.normalisation import PREPROCESSINGS, Preprocessing, normalised
from tests.backends import array
from tests.models import slow_families

pytestmark = pytest.mark.numerics

CANVAS = (100, 76)  # no multiple of the strides
SHAPES = [(13, 10), (7, 5), (4, 3), (2, 2), (1, 1)]
DEFAULT = AnchorParameters()
PARAMETERS = {
    **{name: profile.anchors for name, profile in FAMILIES.items()},
    "a centre of its own": replace(DEFAULT, centre=0.25),
    "floored strides alone": replace(DEFAULT, stride_rule="floor"),
    "whole sides alone": replace(DEFAULT, rounding="whole"),
    "whole base shapes alone": replace(DEFAULT, rounding="base"),
    "scales outermost": replace(DEFAULT, order="scale"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_anchors_on_host_and_device_equal_loops(name):
    params = PARAMETERS[name]
    levels = slow_families.anchors(CANVAS, SHAPES, params)
    host = anchors_for_shape((*CANVAS, 3), None, params, lambda shape, levels: SHAPES)
    np.testing.assert_allclose(host, np.concatenate(levels), atol=1e-4)
    fixed = params.stride_rule == "fixed"
    for index, (shape, expected) in enumerate(zip(SHAPES, levels, strict=True)):
        layer = Anchors(
            params.sizes[index],
            params.strides[index] if fixed else None,
            params.ratios,
            params.scales,
            params.centre,
            params.rounding,
            params.order,
        )
        features = ops.zeros((2, *shape, 1))
        found = array(layer(features if fixed else [features, ops.zeros((2, *CANVAS, 3))]))
        assert found.dtype == np.float32 and found.shape == (2, len(expected), 4)
        np.testing.assert_allclose(found[0], expected, atol=1e-4)
        np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(
    "change",
    [
        {"centre": 0.0},
        {"stride_rule": "floor"},
        {"rounding": "whole"},
        {"rounding": "base"},
        {"order": "scale"},
    ],
    ids=str,
)
def test_each_anchor_switch_moves_the_anchors(change):
    def laid(params):
        return anchors_for_shape((*CANVAS, 3), None, params, lambda shape, levels: SHAPES)

    assert np.abs(laid(replace(DEFAULT, **change)) - laid(DEFAULT)).max() > 0.2


def test_torchvisions_anchors_by_hand():
    """P3 of 800 x 800; sides 32, 40 (of 40.3) and 50 (of 50.8); 32 at 1:2 is 45.25 x 22.6."""
    params = FAMILIES["torchvision"].anchors
    cell = params.cell(0).tolist()
    assert cell[0] == [-23, -11, 23, 11]
    assert cell[3:6] == [[-16, -16, 16, 16], [-20, -20, 20, 20], [-25, -25, 25, 25]]
    assert cell[6] == [-11, -23, 11, 23]
    # 800 // 13 and 800 // 7, which P6 and P7 of a canvas of 800 have
    assert params.stride(3, (800, 800), (13, 13)) == (61, 61)
    assert params.stride(4, (800, 1088), (7, 9)) == (114, 120)
    halves = AnchorParameters((101,), (8,), (1,), (1, 103 / 101), rounding="whole").cell(0)
    assert halves.tolist() == [[-50, -50, 50, 50], [-52, -52, 52, 52]]  # 50.5 and 51.5 to even


def test_odtks_anchors_by_hand():
    """Scale outermost; ratio 2 of a cell of 8 is round(5.66) = 6 by 12, four times that at 32."""
    cell = FAMILIES["odtk"].anchors.cell(0)
    assert cell[:3].tolist() == [[-16, -16, 15, 15], [-12, -24, 11, 23], [-22, -12, 21, 11]]
    growth = 2 ** (1 / 3)
    expected = [-12 * growth, -24 * growth, 12 * growth - 1, 24 * growth - 1]
    np.testing.assert_allclose(cell[4], expected, rtol=1e-6)


def test_detectron2s_anchors_by_hand():
    """Scale outermost: at 32, ratio 2 is 22.63 wide and 45.25 high."""
    cell = FAMILIES["detectron2"].anchors.cell(0)
    np.testing.assert_allclose(cell[0], [-22.63, -11.31, 22.63, 11.31], atol=0.01)
    np.testing.assert_allclose(cell[1], [-16, -16, 16, 16])
    np.testing.assert_allclose(cell[2], [-11.31, -22.63, 11.31, 22.63], atol=0.01)
    np.testing.assert_allclose(cell[4], np.multiply(cell[1], 2 ** (1 / 3)), rtol=1e-6)


# Box coding. Anchors of width 10 and height 20, centred on (5, 10); with a pixel of 1 their last
# column and row are 9 and 19.
HALF, DOUBLE = math.log(0.5), math.log(2)
STD_1 = (1.0,) * 4
CODINGS = {
    # corner deltas 1, -1, 2, 0.5 times 0.2 times (10, 20)
    "corners": (BoxCoder(), (0, 0, 10, 20), (1, -1, 2, 0.5), (2, -4, 14, 22)),
    # centre (5 + 5, 10 - 5), 20 wide, 10 high
    "centres": (
        BoxCoder("centres", std=STD_1),
        (0, 0, 10, 20),
        (0.5, -0.25, DOUBLE, HALF),
        (0, 0, 20, 10),
    ),
    "centres and a pixel": (
        BoxCoder("centres", std=STD_1, pixel=1.0),
        (0, 0, 9, 19),
        (0.5, -0.25, DOUBLE, HALF),
        (0, 0, 19, 9),
    ),
    # deltas * 0.5 + 0.5 = 0.5, -0.25, log 2, log 0.5
    "mean and deviation": (
        BoxCoder("centres", (0.5,) * 4, (0.5,) * 4),
        (0, 0, 10, 20),
        (0.0, -1.5, 2 * (DOUBLE - 0.5), 2 * (HALF - 0.5)),
        (0, 0, 20, 10),
    ),
}


@pytest.mark.parametrize("name", CODINGS)
def test_boxes_by_hand(name):
    coder, anchor, deltas, box = CODINGS[name]
    anchor, deltas, box = (ops.convert_to_tensor(np.float32([v])) for v in (anchor, deltas, box))
    np.testing.assert_allclose(array(coder.decode(deltas, anchor)), array(box), atol=1e-4)
    np.testing.assert_allclose(array(coder.encode(box, anchor)), array(deltas), atol=1e-5)


def test_growth_is_clamped_at_62_and_a_half_and_shrinking_is_not():
    deltas = ops.convert_to_tensor(np.float32([[0, 0, 9, -9]]))
    anchor = ops.convert_to_tensor(np.float32([[0, 0, 16, 16]]))
    clamped = BoxCoder("centres", std=STD_1, clamp=LARGEST_GROWTH).decode(deltas, anchor)
    half = 8 * math.exp(-9)
    np.testing.assert_allclose(array(clamped), [[-492, 8 - half, 508, 8 + half]], rtol=1e-5)
    free = array(BoxCoder("centres", std=STD_1).decode(deltas, anchor))
    np.testing.assert_allclose(free[0, 2], 8 + 8 * math.exp(9), rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_decoding_equals_loops_and_undoes_its_encoding(family):
    profile = FAMILIES[family]
    rng = np.random.default_rng(0)
    low = rng.uniform(-20, 200, (30, 2))
    anchor = np.concatenate([low, low + rng.uniform(5, 90, (30, 2))], axis=1).astype(np.float32)
    deltas = rng.normal(0, 1.5, (30, 4)).astype(np.float32)
    found = array(
        profile.coder.decode(ops.convert_to_tensor(deltas), ops.convert_to_tensor(anchor))
    )
    pairs = zip(deltas.astype(float), anchor.astype(float), strict=True)
    expected = [slow_families.decode(*pair, profile) for pair in pairs]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    again = profile.coder.encode(ops.convert_to_tensor(found), ops.convert_to_tensor(anchor))
    small = np.abs(deltas[:, 2:]).max(axis=1) < 3  # no clamp
    np.testing.assert_allclose(array(again)[small], deltas[small], atol=2e-3)


# Preprocessing of the levels blue 10, green 20, red 30: (x * scale - mean) / std in the network's
# order of channels.
PREPROCESSED = {
    "caffe": (10 - 103.939, 20 - 116.779, 30 - 123.68),
    "tf": (10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1),
    "tf_rgb": (30 / 127.5 - 1, 20 / 127.5 - 1, 10 / 127.5 - 1),
    "torch": (
        (10 / 255 - 0.406) / 0.225,
        (20 / 255 - 0.456) / 0.224,
        (30 / 255 - 0.485) / 0.229,
    ),
    "torch_rgb": (
        (30 / 255 - 0.485) / 0.229,
        (20 / 255 - 0.456) / 0.224,
        (10 / 255 - 0.406) / 0.225,
    ),
    "levels": (10, 20, 30),
    "levels_rgb": (30, 20, 10),
    "detectron2": (10 - 103.53, 20 - 116.28, 30 - 123.675),
    "mmdetection": (
        (30 - 123.675) / 58.395,
        (20 - 116.28) / 57.12,
        (10 - 103.53) / 57.375,
    ),
}


def test_every_preprocessing_has_a_row():
    assert set(PREPROCESSED) == set(PREPROCESSINGS)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", PREPROCESSED)
def test_preprocessing_by_hand_on_host_and_device(name, dtype):
    image = np.broadcast_to(np.array([10, 20, 30], dtype), (2, 3, 3))
    host = preprocess_image(image, mode=name)
    assert host.dtype == np.float32
    np.testing.assert_allclose(host, np.broadcast_to(PREPROCESSED[name], (2, 3, 3)), rtol=1e-5)
    device = array(normalised(ops.convert_to_tensor(image.copy())[None], name))
    np.testing.assert_allclose(device[0], host, rtol=1e-5, atol=1e-5)
    turned = ops.convert_to_tensor(image[..., ::-1].copy())[None]
    np.testing.assert_allclose(
        array(normalised(turned, name, order="rgb"))[0], host, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "change",
    [{"order": "rgb"}, {"scale": 0.5}, {"mean": (1.0, 2.0, 4.0)}, {"std": (1.0, 2.0, 4.0)}],
    ids=str,
)
def test_each_field_of_the_preprocessing_changes_the_input(change):
    plain = Preprocessing("bgr", 1.0, (1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    changed = replace(plain, **change)
    image = np.full((1, 2, 2, 3), (10, 20, 30), np.uint8)
    assert np.abs(preprocess_image(image, plain) - preprocess_image(image, changed)).max() > 0.3
