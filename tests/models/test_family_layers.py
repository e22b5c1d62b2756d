"""The switches of pyramid and heads against slow convolutions and group norms."""

import keras
import numpy as np
import pytest

from keras_retinanet.models.heads import (
    default_classification_model,
    default_regression_model,
    group_norm,
)
from keras_retinanet.models.pyramid import create_pyramid_features
from tests.backends import array
from tests.models import slow_families
from tests.models.tiny import draw_weights

pytestmark = pytest.mark.numerics

WIDTH = 4
CLASSES = 3

# The pyramid.


def pyramid(sides, **options):
    """Return features [H, W, 4] of C5 and the pyramid's tensors with drawn weights, and them."""
    inputs = {
        f"C{level}": keras.Input((None, None, WIDTH), name=f"C{level}") for level in (3, 4, 5)
    }
    made = create_pyramid_features(inputs, (3, 4, 5, 6, 7), WIDTH, **options)
    model = keras.Model(inputs, made)
    draw_weights(model, 0.4)
    rng = np.random.default_rng(2)
    height, width = sides
    features = {
        f"C{level}": rng.normal(
            0, 1, (1, height << (5 - level), width << (5 - level), WIDTH)
        ).astype(np.float32)
        for level in (3, 4, 5)
    }
    outputs = {name: array(value)[0] for name, value in model(features).items()}
    return features["C5"][0], outputs, model


PYRAMIDS = {
    "1.0": {},
    "from P5": {"p6_from": "P5"},
    "padded by 1": {"p6_padding": 1},
    "no ReLU": {"p7_relu": False},
    "torchvision": {"p6_from": "P5", "p6_padding": 1},
    "mmdetection": {"p6_padding": 1, "p7_relu": False},
}


@pytest.mark.parametrize("sides", [(6, 8), (5, 7), (6, 5)], ids=str)
@pytest.mark.parametrize("name", PYRAMIDS)
def test_p6_and_p7_equal_slow_convolutions(name, sides):
    options = {"p6_from": "C5", "p6_padding": "same", "p7_relu": True, **PYRAMIDS[name]}
    c5, outputs, model = pyramid(sides, **options)

    def halved(features, level):
        kernel, bias = (array(value) for value in model.get_layer(level).weights)
        return slow_families.convolved(features, kernel, bias, 2, options["p6_padding"])

    p6 = halved(c5 if options["p6_from"] == "C5" else outputs["P5"], "P6")
    np.testing.assert_allclose(outputs["P6"], p6, rtol=1e-4, atol=1e-5)
    p7 = halved(np.maximum(p6, 0) if options["p7_relu"] else p6, "P7")
    np.testing.assert_allclose(outputs["P7"], p7, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["from P5", "padded by 1", "no ReLU"])
def test_each_switch_of_the_pyramid_changes_p7(name):
    before, after = (pyramid((6, 8), **PYRAMIDS[kind])[1]["P7"] for kind in ("1.0", name))
    assert np.abs(before - after).max() > 0.1


def test_padding_by_1_and_same_agree_where_every_side_is_odd():
    """P5 5 x 9, P6 3 x 5: why a parity check at 800 alone cannot tell the two apart."""
    same, by_1 = (pyramid((5, 9), p6_padding=padding)[1] for padding in ("same", 1))
    for level in ("P6", "P7"):
        np.testing.assert_allclose(same[level], by_1[level], atol=1e-5)


# The heads.

FEATURES = np.random.default_rng(3).normal(0.5, 0.05, (1, 5, 6, WIDTH)).astype(np.float32)


def heads(norm):
    """Return class scores and deltas of `FEATURES` by heads of two hidden layers, and the heads."""
    classification = default_classification_model(
        CLASSES, 2, WIDTH, classification_feature_size=8, num_layers=2, norm=norm
    )
    regression = default_regression_model(
        4, 2, WIDTH, regression_feature_size=8, num_layers=2, norm=norm
    )
    for model in (classification, regression):
        draw_weights(model, 0.1, mean=0.1)
    return classification, regression


def slow_head(model, prefix, norm):
    """Return the output [h * w * A, …] of a head, before any sigmoid."""
    x = FEATURES[0]
    for index in range(2):
        layer = model.get_layer(f"{prefix}_{index}")
        kernel = array(layer.kernel)
        bias = array(layer.bias) if layer.use_bias else 0.0
        x = slow_families.convolved(x, kernel, bias, 1, 1)
        if norm is not None:
            gamma, beta = (array(v) for v in model.get_layer(f"{prefix}_{index}_norm").weights)
            x = slow_families.group_normed(x, *norm, gamma, beta)
        x = np.maximum(x, 0)
    kernel, bias = (array(value) for value in model.get_layer(prefix).weights)
    return slow_families.convolved(x, kernel, bias, 1, 1)


NORMS = {"none": None, "4 groups": (4, 1e-5), "2 groups": (2, 1e-5), "4 groups, 1e-3": (4, 1e-3)}


@pytest.mark.parametrize("name", NORMS)
def test_heads_equal_slow_convolutions_and_group_norms(name):
    norm = NORMS[name]
    classification, regression = heads(norm and group_norm(*norm))
    logits = slow_head(classification, "pyramid_classification", norm).reshape(-1, CLASSES)
    scores = array(classification(FEATURES))[0]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), rtol=1e-3)
    deltas = slow_head(regression, "pyramid_regression", norm).reshape(-1, 4)
    np.testing.assert_allclose(array(regression(FEATURES))[0], deltas, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["none", "2 groups", "4 groups, 1e-3"])
def test_norm_groups_and_epsilon_each_change_the_scores(name):
    before, after = (
        array(heads(norm and group_norm(*norm))[1](FEATURES))
        for norm in (NORMS["4 groups"], NORMS[name])
    )
    assert np.abs(before - after).max() > 0.001
