"""Squeeze-and-excitation networks: their structure, their arithmetic, their old files."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from tests.backends import array
from tests.weights import keras2_file
from tests.weights.keras2_senet import numbered

SMALL = {"pyramid_features": 8, "head_features": 8, "head_layers": 1}

# name: parameters of image-classifiers 1.0.0 without top, and channels of C3 to C5
NETWORKS = {
    "seresnet18": (11_275_969, (128, 256, 512)),
    "seresnet34": (21_463_669, (128, 256, 512)),
    "seresnet50": (26_092_144, (512, 1024, 2048)),
    "seresnext50": (25_579_120, (512, 1024, 2048)),
    "senet154": (113_287_536, (512, 1024, 2048)),
}
MARKED = [
    pytest.param(name, marks=pytest.mark.heavy if name == "senet154" else ()) for name in NETWORKS
]


def build(name):
    return models.backbone(name).build(keras.Input((None, None, 3)))


@pytest.mark.parametrize("name", MARKED)
def test_se_networks_have_the_parameters_and_taps_of_the_library(name):
    parameters, channels = NETWORKS[name]
    model, taps = build(name)
    assert model.count_params() == parameters
    assert tuple(taps[level].shape[-1] for level in ("C3", "C4", "C5")) == channels
    probe = keras.Model(model.input, [taps[level] for level in ("C3", "C4", "C5")])
    found = probe.compute_output_spec(keras.KerasTensor((1, 97, 65, 3), "float32"))
    assert [spec.shape[1:3] for spec in found] == [(13, 9), (7, 5), (4, 3)]  # rounded up


def test_the_excitation_scales_each_channel_by_its_gate():
    model = keras2_file.randomise(build("seresnet18")[0])
    name = "stage1_unit1_se"
    before = model.get_layer(f"{name}_excite").input[0]
    probe = keras.Model(model.input, [before, model.get_layer(f"{name}_excite").output])
    picture = np.random.default_rng(0).normal(size=(2, 33, 40, 3)).astype(np.float32)
    x, excited = (array(value) for value in probe(picture))
    weights = [
        array(w) for part in ("reduce", "expand") for w in model.get_layer(f"{name}_{part}").weights
    ]
    hidden = np.maximum(x.mean((1, 2)) @ weights[0][0, 0] + weights[1], 0)  # [B, C / 16]
    gate = 1 / (1 + np.exp(-(hidden @ weights[2][0, 0] + weights[3])))  # [B, C]
    np.testing.assert_allclose(excited, x * gate[:, None, None], rtol=1e-5, atol=1e-6)


def test_se_resnets_of_18_and_34_layers_scale_levels_inside():
    assert models.backbone("seresnet34").family.preprocessing == PREPROCESSINGS["levels"]
    assert models.backbone("seresnet50").family.preprocessing == PREPROCESSINGS["torch"]


@pytest.fixture(scope="module")
def seresnext50():
    return keras2_file.randomise(build("seresnext50")[0])


def test_a_file_whose_layers_are_numbered_loads_by_their_numbers(seresnext50, tmp_path):
    stored = numbered(seresnext50)
    assert len(stored) > 500  # one convolution for each of 32 groups
    path = keras2_file.write_layers(tmp_path / "se.h5", stored)
    with pytest.warns(UserWarning, match="numbered, not named"):
        network = models.backbone("seresnext50").retinanet(2, backbone_weights=path, **SMALL)
    checked = 0
    for layer in [layer for layer in seresnext50.layers if layer.weights]:
        for one, other in zip(layer.weights, network.get_layer(layer.name).weights, strict=True):
            turned = array(one)[:, :, ::-1] if layer.name == "conv1" else array(one)
            np.testing.assert_array_equal(array(other), turned, err_msg=layer.name)
            checked += 1
    assert checked == len(seresnext50.weights)


def test_a_numbered_file_of_another_se_network_is_refused(seresnext50, tmp_path):
    stored = numbered(seresnext50)
    path = keras2_file.write_layers(tmp_path / "se.h5", stored)
    with (
        pytest.warns(UserWarning, match="numbered, not named"),
        pytest.raises(WeightsError, match="does not fit seresnet50"),
    ):
        models.backbone("seresnet50").retinanet(2, backbone_weights=path, **SMALL)


def test_the_norm_before_the_first_convolution_is_turned_round_too(tmp_path):
    model = keras2_file.randomise(build("seresnet18")[0])
    model.save_weights(tmp_path / "se.weights.h5")
    network = models.backbone("seresnet18").retinanet(
        2, backbone_weights=tmp_path / "se.weights.h5", **SMALL
    )
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 65, 3)).astype(np.float32)
    last = keras.Model(network.input, network.get_layer("C5_reduced").input)
    found, expected = array(last(picture)), array(model(picture[..., ::-1]))
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    wrong = array(model(picture))
    assert np.abs(wrong - expected).max() > 1e-2 * np.abs(expected).max()
