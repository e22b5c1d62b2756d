"""ResNet and its relatives give what the same network in torch gives; each switch counts."""

import tempfile

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.by_name import set_all
from keras_retinanet.models.resnet import RESNETS, ResNetStyle, build_resnet
from keras_retinanet.weights.torch_backbones import match_torch_backbone
from tests.backends import array

torch = pytest.importorskip("torch")
from tests.models.torch_resnet import TorchResNet, randomised, torch_outputs  # noqa: E402

SIZES = ((64, 96), (65, 97), (66, 63))  # even, odd, and one of each
TORCH = {"conv1_padding": 3, "pool_padding": 1, "stride_in": "3x3", "epsilon": 1e-5}
# name: arguments of the network in torch
CASES = {
    "resnet18": {"blocks": (2, 2, 2, 2), "bottleneck": False},
    "resnet18d": {"blocks": (2, 2, 2, 2), "bottleneck": False, "deep": True},
    "resnext50_32x4d": {"blocks": (3, 4, 6, 3), "groups": 32, "width": 128},
}
HEAVY_CASES = {
    "resnet50": {"blocks": (3, 4, 6, 3)},
    "resnet34": {"blocks": (3, 4, 6, 3), "bottleneck": False},
    "resnet101": {"blocks": (3, 4, 23, 3)},
    "resnet152": {"blocks": (3, 8, 36, 3)},
    "resnet34d": {"blocks": (3, 4, 6, 3), "bottleneck": False, "deep": True},
    "resnet50d": {"blocks": (3, 4, 6, 3), "deep": True},
    "resnet101d": {"blocks": (3, 4, 23, 3), "deep": True},
    "resnet152d": {"blocks": (3, 8, 36, 3), "deep": True},
    "resnext101_32x4d": {"blocks": (3, 4, 23, 3), "groups": 32, "width": 128},
    "resnext101_32x8d": {"blocks": (3, 4, 23, 3), "groups": 32, "width": 256},
    "resnext101_64x4d": {"blocks": (3, 4, 23, 3), "groups": 64, "width": 256},
    "wide_resnet50_2": {"blocks": (3, 4, 6, 3), "width": 128},
    "wide_resnet101_2": {"blocks": (3, 4, 23, 3), "width": 128},
}
ON_EVERY_BACKEND = {"resnet18d": pytest.mark.numerics}
ALL = [
    *(pytest.param(*item, marks=ON_EVERY_BACKEND.get(item[0], ())) for item in CASES.items()),
    *(pytest.param(*item, marks=pytest.mark.heavy) for item in HEAVY_CASES.items()),
]


def images(height, width, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (1, height, width, 3)).astype(np.float32)


def pair(name, case, style=None, **theirs):
    """Return our network and torch's of equal random weights, ready for inference."""
    truth = randomised(TorchResNet(**case, **theirs))
    ours = build_resnet(keras.Input((None, None, 3)), name, **(TORCH | (style or {})))
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(truth.state_dict(), file.name)
        set_all(file.name, match_torch_backbone(file.name, ours, name))
    return ours, truth


def largest_difference(ours, truth, x):
    """Return max|a-b| / max|a| over the four stages, and inf where sizes differ."""
    worst = 0.0
    for found, expected in zip(ours(x), torch_outputs(truth, x), strict=True):
        found = array(found)
        if found.shape != expected.shape:
            return np.inf
        worst = max(worst, float(np.abs(found - expected).max() / np.abs(expected).max()))
    return worst


@pytest.mark.parametrize(("name", "case"), ALL)
def test_every_member_equals_torch_on_even_and_odd_sizes(name, case):
    style = {"conv1_padding": 1} if case.get("deep") else {}
    ours, truth = pair(name, case, style)
    for size in SIZES:
        assert largest_difference(ours, truth, images(*size)) <= 1e-4


def test_all_members_are_compared():
    assert CASES.keys() | HEAVY_CASES.keys() == RESNETS.keys()


@pytest.mark.parametrize("name", [name for name in RESNETS if name[6:] not in ("50", "101", "152")])
def test_members_that_1_0_did_not_have_are_built_as_torch_trained_them(name):
    deep = (
        {"conv1_padding": 1} if name.endswith("d") and "x4" not in name and "x8" not in name else {}
    )
    assert RESNETS[name].style == ResNetStyle(**TORCH | deep)


# Switches: the style that torch's network has is the only one that equals it.

FLIPS = {"conv1_padding": "same", "pool_padding": "same", "epsilon": 0.0}


@pytest.fixture(scope="module")
def small():
    return pair("resnet18", CASES["resnet18"])


@pytest.mark.parametrize(("switch", "value"), FLIPS.items(), ids=FLIPS)
def test_each_switch_changes_the_result_when_flipped(small, switch, value):
    ours, truth = small
    flipped = build_resnet(keras.Input((None, None, 3)), "resnet18", **TORCH | {switch: value})
    flipped.set_weights(ours.get_weights())
    # an epsilon of 1e-5 beside variances about 1: 5e-6 in each of the 20 batch norms
    least = 1e-5 if switch == "epsilon" else 1e-2
    assert largest_difference(flipped, truth, images(64, 64)) > least
    assert largest_difference(ours, truth, images(64, 64)) < 5e-6


@pytest.mark.parametrize(("stride_in", "other"), [("1x1", "3x3"), ("3x3", "1x1")])
def test_a_bottleneck_strides_where_the_style_says(stride_in, other):
    case = HEAVY_CASES["resnet50"]
    ours, truth = pair("resnet50", case, {"stride_in": stride_in}, stride_in=stride_in)
    flipped = build_resnet(keras.Input((None, None, 3)), "resnet50", **TORCH | {"stride_in": other})
    flipped.set_weights(ours.get_weights())
    assert largest_difference(ours, truth, images(66, 63)) <= 1e-4
    assert largest_difference(flipped, truth, images(66, 63)) > 1e-2


def test_epsilon_zero_equals_torch_with_epsilon_zero():
    ours, truth = pair("resnet18", CASES["resnet18"], {"epsilon": 0.0}, epsilon=0.0)
    assert largest_difference(ours, truth, images(65, 64)) <= 1e-4


def test_same_padding_differs_from_torch_on_even_sides_only():
    style = {"pool_padding": "same"}
    ours, truth = pair("resnet18", CASES["resnet18"], style)
    assert largest_difference(ours, truth, images(65, 65)) <= 1e-4
    assert largest_difference(ours, truth, images(64, 64)) > 1e-2


BAD = {
    "conv1_padding": "valid",
    "pool_padding": -1,
    "stride_in": "2x2",
}


@pytest.mark.parametrize(("switch", "value"), BAD.items())
def test_a_style_that_cannot_be_is_refused(switch, value):
    with pytest.raises(ValueError, match=f"{switch} must be .* Received: {value!r}"):
        models.backbone("resnet50").build(keras.Input((None, None, 3)), **{switch: value})
