"""1.0's detectors on backbones of other libraries: SE networks by number, EfficientNet by name."""

import json

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.senet import PREACTIVATED
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from tests.backends import array
from tests.weights import keras2_file, keras2_senet

SMALL = {"pyramid_features": 8, "head_features": 8, "head_layers": 1}
IN_ORDER = "taken in the order of their numbers, which only shapes confirm"
EVEN_ONLY = "are equal where height and width are multiples of 32"
SENETS = [
    "seresnet18",
    "seresnet50",
    "seresnext50",
    *(
        pytest.param(name, marks=pytest.mark.heavy)
        for name in ("seresnet34", "seresnet101", "seresnet152", "seresnext101", "senet154")
    ),
]
EFFICIENTNETS = [
    "EfficientNetB0",
    "EfficientNetB1",
    *(pytest.param(f"EfficientNetB{number}", marks=pytest.mark.heavy) for number in range(2, 8)),
]
STRIDED = ("stem_conv", *(f"block{block}a_dwconv" for block in (2, 3, 4, 6)))


def network_on(name):
    network = models.backbone(name).retinanet(3, **SMALL)
    network = keras2_file.randomise(network)
    for layer in network.layers:  # a small last scale of each block, or values overflow
        if layer.name.startswith("bn") and layer.name.endswith("branch2c"):
            layer.gamma.assign(0.3 * layer.gamma)
    return network


def numbered_layers(network):
    """Return what 1.0 stored of a network on an SE backbone."""
    gone = keras2_senet.numbered_names(network)
    stored = keras2_file.stored_layers(network)
    named = {name: weights for name, weights in stored.items() if name not in gone}
    return keras2_senet.numbered(network) | named


def assert_equal(loaded, written):
    for ours, theirs in zip(loaded.weights, written.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs), err_msg=ours.path)
    picture = np.random.default_rng(1).normal(0, 1, (1, 96, 65, 3)).astype("float32")
    for ours, theirs in zip(loaded(picture), written(picture), strict=True):
        assert np.isfinite(array(theirs)).all()
        np.testing.assert_array_equal(array(ours), array(theirs))


def load(path):
    with pytest.warns(UserWarning, match=IN_ORDER):
        return models.load_model(path)


@pytest.mark.parametrize("name", SENETS)
def test_a_detector_on_an_se_network_is_told_by_its_numbered_layers_and_loads(name, tmp_path):
    written = network_on(name)
    loaded = load(keras2_file.write_layers(tmp_path / "old.h5", numbered_layers(written)))
    assert profile_of(loaded).backbone == name
    assert_equal(loaded, written)
    # 1.0 gave blue-first pictures to the library's function, which took them for red first
    red_first, found = PREPROCESSINGS["torch_rgb"], profile_of(loaded).preprocessing
    as_red = (found.order, found.scale, found.mean, found.std)
    small = found == PREPROCESSINGS["levels"]
    expected = ("bgr", 1 / 255, red_first.mean, red_first.std)
    assert small if name in PREACTIVATED else as_red == expected


@pytest.fixture(scope="module")
def seresnet18():
    return network_on("seresnet18")


@pytest.fixture(scope="module")
def seresnet50():
    return network_on("seresnet50")


def test_an_inference_model_on_an_se_network_is_a_detector(seresnet18, tmp_path):
    stored = numbered_layers(seresnet18) | {"filtered_detections": {}, "anchors_0": {}}
    loaded = load(keras2_file.write_layers(tmp_path / "old.h5", stored))
    assert not models.is_network(loaded)
    picture = np.random.default_rng(1).normal(0, 1, (1, 96, 65, 3)).astype("float32")
    truth = models.convert_model(seresnet18)
    for ours, theirs in zip(loaded(picture), truth(picture), strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))


def refusal(path, **options):
    with pytest.raises(WeightsError) as caught:
        models.load_model(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbered_layers_of_no_se_network_ask_for_the_backbone(seresnet50, tmp_path):
    stored = numbered_layers(seresnet50)
    del stored["conv2d_9"]
    path = keras2_file.write_layers(tmp_path / "old.h5", stored)
    assert "Name it with --backbone" in refusal(path)


def test_numbered_layers_of_other_shapes_are_named_by_our_layers(seresnet50, tmp_path):
    stored = numbered_layers(seresnet50)
    stored["conv2d_9"] = {"conv2d_9/kernel:0": np.ones((3, 3, 64, 60), "float32")}
    message = refusal(keras2_file.write_layers(tmp_path / "old.h5", stored))
    assert "skipped res2a_branch2b: the file has [(3, 3, 64, 60)]" in message


def test_a_further_numbered_layer_on_a_small_se_network_is_refused(seresnet18, tmp_path):
    stored = numbered_layers(seresnet18)
    stored["conv2d_99"] = {"conv2d_99/kernel:0": np.ones((1, 1, 8, 8), "float32")}
    assert "not in the model: conv2d_99" in refusal(
        keras2_file.write_layers(tmp_path / "old.h5", stored)
    )


def as_the_library(config):
    """Change the configuration of our EfficientNet into that of the library of 1.0."""
    for entry in config["config"]["layers"]:
        if entry["name"] in STRIDED:
            entry["config"]["padding"] = "same"
        if entry["config"].get("activation") == "silu":
            entry["config"]["activation"] = "swish"
    return config


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "weights only"])
@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_a_detector_on_efficientnet_loads_by_name(name, whole, tmp_path):
    written = network_on(name)
    config = as_the_library(keras2_file.keras2_config(json.loads(written.to_json())))
    path = keras2_file.write_layers(
        tmp_path / "old.h5", keras2_file.stored_layers(written), config if whole else None
    )
    with pytest.warns(UserWarning, match=EVEN_ONLY):
        loaded = models.load_model(path)
    assert profile_of(loaded).backbone == name
    assert profile_of(loaded).preprocessing.mean == PREPROCESSINGS["torch_rgb"].mean
    assert_equal(loaded, written)


def test_same_padding_equals_ours_on_multiples_of_32_alone():
    """The sentence of the warning, on a 3x3 and a 5x5 of stride 2."""
    rng = np.random.default_rng(0)
    for size in (3, 5):
        kernel = rng.normal(size=(size, size, 2, 1)).astype("float32")
        low, high = size // 2 - 1, size // 2
        for side, equal in ((32, True), (33, False)):
            x = rng.normal(size=(1, side, side, 2)).astype("float32")
            same = array(keras.ops.depthwise_conv(x, kernel, 2, "same"))
            ours = np.pad(x, ((0, 0), (low, high), (low, high), (0, 0)))
            ours = array(keras.ops.depthwise_conv(ours, kernel, 2, "valid"))
            assert (ours.shape == same.shape and np.allclose(ours, same, atol=1e-5)) == equal


def test_another_padding_of_efficientnet_is_refused(tmp_path):
    written = network_on("EfficientNetB0")
    config = as_the_library(keras2_file.keras2_config(json.loads(written.to_json())))
    for entry in config["config"]["layers"]:
        if entry["name"] == "block3a_dwconv_pad":
            entry["config"]["padding"] = [[2, 2], [2, 2]]
        if entry["name"] == "block3a_dwconv":
            entry["config"]["padding"] = "valid"
    stored = keras2_file.stored_layers(written)
    path = keras2_file.write_layers(tmp_path / "old.h5", stored, config)
    assert "layer block3a_dwconv has padding ((2, 2), (2, 2))" in refusal(path)
