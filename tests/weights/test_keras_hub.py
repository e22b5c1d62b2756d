"""Preset folders of KerasHub: what they say, and every fault in one line."""

import h5py
import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.bin import convert_model
from keras_retinanet.bin.console import BAD_INPUT, run
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.normalisation import PREPROCESSINGS
from keras_retinanet.weights.coco_classes import NAMES
from tests.weights import preset_files as files


def refusal(folder, family=None):
    """Return the one line by which a preset is refused."""
    with pytest.raises(WeightsError) as caught:
        models.load_model(folder, family=family)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(folder))
    return message


def test_a_preset_of_other_classes_follows_keras_hub_and_its_configuration(tmp_path):
    profile = profile_of(models.load_model(files.write(tmp_path / "preset")))
    assert (profile.family, profile.backbone) == ("keras_hub", "resnet18")
    assert (profile.p6_from, profile.p6_padding, profile.head_norm) == ("P5", "same", "none")
    assert profile.classes == ("", "")
    assert profile.box_std == (0.1, 0.1, 0.2, 0.2)
    thresholds = (profile.score_threshold, profile.nms_threshold, profile.max_detections)
    assert thresholds == (0.3, 0.4, 50)
    assert (profile.image_min_side, profile.image_max_side) == (512, 512)
    np.testing.assert_allclose(profile.preprocessing.mean, 3 * [0.5])
    np.testing.assert_allclose(profile.preprocessing.std, 3 * [0.5])
    assert profile.preprocessing.order == "rgb"


def test_a_preset_of_cocos_91_outputs_is_torchvisions_unless_told_otherwise(tmp_path):
    folder = files.write(
        tmp_path / "preset", task=files.task(num_classes=91), heads=files.heads(classes=91)
    )
    profile = profile_of(models.load_model(folder))
    assert (profile.family, profile.classes) == ("torchvision", NAMES)
    assert profile.preprocessing == PREPROCESSINGS["torch_rgb"]
    assert (profile.image_min_side, profile.image_max_side) == (800, 1333)
    own = profile_of(models.load_model(folder, family="keras_hub"))
    assert (own.family, own.classes, own.image_max_side) == ("keras_hub", NAMES, 512)


def test_every_weight_goes_to_its_layer(tmp_path):
    folder = files.write(tmp_path / "preset")
    places = {
        "model.weights.h5": {"layers/functional/layers/conv2d_8": ("res3b_branch2a", None)},
        "task.weights.h5": {
            "layers/prediction_head_1/conv_layers/conv2d_2": (
                "pyramid_classification_2",
                "classification_submodel",
            )
        },
    }
    rng = np.random.default_rng(0)
    expected = {}
    for name, layers in places.items():
        with h5py.File(folder / name, "r+") as file:
            for place, ours in layers.items():
                stored = file[f"{place}/vars/0"]
                stored[...] = expected[ours] = rng.random(stored.shape).astype("float32")
    network = models.load_model(folder)
    for (layer, head), kernel in expected.items():
        owner = network.get_layer(head) if head else network
        found = keras.ops.convert_to_numpy(owner.get_layer(layer).weights[0])
        np.testing.assert_array_equal(found, kernel)


def _encoder(**changes):
    content = files.config()
    content["config"]["image_encoder"]["config"].update(changes)
    return content


def _without(content, key):
    del content["config"][key]
    return content


def _changed(layers, place, name, shapes):
    return {**layers, place: (name, shapes)}


LAST = "layers/prediction_head/prediction_layer"
FAULTS = {
    "backbone alone": ({"task": None, "heads": None}, "has no task.json"),
    "no weights": ({"body": None}, "has no model.weights.h5"),
    "list": ({"task": []}, "is no configuration of KerasHub"),
    "key": ({"task": _without(files.task(), "num_classes")}, "as its project writes"),
    "encoder": ({"config": _encoder(block_type="basic_block_vd")}, "[2, 2, 2, 2] basic_block_vd"),
    "other encoder": (
        {"config": files.config(image_encoder={"class_name": "MiTBackbone", "config": {}})},
        "its image_encoder is MiTBackbone; only ResNetBackbone is read",
    ),
    "levels": ({"config": files.config(max_level=6)}, "max_level 6; only 7 is read"),
    "pictures": (
        {"preprocessor": files.preprocessor(crop_to_aspect_ratio=True)},
        "crop_to_aspect_ratio True; only False is read",
    ),
    "oblong": (
        {"preprocessor": files.preprocessor(image_size=[512, 640])},
        "its pictures are 512 by 640; only squares are read",
    ),
    "shape": (
        {"heads": _changed(files.heads(), LAST, "logits_layer", [(1, 1, 256, 36), (36,)])},
        "box_head/logits_layer.kernel is [1, 1, 256, 36], expected [3, 3, 256, 36]",
    ),
    "five anchors": (
        {"heads": files.heads(anchors=5)},
        "box_head/logits_layer.bias is [20], expected [36] by its task.json",
    ),
    "endless classes": (
        {"task": files.task(num_classes=10**9)},
        "classification_head/logits_layer.bias is [18], expected [9000000000] by its task.json",
    ),
    "endless layers": (
        {"task": files.task(pre_logits_num_conv_layers=10**9)},
        "has 4 hidden layers of heads, expected 1000000000 by its task.json",
    ),
    "spare": (
        {"heads": _changed(files.heads(), "layers/prediction_head/more", "more", [(3,)])},
        "box_head/more.0 [3] is no part of the network",
    ),
    "missing": (
        {"heads": _changed(files.heads(), LAST, "logits_layer", [])},
        "box_head/logits_layer.bias is missing, expected [36]",
    ),
    "twice": (
        {"body": _changed(files.body(), "layers/x/conv2d", "conv1_conv", [(7, 7, 3, 64)])},
        "has two weights called backbone/conv1_conv.kernel",
    ),
    "class rows": (
        {"task": files.task(num_classes=91), "heads": files.heads(classes=90)},
        "classification_head/logits_layer.bias is [810], expected [819] by its task.json",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_preset_is_refused_in_one_line(fault, tmp_path):
    parts, expected = FAULTS[fault]
    assert expected in refusal(files.write(tmp_path / "preset", **parts))


def test_names_are_needed(tmp_path):
    nameless = {place: (None, shapes) for place, (_, shapes) in files.heads().items()}
    folder = files.write(tmp_path / "preset", heads=nameless)
    assert "does not tell the names of its layers" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + 90 * b"\0"])
def test_a_damaged_weight_file_is_named(content, tmp_path):
    folder = files.write(tmp_path / "preset", heads=None)
    (folder / "task.weights.h5").write_bytes(content)
    assert "task.weights.h5: not a Keras weight file" in refusal(folder)


def test_a_damaged_configuration_is_named(tmp_path):
    folder = files.write(tmp_path / "preset")
    (folder / "task.json").write_text("{")
    assert "task.json: cannot be read as JSON" in refusal(folder)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    folder = files.write(tmp_path / "preset")
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        file["layers/functional/layers/conv2d_0/vars/0"][0, 0, 0, 0] = np.nan
    assert "backbone/conv1_conv.kernel holds values that are no finite numbers" in refusal(folder)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("odtk", "named as KerasHub does, which is not odtk"),
        ("keras_hub_v2", "its heads are without group norm, so that it is not keras_hub_v2"),
    ],
)
def test_a_family_that_a_preset_cannot_be_is_refused(family, expected, tmp_path):
    assert expected in refusal(files.write(tmp_path / "preset"), family)


def test_a_preset_is_converted_by_the_command_or_nothing_is_written(tmp_path, capsys):
    folder, out = files.write(tmp_path / "preset"), tmp_path / "out.keras"
    words = [str(folder), str(out)]
    (folder / "task.weights.h5").rename(tmp_path / "aside")
    assert run(lambda: convert_model.main(words), "retinanet-convert-model") == BAD_INPUT
    assert "has no task.weights.h5" in capsys.readouterr().err
    assert not out.exists()
    (tmp_path / "aside").rename(folder / "task.weights.h5")
    assert run(lambda: convert_model.main(words), "retinanet-convert-model") == 0
    assert profile_of(models.load_model(out)).family == "keras_hub"
