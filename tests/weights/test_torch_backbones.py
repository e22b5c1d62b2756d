"""ImageNet backbones as torchvision and timm write them."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import DETECTRON2, TORCHVISION_V2
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from tests.backends import array

torch = pytest.importorskip("torch")
from tests.models.torch_resnet import TorchResNet, randomised, torch_outputs  # noqa: E402

SMALL = {"pyramid_features": 8, "head_features": 8, "head_layers": 1}
RESNET18 = {"blocks": (2, 2, 2, 2), "bottleneck": False}
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
PICTURE = np.random.default_rng(0).integers(0, 256, (1, 65, 98, 3)).astype(np.uint8)


def save_pth(tensors, path):
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)


def save_safetensors(tensors, path):
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, path)


def source(**case):
    """Return a network in torch with random weights, and {name: array}."""
    truth = randomised(TorchResNet(**case))
    return truth, {key: value.numpy() for key, value in truth.state_dict().items()}


@pytest.fixture(scope="module")
def resnet18():
    return source(**RESNET18)


def assert_sees_what_torch_sees(network, truth, name):
    """Compare C5 of a blue-first picture with torch's of it red first, scaled as for torch."""
    profile = profile_of(network)
    levels = PICTURE[..., ::-1] if profile.preprocessing.order == "rgb" else PICTURE
    scale, mean, std = profile.preprocessing.constants()
    last = keras.Model(network.input, network.get_layer("C5_reduced").input)
    found = array(last((levels.astype(np.float32) * scale - mean) / std))
    expected = torch_outputs(truth, (PICTURE[..., ::-1] / np.float32(255) - MEAN) / STD)[-1]
    assert found.shape == expected.shape, name
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max(), name


CASES = {
    "resnet18": (RESNET18, save_pth, ".pth"),
    "resnet18d": (RESNET18 | {"deep": True}, save_safetensors, ".safetensors"),
    "resnet50": ({"blocks": (3, 4, 6, 3)}, save_pth, ".pth"),
    "resnext50_32x4d": ({"blocks": (3, 4, 6, 3), "groups": 32, "width": 128}, save_pth, ".pth"),
}


@pytest.mark.parametrize(
    "name", [*list(CASES)[:3], pytest.param("resnext50_32x4d", marks=pytest.mark.heavy)]
)
def test_a_network_on_a_file_of_torch_sees_what_torch_sees(name, tmp_path):
    case, save, suffix = CASES[name]
    truth, tensors = source(**case)
    path = tmp_path / f"weights{suffix}"
    save(tensors, path)
    network = models.backbone(name).retinanet(2, backbone_weights=path, **SMALL)
    assert profile_of(network).preprocessing == PREPROCESSINGS["torch"]
    assert_sees_what_torch_sees(network, truth, name)
    assert not network.get_layer("bn5a_branch2a").trainable


def test_a_profile_that_takes_red_first_gets_the_kernel_as_it_is(resnet18, tmp_path):
    truth, tensors = resnet18
    save_pth(tensors, tmp_path / "weights.pth")
    network = models.backbone("resnet18").retinanet(
        2, backbone_weights=tmp_path / "weights.pth", profile=TORCHVISION_V2
    )
    kernel = array(network.get_layer("conv1").kernel)
    np.testing.assert_array_equal(kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0))


# The style of a ResNet50 is decided by the file, recorded, and yields to arguments.


@pytest.fixture(scope="module")
def resnet50_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("torch") / "resnet50-0676ba61.pth"
    save_pth(source(blocks=(3, 4, 6, 3))[1], path)
    return path


def test_a_file_of_torch_decides_how_resnet50_strides_and_pads(resnet50_file):
    training = models.backbone("resnet50").training(resnet50_file)
    assert (training.order, training.preprocessing) == ("rgb", PREPROCESSINGS["torch"])
    assert training.options == {"pool_padding": 1, "stride_in": "3x3"}
    plain = models.backbone("resnet50").training()
    assert (plain.order, plain.preprocessing) == ("bgr", PREPROCESSINGS["caffe"])
    assert plain.options == {}


def test_the_style_stands_in_the_profile_and_yields_to_arguments(resnet50_file):
    build = models.backbone("resnet50").retinanet
    profile = profile_of(build(2, backbone_weights=resnet50_file, **SMALL))
    assert profile.backbone_options == {"pool_padding": 1, "stride_in": "3x3"}
    options = {"stride_in": "1x1", "epsilon": 0.0}
    network = build(2, backbone_weights=resnet50_file, backbone_options=options, **SMALL)
    assert profile_of(network).backbone_options == {"pool_padding": 1} | options
    assert network.get_layer("res3a_branch2a").strides == (2, 2)
    detectron = build(2, backbone_weights=resnet50_file, profile=DETECTRON2)
    assert profile_of(detectron).backbone_options == DETECTRON2.backbone_options


# Files that do not fit.


def without(tensors, name):
    return {key: value for key, value in tensors.items() if key != name}


def with_nan(tensors):
    changed = tensors["layer2.0.bn1.running_var"].copy()
    changed[3] = np.nan
    return tensors | {"layer2.0.bn1.running_var": changed}


BAD = {
    "missing": (
        lambda t: without(t, "layer1.0.conv1.weight"),
        "layer1.0.conv1.weight [64, 64, 3, 3] is missing",
    ),
    "another shape": (
        lambda t: t | {"bn1.bias": np.zeros(63, np.float32)},
        "bn1.bias is [63], expected [64]",
    ),
    "spare": (
        lambda t: t | {"layer5.0.conv1.weight": np.zeros((2, 2), np.float32)},
        "layer5.0.conv1.weight [2, 2] is no part of the network",
    ),
    "NaN": (with_nan, "layer2.0.bn1.running_var holds values that are no finite numbers"),
}


def refusal(name, path):
    with pytest.raises(WeightsError) as caught:
        models.backbone(name).retinanet(2, backbone_weights=path, **SMALL)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_a_file_that_does_not_fit_is_refused_with_tensor_and_shapes(row, resnet18, tmp_path):
    change, expected = row
    save_pth(change(resnet18[1]), tmp_path / "weights.pth")
    message = refusal("resnet18", tmp_path / "weights.pth")
    assert f"does not fit resnet18: {expected}" in message


def test_a_file_of_another_resnet_is_named(resnet18, tmp_path):
    save_pth(resnet18[1], tmp_path / "weights.pth")
    assert refusal("resnet34", tmp_path / "weights.pth").endswith("It looks like resnet18.")


def test_a_file_of_torch_is_refused_for_backbones_that_are_no_resnets(resnet18, tmp_path):
    save_pth(resnet18[1], tmp_path / "weights.pth")
    message = refusal("mobilenetv2_0.35", tmp_path / "weights.pth")
    assert "ResNet and its relatives are read, not mobilenetv2_0.35" in message


def test_files_without_classifier_or_counters_load(resnet18, tmp_path):
    truth, tensors = resnet18
    kept = {
        name: value
        for name, value in tensors.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    assert len(kept) < len(tensors)
    save_pth(kept, tmp_path / "weights.pth")
    network = models.backbone("resnet18").retinanet(
        2, backbone_weights=tmp_path / "weights.pth", **SMALL
    )
    assert_sees_what_torch_sees(network, truth, "resnet18")
