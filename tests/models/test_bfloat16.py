"""A network set to compute in bfloat16 is one that was built so."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.bfloat16 import computing_in_bfloat16
from keras_retinanet.models.retinanet import backbone_layers
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.families import FAMILIES
from tests.backends import array
from tests.models.tiny import tiny_network

SMALL = {"classes": ("a", "b"), "pyramid_features": 32, "head_features": 32, "head_layers": 1}


def policies(network):
    """Return [(kind, what it computes in)] of layers, but of inputs and of models in models."""
    return [
        (type(layer).__name__, layer.compute_dtype)
        for layer in network._flatten_layers()
        if not isinstance(layer, (keras.layers.InputLayer, keras.Model))
    ]


@pytest.mark.parametrize(
    ("backbone", "family"),
    [
        ("resnet18", "fizyr"),
        ("resnet18", "torchvision_v2"),  # with norms in its heads
        ("resnet18", "detectron2"),  # which pads by itself
        ("densenet121", "fizyr"),
        ("seresnet18", "fizyr"),
    ],
)
def test_layers_compute_as_in_a_network_that_was_built_so(backbone, family):
    profile = replace(FAMILIES[family], backbone=backbone, **SMALL)
    network = models.backbone(backbone).retinanet(2, profile=profile)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        built = models.backbone(backbone).retinanet(2, profile=profile)
    finally:
        keras.config.set_dtype_policy("float32")
    changed = computing_in_bfloat16(network, own=True)
    assert changed is network
    assert policies(changed) == policies(built)
    assert {dtype for _, dtype in policies(changed)} == {"bfloat16", "float32"}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's are slow")
def test_a_backbone_with_depthwise_convolutions_stays_float32():
    network = models.backbone("mobilenet128_0.25").retinanet(2, pyramid_features=8, head_layers=1)
    changed = computing_in_bfloat16(network, own=True)
    in_backbone = {id(layer) for layer in backbone_layers(changed)}
    assert {layer.compute_dtype for layer in backbone_layers(changed)} == {"float32"}
    convolutions = [
        layer
        for layer in changed._flatten_layers()
        if isinstance(layer, keras.layers.Conv2D) and id(layer) not in in_backbone
    ]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"} and convolutions


@pytest.mark.numerics
def test_a_copy_computes_nearly_the_same_and_the_network_stays_exact():
    network = tiny_network()
    rng = np.random.default_rng(0)
    for weight in network.weights:  # as large as they keep the spread of what goes through
        weight.assign(rng.normal(0, np.prod(weight.shape[:-1] or (1,)) ** -0.5, weight.shape))
    images = rng.normal(0, 1, (1, 64, 96, 3)).astype(np.float32)
    before = [array(output) for output in network(images)]
    low = computing_in_bfloat16(network)
    assert profile_of(low) is profile_of(network)
    assert {weight.dtype for weight in low.weights} == {"float32"}
    for exact, after, near in zip(before, network(images), low(images), strict=True):
        np.testing.assert_array_equal(array(after), exact)
        assert keras.backend.standardize_dtype(near.dtype) == "float32"
        error = np.abs(array(near) - exact).max() / np.abs(exact).max()
        assert 1e-5 < error < 0.03
