"""Files of other projects: who wrote them, every fault in one line, nothing loaded by halves."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.bin import convert_model
from keras_retinanet.bin.console import BAD_INPUT, run
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.coco_classes import IDS, NAMES
from tests.weights import published_files as files

SUFFIX = {"detectron2": ".pkl"}


@pytest.fixture(scope="module")
def tensors():
    """Return f(project) -> tensors of its sound file; they are not to be changed."""
    made = {}

    def of(project):
        if project not in made:
            made.clear()  # a hundred megabytes each
            made[project] = files.filled(files.PROJECTS[project]())
        return made[project]

    return of


def written(tmp_path, tensors, name="detector.safetensors"):
    return files.write(tmp_path / name, tensors)


def refusal(path, family=None):
    """Return the one line by which a file is refused."""
    with pytest.raises(WeightsError) as caught:
        models.load_model(path, family=family)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert len(message) < 700
    return message


def weights_of(network, layer, head=None):
    owner = network.get_layer(head) if head else network
    return [keras.ops.convert_to_numpy(weight) for weight in owner.get_layer(layer).weights]


def hwio(array):
    return array.transpose(2, 3, 1, 0)


def test_the_class_rows_of_torchvision_become_cocos_80(tensors, tmp_path):
    stored = tensors("torchvision")
    network = models.load_model(written(tmp_path, stored))
    profile = profile_of(network)
    assert (profile.family, profile.backbone) == ("torchvision", "resnet18")
    assert profile.classes == NAMES
    kernel, bias = weights_of(network, "pyramid_classification", "classification_submodel")
    name = "head.classification_head.cls_logits"
    for anchor, label in ((0, 0), (3, 11), (8, 79)):
        row = anchor * 91 + IDS[label]
        np.testing.assert_array_equal(bias[anchor * 80 + label], stored[f"{name}.bias"][row])
        np.testing.assert_array_equal(
            kernel[..., anchor * 80 + label], hwio(stored[f"{name}.weight"])[..., row]
        )


PLACES = {  # a few layers of each part: ours, theirs
    "torchvision": {
        "res4b_branch2b": "backbone.body.layer3.1.conv2",
        "P4": "backbone.fpn.layer_blocks.1.0",
    },
    "detectron2": {
        "res4b_branch2b": "backbone.bottom_up.res4.1.conv2",
        "res3a_branch1": "backbone.bottom_up.res3.0.shortcut",
        "C5_reduced": "backbone.fpn_lateral5",
        "P7": "backbone.top_block.p7",
    },
    "mmdetection": {
        "res5a_branch1": "backbone.layer4.0.downsample.0",
        "C4_reduced": "neck.lateral_convs.1.conv",
        "P6": "neck.fpn_convs.3.conv",
    },
    "odtk": {
        "res2b_branch2a": "backbones.ResNet18FPN.features.layer1.1.conv1",
        "C3_reduced": "backbones.ResNet18FPN.lateral3",
        "P6": "backbones.ResNet18FPN.pyramid6",
    },
}


@pytest.mark.parametrize("project", files.PROJECTS)
def test_a_sound_file_is_told_by_its_names_and_loaded_whole(project, tensors, tmp_path):
    stored = tensors(project)
    path = written(tmp_path, stored, f"detector{SUFFIX.get(project, '.safetensors')}")
    network = models.load_model(path)
    assert profile_of(network).family == project
    assert profile_of(network).classes == NAMES
    for ours, theirs in PLACES[project].items():
        kernel = weights_of(network, ours)[0]
        np.testing.assert_array_equal(kernel, hwio(stored[f"{theirs}.weight"]))
    assert not network.get_layer("bn2a_branch2a").trainable


KERNEL = "head.regression_head.conv.2.0.weight"
FAULTS = {
    "missing": (lambda t: t.pop(KERNEL), f"{KERNEL} [256, 256, 3, 3] is missing"),
    "spare": (
        lambda t: t.update({"head.extra.weight": np.zeros(3, "float32")}),
        "head.extra.weight [3] is no part of the network",
    ),
    "shape": (
        lambda t: t.update({KERNEL: np.zeros((256, 256, 1, 1), "float32")}),
        f"{KERNEL} is [256, 256, 1, 1], expected [256, 256, 3, 3]",
    ),
    "not a number": (
        lambda t: t.update({KERNEL: np.full((256, 256, 3, 3), np.nan, "float32")}),
        f"{KERNEL} holds values that are no finite numbers",
    ),
    "whole numbers": (
        lambda t: t.update({KERNEL: np.zeros((256, 256, 3, 3), "int32")}),
        f"{KERNEL} holds values that are no finite numbers",
    ),
    "class rows": (
        lambda t: t.update({"head.classification_head.cls_logits.bias": np.zeros(720, "float32")}),
        "head.classification_head.cls_logits.bias is [720], expected 819 outputs",
    ),
    "class kernel": (
        lambda t: t.update({"head.classification_head.cls_logits.weight": np.zeros((), "float32")}),
        "cls_logits.weight is [], expected [9 * classes, 256, 3, 3]",
    ),
    "backbone": (
        lambda t: t.pop("backbone.body.layer2.1.conv1.weight"),
        "stages of [2, 1, 2, 2] blocks; known here are resnet18",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_the_tensor_and_both_shapes(fault, tensors, tmp_path):
    change, expected = FAULTS[fault]
    changed = dict(tensors("torchvision"))
    change(changed)
    assert expected in refusal(written(tmp_path, changed))


LAST_BIAS = {
    "detectron2": "head.bbox_pred.bias",
    "mmdetection": "bbox_head.retina_reg.bias",
    "odtk": "box_head.8.bias",
}


@pytest.mark.parametrize("project", LAST_BIAS)
def test_faults_are_told_in_the_words_of_each_project(project, tensors, tmp_path):
    changed = dict(tensors(project))
    name = LAST_BIAS[project]
    changed[name] = np.zeros(20, "float32")
    suffix = SUFFIX.get(project, ".safetensors")
    assert f"{name} is [20], expected [36]" in refusal(
        written(tmp_path, changed, f"detector{suffix}")
    )


@pytest.mark.parametrize("project", files.PROJECTS)
def test_heads_of_five_anchors_are_refused(project, tmp_path):
    shapes = files.PROJECTS[project](classes=80, anchors=5)
    empty = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
    suffix = SUFFIX.get(project, ".safetensors")
    message = refusal(written(tmp_path, empty, f"detector{suffix}"))
    assert "for 9 anchors a cell" in message
    assert "[20]" in message or "[400, 256, 3, 3]" in message


def test_a_detector_of_another_kind_is_refused(tmp_path):
    shapes = {
        "backbone.body.conv1.weight": (64, 3, 7, 7),
        "rpn.head.cls_logits.weight": (3, 256, 1, 1),
    }
    shapes["roi_heads.box_predictor.cls_score.weight"] = (91, 1024)
    message = refusal(written(tmp_path, files.filled(shapes)))
    assert "named as in no detector of torchvision, Detectron2, MMDetection, ODTK" in message


def test_a_backbone_alone_is_pointed_to_its_option(tmp_path):
    shapes = {"conv1.weight": (64, 3, 7, 7), "layer1.0.conv1.weight": (64, 64, 3, 3)}
    assert "go to --backbone-weights" in refusal(written(tmp_path, files.filled(shapes)))


WRONG_FAMILIES = {
    "odtk": "named as torchvision does, which is not odtk; name torchvision or",
    "torchvision_v2": "its heads are without group norm, so that it is not torchvision_v2",
}


@pytest.mark.parametrize("family", WRONG_FAMILIES)
def test_a_family_that_the_file_cannot_be_is_refused(family, tensors, tmp_path):
    path = written(tmp_path, tensors("torchvision"))
    assert WRONG_FAMILIES[family] in refusal(path, family)


def test_an_unknown_family_is_refused_with_those_there_are(tensors, tmp_path):
    path = written(tmp_path, {"a.weight": np.zeros(3, "float32")})
    with pytest.raises(WeightsError, match="unknown family 'other'. There are fizyr, torchvision"):
        models.load_model(path, family="other")


def test_nothing_is_written_from_a_faulty_file(tensors, tmp_path, capsys):
    changed = dict(tensors("torchvision"))
    del changed[KERNEL]
    path = written(tmp_path, changed)
    out = tmp_path / "out.keras"
    assert (
        run(lambda: convert_model.main([str(path), str(out)]), "retinanet-convert-model")
        == BAD_INPUT
        == 2
    )
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{KERNEL} [256, 256, 3, 3] is missing" in error
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_no_preset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a folder, and not a preset of KerasHub"):
        models.load_model(tmp_path)
