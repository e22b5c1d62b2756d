"""The table of backbones: names, taps, layers of 1.0, freezing, weights.

The big ones are built once each and never run, but for ResNet50 at 64 pixels.
"""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.backbones import FAMILIES, find_family
from keras_retinanet.models.by_name import WeightsError
from keras_retinanet.models.retinanet import backbone_layers
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.model import freeze
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from tests.backends import array

PUBLISHED = tuple(FAMILIES.values())  # before tests of the commands add one of their own
SMALL = {"pyramid_features": 16, "head_features": 16, "head_layers": 1}

# Sides of C3, C4, C5 for 97 pixels: rounding up gives 13, 7, 4, rounding down 12, 6, 3.
TAPS = {
    "resnet50": (("res3d_relu", "res4f_relu", "res5c_relu"), (512, 1024, 2048), (13, 7, 4)),
    "resnet101": (("res3b3_relu", "res4b22_relu", "res5c_relu"), (512, 1024, 2048), (13, 7, 4)),
    "resnet152": (("res3b7_relu", "res4b35_relu", "res5c_relu"), (512, 1024, 2048), (13, 7, 4)),
    "vgg16": (("block3_pool", "block4_pool", "block5_pool"), (256, 512, 512), (12, 6, 3)),
    "vgg19": (("block3_pool", "block4_pool", "block5_pool"), (256, 512, 512), (12, 6, 3)),
    "densenet121": (
        ("conv3_block12_concat", "conv4_block24_concat", "conv5_block16_concat"),
        (512, 1024, 1024),
        (12, 6, 3),
    ),
    "mobilenet128_0.25": (
        ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
        (64, 128, 256),
        (12, 6, 3),
    ),
    "mobilenetv2_0.35": (
        ("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
        (96, 192, 1280),
        (12, 6, 3),
    ),
}
PREPROCESSING = {
    "resnet50": "caffe",
    "vgg16": "caffe",
    "densenet121": "torch",
    "mobilenet128_0.25": "tf",
    "mobilenetv2_0.35": "tf",
}


@pytest.fixture(scope="module")
def built():
    """Return f(name) -> (backbone model, its taps), each built once."""
    made = {}

    def build(name):
        if name not in made:
            made[name] = models.backbone(name).build(keras.Input((None, None, 3)))
        return made[name]

    return build


@pytest.mark.parametrize("name", TAPS)
def test_taps_are_those_of_1_0_at_strides_8_16_and_32(built, name):
    layers, channels, sides = TAPS[name]
    model, taps = built(name)
    tensors = [taps[level] for level in ("C3", "C4", "C5")]
    assert tuple(tensor._keras_history.operation.name for tensor in tensors) == layers
    probe = keras.Model(model.input, tensors)
    shapes = [
        spec.shape
        for spec in probe.compute_output_spec(keras.KerasTensor((1, 97, 97, 3), "float32"))
    ]
    expected = [(1, side, side, width) for side, width in zip(sides, channels, strict=True)]
    assert [tuple(shape) for shape in shapes] == expected


def test_resnet_gives_c2_and_the_others_but_densenet_do_not(built):
    assert built("resnet50")[1]["C2"]._keras_history.operation.name == "res2c_relu"
    assert "C2" in built("densenet121")[1]
    for name in ("vgg16", "mobilenet128_0.25", "mobilenetv2_0.35"):
        assert "C2" not in built(name)[1]


def test_resnet50_is_the_caffe_layout_of_1_0(built):
    model, _ = built("resnet50")
    names = {layer.name for layer in model.layers}
    assert {"conv1", "bn_conv1", "pool1", "res2a_branch1", "bn2a_branch1"} <= names
    assert {
        f"res{stage}{block}_branch2{part}"
        for stage, blocks in ((2, "abc"), (3, "abcd"), (4, "abcdef"), (5, "abc"))
        for block in blocks
        for part in "abc"
    } <= names
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 53
    assert not any(layer.use_bias for layer in convolutions)
    norms = [layer for layer in model.layers if "bn" in layer.name]
    assert {layer.epsilon for layer in norms} == {1e-5}
    strided = {layer.name for layer in convolutions if layer.strides == (2, 2)}
    assert strided == {"conv1"} | {
        f"res{stage}a_branch{part}" for stage in (3, 4, 5) for part in ("1", "2a")
    }
    assert model.get_layer("padding_conv1").padding == ((3, 3), (3, 3))
    assert model.get_layer("conv1").padding == "valid"


def test_long_stages_of_the_deep_resnets_are_numbered(built):
    names = {layer.name for layer in built("resnet101")[0].layers}
    assert {"res4b22_branch2c", "bn4b1_branch2a", "res3b3_branch2a", "res5b_branch2a"} <= names
    assert "res4b_branch2a" not in names
    assert {"res4b35", "res3b7"} <= {layer.name for layer in built("resnet152")[0].layers}


def test_resnet_conv1_can_pad_as_release_1_0_did():
    model, _ = models.backbone("resnet50").build(keras.Input((None, None, 3)), conv1_padding="same")
    assert model.get_layer("conv1").padding == "same"
    assert "padding_conv1" not in {layer.name for layer in model.layers}


def test_resnet50_as_a_retinanet_runs_and_has_the_names_of_1_0():
    network = models.backbone("resnet50").retinanet(num_classes=80)
    names = {layer.name for layer in network.layers}
    assert {
        "res5c_relu",
        "C5_reduced",
        "P5_upsampled",
        "P5",
        "C4_reduced",
        "P4_merged",
        "P4_upsampled",
        "P4",
        "C3_reduced",
        "P3_merged",
        "P3",
        "P6",
        "C6_relu",
        "P7",
        "regression_submodel",
        "classification_submodel",
        "regression",
        "classification",
    } <= names
    assert not names & {"C2_reduced", "P2", "P3_upsampled"}
    for prefix in ("classification", "regression"):
        inner = {layer.name for layer in network.get_layer(f"{prefix}_submodel").layers}
        assert {f"pyramid_{prefix}_{index}" for index in range(4)} <= inner
        assert {f"pyramid_{prefix}", f"pyramid_{prefix}_reshape"} <= inner
    regression, classification = network(np.zeros((1, 64, 64, 3), np.float32))
    number = 9 * (64 + 16 + 4 + 1 + 1)
    assert regression.shape == (1, number, 4)
    assert classification.shape == (1, number, 80)
    scores = array(classification)
    np.testing.assert_allclose(scores, 0.01, atol=0.005)
    profile = profile_of(network)
    assert (profile.backbone, profile.num_classes) == ("resnet50", 80)
    assert network.count_params() == 38_021_812


@pytest.mark.parametrize("name", ["mobilenet128_0.25", "mobilenetv2_0.35"])
def test_small_backbones_run_at_odd_sizes_and_keep_their_options_in_the_profile(name):
    network = models.backbone(name).retinanet(3, pyramid_levels=(3, 4, 5, 6, 7), **SMALL)
    outputs = network(np.zeros((1, 97, 65, 3), np.float32))
    # down to C5, then up: rows 12 6 3 2 1, columns 8 4 2 1 1
    number = 9 * (12 * 8 + 6 * 4 + 3 * 2 + 2 * 1 + 1 * 1)
    assert [tuple(output.shape) for output in outputs] == [(1, number, 4), (1, number, 3)]
    profile = profile_of(network)
    assert profile.preprocessing == PREPROCESSINGS[PREPROCESSING[name]]
    assert (profile.backbone, profile.head_layers, profile.pyramid_features) == (name, 1, 16)


def test_p2_comes_with_a_backbone_that_gives_c2():
    from keras_retinanet.utils.anchors import AnchorParameters

    params = AnchorParameters((16, 32, 64, 128), (4, 8, 16, 32), (1,), (1,))
    options = {"pyramid_levels": (2, 3, 4, 5), "anchor_params": params, **SMALL}
    network = models.backbone("resnet50").retinanet(2, **options)
    assert {"C2_reduced", "P3_upsampled", "P2_merged", "P2"} <= {
        layer.name for layer in network.layers
    }
    with pytest.raises(ValueError, match="this backbone gives no C2"):
        models.backbone("mobilenet128_0.25").retinanet(2, **options)


@pytest.mark.parametrize(("name", "mode"), PREPROCESSING.items())
def test_a_backbone_preprocesses_as_its_weights_want(name, mode):
    from keras_retinanet.utils.image import preprocess_image

    image = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    found = models.backbone(name).preprocess_image(image)
    np.testing.assert_array_equal(found, preprocess_image(image, mode=mode))


# Names.


def test_every_example_of_the_table_is_a_name_of_its_family():
    for family in FAMILIES.values():
        for name in family.examples:
            assert find_family(name)[0] is family
            models.backbone(name).validate()


UNKNOWN = {
    "resnet5": "resnet50",
    "resnext50": "resnext50_32x4d",
    "ResNet50": "resnet50",
    "resnet50_x": "resnet50",
    "mobilenet128": "mobilenet128_1.0",
    "mobilenet128_0.3": "mobilenet128_0",
    "mobilenetv2": "mobilenetv2_1.0",
    "vgg": "vgg16",
    "densenet": "densenet121",
    "": "There are resnet50, resnet101",
    "zzz": "There are resnet50, resnet101",
}


@pytest.mark.parametrize(("name", "near"), UNKNOWN.items())
def test_unknown_names_are_refused_with_the_nearest(name, near):
    with pytest.raises(ValueError) as caught:
        models.backbone(name)
    assert f"unknown backbone {name!r}" in str(caught.value)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


# Freezing.


def norms(network):
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.fixture(scope="module")
def random_network():
    return models.backbone("mobilenetv2_0.35").retinanet(2, **SMALL)


def test_batch_norm_trains_from_random_weights(random_network):
    assert norms(random_network)
    assert all(layer.trainable for layer in norms(random_network))
    assert {layer.momentum for layer in norms(random_network)} == {0.9}


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory):
    """Return a weights file of the backbone alone, and the model it came from."""
    model, _ = models.backbone("mobilenetv2_0.35").build(keras.Input((None, None, 3)))
    path = tmp_path_factory.mktemp("weights") / "mobile.weights.h5"
    model.save_weights(path)
    return path, model


def test_batch_norm_is_frozen_with_pretrained_weights_and_they_are_there(weight_file):
    path, source = weight_file
    network = models.backbone("mobilenetv2_0.35").retinanet(2, backbone_weights=str(path), **SMALL)
    assert norms(network)
    assert not any(layer.trainable for layer in norms(network))
    assert all(layer.trainable for layer in network.layers if "Conv" in type(layer).__name__)
    np.testing.assert_array_equal(
        array(network.get_layer("Conv_1").kernel), array(source.get_layer("Conv_1").kernel)
    )


def test_frozen_batch_norm_uses_its_statistics_in_training(weight_file):
    network = models.backbone("mobilenetv2_0.35").retinanet(
        2, backbone_weights=str(weight_file[0]), **SMALL
    )
    images = np.random.default_rng(0).normal(3, 2, (1, 64, 64, 3)).astype(np.float32)
    for one, two in zip(network(images, training=True), network(images), strict=True):
        np.testing.assert_allclose(array(one), array(two), rtol=1e-5, atol=1e-6)


def test_weights_of_another_backbone_are_refused_in_one_line(weight_file):
    with pytest.raises(WeightsError) as caught:
        models.backbone("mobilenet128_0.25").retinanet(
            2, backbone_weights=str(weight_file[0]), **SMALL
        )
    assert "does not fit mobilenet128_0.25" in str(caught.value)
    assert str(weight_file[0]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_modifier_freezes_the_backbone_alone():
    network = models.backbone("mobilenet128_0.25").retinanet(2, modifier=freeze, **SMALL)
    frozen = {layer.name for layer in network.layers if layer.weights and not layer.trainable}
    assert frozen == {layer.name for layer in backbone_layers(network) if layer.weights}
    assert "conv_pw_13" in frozen
    assert {"P3", "C5_reduced", "regression_submodel"}.isdisjoint(frozen)


def test_every_backbone_names_a_file_to_fetch():
    for family in PUBLISHED:
        for name in family.examples:
            assert family.weights_url(models.backbone(name).match).endswith((".h5", ".pth"))
