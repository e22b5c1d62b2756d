"""Weight files of backbones alone: Keras 2's by layer name, Keras 3's as they are."""

import h5py
import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.backbone_files import named_as_ours
from keras_retinanet.models.weight_files import WeightsError
from tests.weights import keras2_file

SMALL = {"pyramid_features": 8, "head_features": 8, "head_layers": 1}
REAL_FILES = [
    ("mobilenetv2_1.0", "mobilenet_v2_1.0_224_imagenet_no_top"),
    ("mobilenetv2_0.35", "mobilenet_v2_0.35_224_imagenet_no_top"),
    ("mobilenet224_1.0", "mobilenet_1_0_224_qat_imagenet_no_top"),
    ("mobilenet224_0.75", "mobilenet_0_75_coco_ssd_no_top"),
    ("mobilenet224_0.25", "mobilenet_0_25_224_imagenet_no_top"),
]


def refusal(name, path):
    with pytest.raises(WeightsError) as caught:
        models.backbone(name).retinanet(3, backbone_weights=path, **SMALL)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert len(message) < 2000
    return message


@pytest.fixture(scope="module")
def resnet():
    inputs = keras.Input((None, None, 3))
    model, _ = models.backbone("resnet50").build(inputs)
    return keras2_file.randomise(model)


def test_the_resnets_of_1_0_load_by_name_and_their_classifier_is_left_out(resnet, tmp_path):
    stored = keras2_file.stored_layers(resnet)
    stored["pool5"] = {}
    stored["fc1000"] = {
        "fc1000/kernel:0": np.ones((2048, 1000), "float32"),
        "fc1000/bias:0": np.ones(1000, "float32"),
    }
    path = keras2_file.write_layers(tmp_path / "ResNet-50-model.keras.h5", stored)
    network = models.backbone("resnet50").retinanet(3, backbone_weights=path, **SMALL)
    for layer in resnet.layers:
        for ours, theirs in zip(
            network.get_layer(layer.name).weights if layer.weights else [],
            layer.weights,
            strict=True,
        ):
            assert np.array_equal(*map(keras.ops.convert_to_numpy, (ours, theirs))), ours.path
    assert not network.get_layer("bn_conv1").trainable


def test_a_backbone_file_that_lacks_a_layer_is_refused(resnet, tmp_path):
    stored = keras2_file.stored_layers(resnet)
    del stored["res4f_branch2b"]
    path = keras2_file.write_layers(tmp_path / "backbone.h5", stored)
    assert "not in the file: res4f_branch2b" in refusal("resnet50", path)


def test_a_file_of_another_backbone_is_refused(resnet, tmp_path):
    path = keras2_file.write_layers(tmp_path / "backbone.h5", keras2_file.stored_layers(resnet))
    assert "it is of another backbone" in refusal("vgg16", path)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x89HDF\r\n\x1a\n" + 90 * b"\0"])
def test_a_file_that_is_none_is_refused(content, tmp_path):
    path = tmp_path / "backbone.h5"
    path.write_bytes(content)
    assert "not a Keras weight file" in refusal("mobilenet224_0.25", path)


def test_a_missing_file_is_refused(tmp_path):
    assert "no such file" in refusal("mobilenet224_0.25", tmp_path / "none.h5")


def test_damage_in_the_middle_of_a_file_is_refused(tmp_path):
    inputs = keras.Input((None, None, 3))
    model, _ = models.backbone("mobilenet224_0.25").build(inputs)
    path = tmp_path / "backbone.weights.h5"
    model.save_weights(path)
    content = bytearray(path.read_bytes())
    content[2000 : len(content) // 3] = bytes(len(content) // 3 - 2000)
    path.write_bytes(content)
    assert refusal("mobilenet224_0.25", path)


@pytest.mark.parametrize(("name", "file"), REAL_FILES)
def test_the_real_backbones_load_with_every_weight(name, file, real_data):
    path = real_data / "backbones" / f"{file}.weights.h5"
    network = models.backbone(name).retinanet(3, backbone_weights=path, **SMALL)
    constructor, alpha = (
        ("MobileNetV2" if "v2" in name else "MobileNet"),
        float(name.split("_")[1]),
    )
    truth = getattr(keras.applications, constructor)(
        weights=str(path), include_top=False, alpha=alpha, input_shape=(None, None, 3)
    )
    names, checked = {layer.name for layer in truth.layers}, 0
    for layer in network.layers:
        if layer.name not in names:
            continue
        for ours, theirs in zip(layer.weights, truth.get_layer(layer.name).weights, strict=True):
            one, two = map(keras.ops.convert_to_numpy, (ours, theirs))
            # red first in the file, blue first in the network
            turned = two[:, :, ::-1] if layer.name in ("conv1", "Conv1") else two
            assert np.array_equal(one, turned), ours.path
            checked += 1
    assert checked == len(truth.weights)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mobilenetv2_0.35", "mobilenet_v2_1.0_224_imagenet_no_top"),
        ("mobilenet224_1.0", "mobilenet_0_25_224_imagenet_no_top"),
        ("mobilenet224_1.0", "mobilenet_v2_1.0_224_imagenet_no_top"),
        ("resnet50", "mobilenet_0_25_224_imagenet_no_top"),
    ],
)
def test_a_real_backbone_of_another_width_or_kind_is_refused(name, file, real_data):
    path = real_data / "backbones" / f"{file}.weights.h5"
    assert f"does not fit {name}" in refusal(name, path)


@pytest.fixture
def unnamed(tmp_path):
    """Return a MobileNet and its `.weights.h5` without names, as early Keras 3 wrote it."""
    model, _ = models.backbone("mobilenet224_0.25").build(keras.Input((None, None, 3)))
    keras2_file.randomise(model).save_weights(tmp_path / "backbone.weights.h5")
    with h5py.File(tmp_path / "backbone.weights.h5", "a") as file:
        for group in file["layers"].values():
            group["vars"].attrs.pop("name", None)
    return model, tmp_path / "backbone.weights.h5"


def test_a_file_of_keras_3_without_names_loads_by_class_and_number(unnamed):
    model, path = unnamed
    network = models.backbone("mobilenet224_0.25").retinanet(3, backbone_weights=path, **SMALL)
    kernels = (m.get_layer("conv_pw_13").weights[0] for m in (network, model))
    assert np.array_equal(*map(keras.ops.convert_to_numpy, kernels))
    assert "does not fit mobilenet224_0.5" in refusal("mobilenet224_0.5", path)


def network_of(name, stored, tmp_path):
    """Return the network that a Keras 2 file of these layers gives."""
    path = keras2_file.write_layers(tmp_path / "backbone.h5", stored)
    return models.backbone(name).retinanet(3, backbone_weights=path, **SMALL)


def kernels(model, name):
    return keras.ops.convert_to_numpy(model.get_layer(name).weights[0])


@pytest.fixture(scope="module")
def mobilenet_v3():
    model, _ = models.backbone("mobilenetv3_small_0.75").build(keras.Input((None, None, 3)))
    return keras2_file.randomise(model)


def test_names_of_keras_2_with_slashes_and_capitals_are_understood(mobilenet_v3, tmp_path):
    old = {"conv": "Conv", "conv_bn": "Conv/BatchNorm", "conv_1_bn": "Conv_1/BatchNorm"}
    old |= {
        "expanded_conv_squeeze_excite_conv": "expanded_conv/squeeze_excite/Conv",
        "expanded_conv_3_depthwise_bn": "expanded_conv_3/depthwise/BatchNorm",
    }
    stored = {
        old.get(name, name): weights
        for name, weights in keras2_file.stored_layers(mobilenet_v3).items()
    }
    assert set(old.values()) <= set(stored)
    network = network_of("mobilenetv3_small_0.75", stored, tmp_path)
    name = "expanded_conv_squeeze_excite_conv"
    assert np.array_equal(kernels(network, name), kernels(mobilenet_v3, name))
    assert np.array_equal(kernels(network, "conv"), kernels(mobilenet_v3, "conv")[:, :, ::-1])


def numbered(model):
    """Return the stored layers of `model` under names that say nothing."""
    return {
        f"layer_{index}": {
            f"layer_{index}/{weight.rsplit('/')[-1]}": array for weight, array in weights.items()
        }
        for index, weights in enumerate(keras2_file.stored_layers(model).values())
    }


def test_a_file_with_other_names_loads_in_order_and_says_so(mobilenet_v3, tmp_path):
    stored = numbered(mobilenet_v3)
    with pytest.warns(UserWarning, match="in the file's order"):
        network = network_of("mobilenetv3_small_0.75", stored, tmp_path)
    assert np.array_equal(kernels(network, "conv_1"), kernels(mobilenet_v3, "conv_1"))


def test_a_file_with_other_names_and_shapes_is_refused(mobilenet_v3, tmp_path):
    stored = numbered(mobilenet_v3)
    path = keras2_file.write_layers(tmp_path / "backbone.h5", stored)
    assert "it is of another backbone" in refusal("mobilenetv3_small_1.0", path)


def test_layers_inside_a_nested_model_of_the_file_are_found():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="inner")(inputs))
    stored = {"block": {"inner/kernel:0": 1, "inner/bias:0": 2, "other/kernel:0": 3}, "plain": {}}
    assert named_as_ours(stored, model) == {
        "inner": {"inner/kernel:0": 1, "inner/bias:0": 2},
        "block": {"other/kernel:0": 3},
    }
