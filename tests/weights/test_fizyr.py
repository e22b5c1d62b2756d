"""Files of keras-retinanet 0.5 to 1.0 load whole, without being told anything, or not at all."""

import json

import h5py
import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.by_name import load_by_name
from keras_retinanet.models.snapshot import SnapshotError, profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from keras_retinanet.weights.fizyr import load_fizyr
from tests.weights import keras2_file

SMALL = {"pyramid_features": 16, "head_features": 12, "head_layers": 2}
SIX = AnchorParameters((20, 40, 80, 160, 320), (8, 16, 32, 64, 128), (0.5, 1, 2), (1, 1.25))
BACKBONES = [
    ("mobilenet224_0.25", "tf"),
    ("mobilenet224_0.5", "tf"),
    ("resnet50", "caffe"),
    ("vgg16", "caffe"),
    ("densenet121", "tf"),
    *(
        pytest.param(*case, marks=pytest.mark.heavy)
        for case in (
            ("resnet101", "caffe"),
            ("resnet152", "caffe"),
            ("vgg19", "caffe"),
            ("densenet169", "tf"),
            ("densenet201", "tf"),
            ("mobilenet224_0.75", "tf"),
            ("mobilenet224_1.0", "tf"),
        )
    ),
]


def small_network(backbone="mobilenet224_0.25", num_classes=3, **options):
    made = models.backbone(backbone).retinanet(num_classes, **(SMALL | options))
    return keras2_file.randomise(made)


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def picture(height=65, width=97):
    return np.random.default_rng(1).normal(0, 1, (1, height, width, 3)).astype("float32")


def assert_same_outputs(found, wanted):
    for ours, theirs in zip(found(picture()), wanted(picture()), strict=True):
        assert np.array_equal(numpy(ours), numpy(theirs))


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture
def layers(network):
    """Return the layers of `network` as Keras 2 stores them, for a test to spoil."""
    return keras2_file.stored_layers(network)


def refusal(path, **options):
    """Return the message with which `path` is refused, which must be one line that names it."""
    with pytest.raises((WeightsError, SnapshotError)) as caught:
        load_fizyr(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize(("backbone", "preprocessing"), BACKBONES)
def test_the_backbone_is_found_and_every_weight_set(backbone, preprocessing, tmp_path):
    written = small_network(backbone)
    loaded = models.load_model(keras2_file.write_network(tmp_path / "old.h5", written))
    profile = profile_of(loaded)
    assert profile.backbone == backbone
    assert profile.preprocessing == PREPROCESSINGS[preprocessing]  # 1.0's, also for DenseNet
    assert profile.num_classes == 3
    for ours, theirs in zip(loaded.variables, written.variables, strict=True):
        assert np.array_equal(numpy(ours), numpy(theirs)), ours.path


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "weights only"])
@pytest.mark.parametrize("chunked", [True, False], ids=["names in chunks", "names in one"])
def test_a_training_model_gives_the_outputs_of_the_network_written(
    network, whole, chunked, tmp_path
):
    path = keras2_file.write_network(tmp_path / "old.h5", network, whole=whole, chunked=chunked)
    loaded = models.load_model(path)
    assert models.is_network(loaded)
    assert_same_outputs(loaded, network)


def test_batch_norm_of_a_loaded_network_is_frozen(network, tmp_path):
    loaded = models.load_model(keras2_file.write_network(tmp_path / "old.h5", network))
    assert not loaded.get_layer("conv1_bn").trainable
    for ours, theirs in zip(
        loaded(picture(), training=True), network(picture(), training=False), strict=True
    ):
        assert np.array_equal(numpy(ours), numpy(theirs))


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "weights only"])
def test_the_padding_of_resnets_first_convolution_is_the_files(whole, tmp_path):
    written = small_network("resnet50", backbone_options={"conv1_padding": "same"})
    path = keras2_file.write_network(tmp_path / "old.h5", written, whole=whole)
    loaded = models.load_model(path)
    assert "padding_conv1" not in {layer.name for layer in loaded.layers}
    assert loaded.get_layer("conv1").padding == "same"
    image = picture(64, 96)  # even: the two paddings differ
    for ours, theirs in zip(loaded(image), written(image), strict=True):
        assert np.array_equal(numpy(ours), numpy(theirs))


def test_resnet_pads_by_three_where_a_file_names_only_layers_with_weights(tmp_path):
    stored = keras2_file.stored_layers(small_network("resnet50"))
    stored = {name: weights for name, weights in stored.items() if weights}
    loaded = models.load_model(keras2_file.write_layers(tmp_path / "old.h5", stored))
    assert loaded.get_layer("padding_conv1").padding == ((3, 3), (3, 3))


def test_an_inference_model_gives_a_detector_with_the_files_anchors_and_thresholds(tmp_path):
    written = small_network(anchor_params=SIX)
    tail = keras2_file.inference_layers(
        SIX, nms_threshold=0.4, score_threshold=0.3, max_detections=20, class_specific_filter=False
    )
    path = keras2_file.write_network(tmp_path / "old.h5", written, tail)
    loaded = models.load_model(path)
    profile = profile_of(loaded)
    assert profile.anchors.sizes == SIX.sizes
    assert np.array_equal(np.float32(profile.anchors.scales), np.float32(SIX.scales))
    assert (profile.nms_threshold, profile.score_threshold) == (0.4, 0.3)
    assert (profile.max_detections, profile.class_specific_filter) == (20, False)
    truth = models.convert_model(
        written,
        class_specific_filter=False,
        anchor_params=SIX,
        nms_threshold=0.4,
        score_threshold=0.3,
        max_detections=20,
    )
    assert (numpy(truth(picture())[1]) > 0).sum() == 20
    assert_same_outputs(loaded, truth)


def test_weights_alone_of_an_inference_model_give_a_detector_with_1_0s_anchors(network, tmp_path):
    tail = keras2_file.inference_layers(AnchorParameters.default)
    path = keras2_file.write_network(tmp_path / "old.h5", network, tail, whole=False)
    loaded = models.load_model(path)
    assert profile_of(loaded).anchors == AnchorParameters.default
    assert_same_outputs(loaded, models.convert_model(network))


def test_default_anchors_are_recognised_although_the_file_holds_float32(network, tmp_path):
    tail = keras2_file.inference_layers(AnchorParameters.default)
    path = keras2_file.write_network(tmp_path / "old.h5", network, tail)
    assert profile_of(models.load_model(path)).anchors == AnchorParameters.default


def test_levels_and_widths_are_those_of_the_shapes(tmp_path):
    anchors = AnchorParameters((32, 64, 128, 256), (8, 16, 32, 64))
    written = small_network(
        anchor_params=anchors, pyramid_levels=(3, 4, 5, 6), head_layers=0, num_classes=1
    )
    path = keras2_file.write_network(tmp_path / "old.h5", written)
    profile = profile_of(load_fizyr(path, anchor_params=anchors))
    assert (profile.levels, profile.num_classes, profile.head_layers) == ((3, 4, 5, 6), 1, 0)
    assert (profile.pyramid_features, profile.anchors) == (16, anchors)


def test_weights_of_frozen_head_layers_which_keras_2_wrote_last_find_their_layer(
    network, layers, tmp_path
):
    head = layers["classification_submodel"]
    frozen = [name for name in head if name.startswith("pyramid_classification_0/")]
    layers["classification_submodel"] = {
        name: head[name] for name in [*(n for n in head if n not in frozen), *frozen]
    }
    loaded = load_fizyr(keras2_file.write_layers(tmp_path / "old.h5", layers))
    assert_same_outputs(loaded, network)


def test_weights_that_tensorflow_1_numbered_anew_go_in_order(network, layers, tmp_path):
    layers["classification_submodel"] = {
        f"pyramid_classification_{10 + index // 2}/{name.split('/')[-1]}": array
        for index, (name, array) in enumerate(layers["classification_submodel"].items())
    }
    loaded = load_fizyr(keras2_file.write_layers(tmp_path / "old.h5", layers))
    assert_same_outputs(loaded, network)


def test_the_order_of_layers_is_of_no_account(network, layers, tmp_path):
    layers = dict(reversed(layers.items()))
    loaded = load_fizyr(keras2_file.write_layers(tmp_path / "old.h5", layers))
    assert_same_outputs(loaded, network)


def test_a_given_backbone_counts_only_for_mobilenets_number_of_rows(network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    given = {
        name: profile_of(load_fizyr(path, backbone_name=name)).backbone
        for name in ("resnet50", "mobilenet128_1.0", "mobilenet128_0.25")
    }
    assert given == {
        "resnet50": "mobilenet224_0.25",  # 1.0's default, which its scripts pass on
        "mobilenet128_1.0": "mobilenet224_0.25",
        "mobilenet128_0.25": "mobilenet128_0.25",
    }


def test_a_h5_that_keras_3_wrote_of_our_network_keeps_our_preprocessing(tmp_path):
    written = small_network("densenet121")
    path = tmp_path / "ours.h5"
    written.save(path)
    loaded = models.load_model(path)
    assert profile_of(loaded).preprocessing == PREPROCESSINGS["torch"]
    assert_same_outputs(loaded, written)


def test_a_tensor_that_is_missing_is_named(layers, tmp_path):
    del layers["conv_pw_7"]
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    message = refusal(path)
    assert "not in the file: conv_pw_7" in message
    assert "--weights" in message


def test_a_layer_to_spare_is_named(layers, tmp_path):
    layers["attention"] = {"attention/kernel:0": np.ones((2, 2), "float32")}
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    assert "not in the model: attention" in refusal(path)


def test_a_wrong_shape_is_named_with_both_shapes(layers, tmp_path):
    layers["conv_pw_7"] = {"conv_pw_7/kernel:0": np.ones((1, 1, 128, 100), "float32")}
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    message = refusal(path)
    assert "skipped conv_pw_7" in message
    assert "(1, 1, 128, 100)" in message
    assert "(1, 1, 128, 128)" in message


def test_numbers_that_are_not_finite_are_refused(layers, tmp_path):
    layers["P4"]["P4/bias:0"] = np.full(16, np.nan, "float32")
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    assert "P4/bias holds values that are no finite numbers" in refusal(path)


def test_a_head_of_another_depth_than_the_other_is_refused(layers, tmp_path):
    head = layers["regression_submodel"]
    layers["regression_submodel"] = {n: a for n, a in head.items() if "regression_1/" not in n}
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    assert "regression_submodel" in refusal(path)


def test_a_truncated_file_is_refused(network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    path.write_bytes(path.read_bytes()[:-5000])
    message = refusal(path)
    assert "truncated" in message


def test_a_file_that_names_weights_it_does_not_hold_is_refused(layers, tmp_path):
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    with h5py.File(path, "a") as file:
        del file["P4"]["P4/bias:0"]
    assert "damaged" in refusal(path)


def test_a_file_that_names_no_layers_is_refused(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(3)
    assert "names no layers" in refusal(path)


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"config": {"layers": [{"class_name": 3}]}}'], ids=repr
)
def test_a_model_config_that_is_none_does_no_harm_or_is_refused(network, text, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = text.encode()
    if text in ("[]", "7"):
        assert_same_outputs(load_fizyr(path), network)
    else:
        assert refusal(path)


def test_another_network_is_refused_as_no_retinanet(layers, tmp_path):
    backbone_alone = {name: layers[name] for name in ("conv1", "conv1_bn")}
    path = keras2_file.write_layers(tmp_path / "old.h5", backbone_alone)
    message = refusal(path)
    assert "not a RetinaNet" in message
    assert "--backbone-weights" in message


def test_an_unknown_backbone_asks_for_its_name_and_checks_it(layers, tmp_path):
    layers["stem"] = layers.pop("conv1")
    layers = {name: array for name, array in layers.items() if "_pw_" not in name}
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    assert "Name it with --backbone" in refusal(path)
    assert "unknown backbone 'resnet5'" in refusal(path, backbone_name="resnet5")
    assert "not wholly a RetinaNet on vgg16" in refusal(path, backbone_name="vgg16")


@pytest.mark.parametrize("width", [300, 1000])
def test_a_mobilenet_of_unknown_width_is_refused(width, layers, tmp_path):
    layers["conv_pw_13"] = {"conv_pw_13/kernel:0": np.ones((1, 1, 256, width), "float32")}
    path = keras2_file.write_layers(tmp_path / "old.h5", layers)
    assert f"conv_pw_13 is {width} wide" in refusal(path)


def test_other_anchors_than_nine_must_be_told_unless_the_file_tells_them(tmp_path):
    written = small_network(anchor_params=SIX)
    path = keras2_file.write_network(tmp_path / "old.h5", written)
    message = refusal(path)
    assert "has 6 anchors a cell" in message
    assert "--config" in message
    loaded = load_fizyr(path, anchor_params=SIX)
    assert profile_of(loaded).anchors == SIX
    assert_same_outputs(loaded, written)


def test_given_anchors_replace_the_files_if_their_number_fits(network, tmp_path):
    plain = keras2_file.write_network(tmp_path / "network.h5", network)
    assert "has 9 anchors a cell" in refusal(plain, anchor_params=SIX)
    tail = keras2_file.inference_layers(AnchorParameters.default)
    path = keras2_file.write_network(tmp_path / "detector.h5", network, tail)
    other = AnchorParameters((16, 32, 64, 128, 256))
    assert profile_of(load_fizyr(path, anchor_params=other)).anchors == other


@pytest.mark.parametrize(
    ("layer", "key", "value"),
    [
        ("conv_pw_3", "strides", [2, 2]),
        ("conv_pad_2", "padding", [[1, 1], [1, 1]]),
        ("conv_pw_4_bn", "epsilon", 1e-5),
        ("P7", "padding", "valid"),
        ("pyramid_regression_0", "activation", "elu"),
    ],
)
def test_a_layer_that_computes_otherwise_is_refused(layer, key, value, network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        _set_option(config, layer, key, value)
        file.attrs["model_config"] = json.dumps(config).encode()
    assert "would give other results" in refusal(path)


def _set_option(config, layer, key, value):
    for entry in config["config"]["layers"]:
        if entry["name"] == layer:
            entry["config"][key] = value
        if "layers" in entry["config"]:
            _set_option(entry, layer, key, value)


def _pad_before(path, layer, padding):
    """Give `layer` of the file's configuration a layer of padding, as older Keras wrote it."""
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        entry = next(e for e in config["config"]["layers"] if e["name"] == layer)
        entry["config"]["padding"] = "valid"
        entry["inbound_nodes"] = [[["pad", 0, 0, {}]]]
        pad = {"name": "pad", "padding": padding}
        config["config"]["layers"].append(
            {"class_name": "ZeroPadding2D", "name": "pad", "config": pad, "inbound_nodes": []}
        )
        file.attrs["model_config"] = json.dumps(config).encode()


def test_padding_written_as_a_layer_or_as_same_is_the_same(network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    _pad_before(path, "P3", [[1, 1], [1, 1]])
    assert_same_outputs(load_fizyr(path), network)


def test_mobilenets_older_padding_loads_with_a_warning_about_odd_sizes(network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    _pad_before(path, "conv1", [[0, 1], [0, 1]])
    with pytest.warns(UserWarning, match="conv1 of this file pads images of odd height"):
        assert_same_outputs(load_fizyr(path), network)


def test_another_padding_of_a_strided_layer_is_refused(network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", network)
    _pad_before(path, "conv1", [[1, 1], [1, 1]])
    assert "layer conv1 has padding ((1, 1), (1, 1)), ours same" in refusal(path)


def test_load_by_name_reports_a_head_with_more_layers_than_the_model(network, tmp_path):
    path = keras2_file.write_network(tmp_path / "old.h5", small_network(head_layers=3))
    target = small_network(num_classes=3)
    report = load_by_name(target, path)
    assert "the last 2 arrays of classification_submodel" in report.unused
    assert "classification_submodel/pyramid_classification" in report.skipped
