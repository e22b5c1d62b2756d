"""Weights written in the names of torchvision and of keras-retinanet 1.0 are the network's."""

import json
import os
import re
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from keras_retinanet import models
from keras_retinanet.bin import convert_model
from keras_retinanet.models.snapshot import attach_profile, profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import FAMILIES
from keras_retinanet.weights import coco_classes
from keras_retinanet.weights.torchvision import CLASS_HEAD
from keras_retinanet.weights.writing import LAYOUTS, write_weights
from tests.weights import keras2_file

SMALL = {"pyramid_features": 32, "head_features": 32}
TORCHVISION = ("torchvision", "torchvision_trained", "torchvision_v2")
NAMES = ("cat", "dog", "")


def network_of(family="fizyr", backbone="resnet18", classes=NAMES, seed=0, **options):
    profile = FAMILIES[family]
    network = models.backbone(backbone).retinanet(
        len(classes), profile=None if family == "fizyr" else profile, **(SMALL | options)
    )
    attach_profile(network, replace(profile_of(network), classes=classes))
    return keras2_file.randomise(network, seed)


def arrays(network):
    return {v.path: keras.ops.convert_to_numpy(v) for v in network.variables}


def assert_equal_to_the_bit(found, expected):
    found, expected = arrays(found), arrays(expected)
    assert len(found) == len(expected)
    for (name, one), other in zip(expected.items(), found.values(), strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other), name


def refusal(model, path, layout):
    with pytest.raises(WeightsError) as caught:
        write_weights(model, path, layout)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert not path.exists()
    return message


# torchvision


@pytest.mark.parametrize("classes", [NAMES, coco_classes.NAMES], ids=["three classes", "COCO's"])
@pytest.mark.parametrize("family", TORCHVISION)
def test_a_network_survives_torchvisions_layout(family, classes, tmp_path):
    network = network_of(family, classes=classes)
    path = tmp_path / "weights.safetensors"
    write_weights(network, path, "torchvision")
    loaded = models.load_model(path)
    assert_equal_to_the_bit(loaded, network)
    assert profile_of(loaded) == profile_of(network)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """Return the path of a file with torchvision's 91 outputs, all of them random."""
    path = tmp_path_factory.mktemp("theirs") / "theirs.safetensors"
    write_weights(network_of("torchvision_v2", classes=coco_classes.NAMES), path, "torchvision")
    tensors, rng = load_file(path), np.random.default_rng(1)
    for kind in ("weight", "bias"):
        shape = tensors[f"{CLASS_HEAD}.{kind}"].shape
        tensors[f"{CLASS_HEAD}.{kind}"] = rng.normal(0, 0.1, shape).astype(np.float32)
    save_file(tensors, path)
    return path


def test_torchvisions_file_comes_back_equal_but_for_outputs_of_no_category(theirs, tmp_path):
    path = tmp_path / "back.safetensors"
    write_weights(models.load_model(theirs), path, "torchvision")
    before, after = load_file(theirs), load_file(path)
    assert before.keys() == after.keys()
    for name in before:
        if not name.startswith(CLASS_HEAD):
            assert np.array_equal(before[name], after[name]), name
    unused = sorted(set(range(91)) - set(coco_classes.IDS))
    assert unused == [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    for kind, fill in (("weight", 0.0), ("bias", -100.0)):
        one, other = (
            tensors[f"{CLASS_HEAD}.{kind}"].reshape(9, 91, -1) for tensors in (before, after)
        )
        assert np.array_equal(one[:, coco_classes.IDS], other[:, coco_classes.IDS])
        assert (other[:, unused] == fill).all()


def test_the_names_and_shapes_are_torchvisions(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(network_of("torchvision", classes=coco_classes.NAMES), path, "torchvision")
    shapes = {name: array.shape for name, array in load_file(path).items()}
    expected = {
        "backbone.body.conv1.weight": (64, 3, 7, 7),
        "backbone.body.layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "backbone.body.layer2.0.downsample.1.running_var": (128,),
        "backbone.fpn.inner_blocks.2.0.weight": (32, 512, 1, 1),
        "backbone.fpn.layer_blocks.0.0.bias": (32,),
        "backbone.fpn.extra_blocks.p6.weight": (32, 32, 3, 3),
        "head.classification_head.conv.3.0.weight": (32, 32, 3, 3),
        "head.classification_head.cls_logits.weight": (819, 32, 3, 3),
        "head.regression_head.bbox_reg.bias": (36,),
    }
    assert {name: shapes[name] for name in expected} == expected


MISFITS = [
    ({"backbone": "resnet50"}, "pool_padding of the backbone of this network is same, there 1"),
    ({"family": "detectron2", "backbone": "resnet50"}, "stride_in of the backbone .* 1x1, there 3"),
    ({"family": "mmdetection"}, "preprocessing of this network is"),
    ({"family": "torchvision", "head_layers": 2}, "head_layers of this network is 2, there 4"),
    ({"family": "torchvision", "head_features": 16}, "head_features of this network is 16"),
    ({"family": "torchvision", "classes": ("",) * 91}, "number of classes of this network is 91"),
    ({"family": "fizyr", "backbone": "mobilenet224_0.25"}, "backbone of this network is mobilenet"),
]


@pytest.mark.parametrize(("options", "message"), MISFITS, ids=str)
def test_a_network_that_torchvision_computes_otherwise_is_refused(options, message, tmp_path):
    found = refusal(network_of(**options), tmp_path / "weights.safetensors", "torchvision")
    assert re.search(message, found), found
    assert "torchvision computes otherwise" in found


# keras-retinanet 1.0

OLD = [
    ("resnet50", {}),
    ("resnet50", {"backbone_options": {"conv1_padding": "same"}}),
    ("mobilenet224_0.25", {"head_layers": 2}),
]


@pytest.mark.parametrize(("backbone", "options"), OLD, ids=str)
def test_a_network_survives_the_layout_of_1_0(backbone, options, tmp_path):
    network = network_of(backbone=backbone, **options)
    path = tmp_path / "weights.h5"
    write_weights(network, path, "fizyr")
    loaded = models.load_model(path)
    assert_equal_to_the_bit(loaded, network)
    style = {"conv1_padding": 3} if backbone == "resnet50" else {}
    ours = replace(
        profile_of(network),
        classes=("",) * len(NAMES),
        backbone_options=style | profile_of(network).backbone_options,
    )
    assert profile_of(loaded) == ours


def test_the_file_of_1_0_is_what_keras_2_wrote(tmp_path):
    network = network_of(backbone="mobilenet224_0.25")
    write_weights(network, tmp_path / "ours.h5", "fizyr")
    truth = keras2_file.write_layers(tmp_path / "old.h5", keras2_file.stored_layers(network))
    found, expected = (stored(tmp_path / name) for name in ("ours.h5", truth.name))
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


def texts(values):
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def stored(path):
    """Return {name: content} of all groups' attributes and all datasets of an HDF5 file."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]
        else:
            found.update({f"{name}@{key}": texts(value) for key, value in item.attrs.items()})

    with h5py.File(path) as file:
        file.visititems(visit)
        found["layer_names"] = texts(file.attrs["layer_names"])
    return found


OLD_MISFITS = [
    ({"family": "torchvision_v2"}, "backbone of this network is resnet18"),
    ({"family": "detectron2", "backbone": "resnet50"}, "resize_rule of this network is pillow"),
    (
        {"backbone": "resnet50", "backbone_options": {"epsilon": 1e-3}},
        "epsilon of the backbone of this network is 0.001, there 1e-05",
    ),
    ({"backbone": "densenet121"}, "preprocessing of this network is"),
    ({"backbone": "mobilenetv2_0.35"}, "backbone of this network is mobilenetv2_0.35"),
]


@pytest.mark.parametrize(("options", "message"), OLD_MISFITS, ids=str)
def test_a_network_that_1_0_computes_otherwise_is_refused(options, message, tmp_path):
    found = refusal(network_of(**options), tmp_path / "weights.h5", "fizyr")
    assert message in found
    assert "keras-retinanet 1.0 computes otherwise" in found


def test_a_densenet_as_1_0_fed_it_is_written_under_its_old_names(tmp_path):
    network = network_of(backbone="densenet121")
    attach_profile(network, replace(profile_of(network), preprocessing="tf"))
    write_weights(network, tmp_path / "weights.h5", "fizyr")
    assert "conv1/conv" in stored(tmp_path / "weights.h5")["layer_names"]
    assert_equal_to_the_bit(models.load_model(tmp_path / "weights.h5"), network)


def test_names_are_strings_of_one_length_which_keras_2_can_decode(tmp_path):
    path = tmp_path / "weights.h5"
    write_weights(network_of(backbone="mobilenet224_0.25"), path, "fizyr")
    with h5py.File(path) as file:
        assert file.attrs["layer_names"].dtype.kind == "S"
        assert file["P3"].attrs["weight_names"].dtype.kind == "S"
        assert file.attrs["keras_version"] == b"2.4.3"


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")  # Keras 2's own
@pytest.mark.parametrize("padding", [3, "same"])
def test_keras_2_loads_the_file_by_name_and_gives_the_same(padding, tmp_path):
    pytest.importorskip("tf_keras", reason="pip install --no-deps tf_keras==2.21.0")
    from tests.weights import keras2_retinanet

    theirs = keras2_retinanet.retinanet("resnet50", 3, conv1_padding=padding, width=32)
    network = network_of(backbone="resnet50", backbone_options={"conv1_padding": padding})
    write_weights(network, tmp_path / "weights.h5", "fizyr")
    theirs.load_weights(tmp_path / "weights.h5", by_name=True)
    x = np.random.default_rng(0).normal(0, 1, (1, 97, 131, 3)).astype("float32")
    for ours, truth in zip(network(x), theirs(x), strict=True):
        ours, truth = keras.ops.convert_to_numpy(ours), np.asarray(truth)
        assert np.abs(ours - truth).max() <= 1e-4 * np.abs(truth).max()


# Files and the command


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_disk_that_fails_leaves_the_file_that_was_there(layout, tmp_path, monkeypatch):
    family, backbone = {"fizyr": ("fizyr", "mobilenet224_0.25")}.get(
        layout, ("torchvision", "resnet18")
    )
    path = tmp_path / f"weights{LAYOUTS[layout].suffix}"
    path.write_bytes(b"before")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_weights(network_of(family, backbone), path, layout)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [
        (path.name, b"before")
    ]


def test_the_commands_layouts_are_those_of_the_library():
    assert {name: row.suffix for name, row in LAYOUTS.items()} == convert_model.LAYOUTS


def test_the_command_writes_the_weights_of_a_detector(tmp_path, capsys):
    network = network_of("torchvision_v2", classes=coco_classes.NAMES)
    detector = models.convert_model(network)
    models.snapshot.save_snapshot(detector, tmp_path / "model.keras")
    out = tmp_path / "out.safetensors"
    convert_model.main([str(tmp_path / "model.keras"), str(out), "--layout", "torchvision"])
    assert capsys.readouterr().out == f"written: {out}\n"
    assert_equal_to_the_bit(models.load_model(out), network)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("out.h5", "--layout", "torchvision"), "name one that ends in .safetensors"),
        (("out.keras", "--layout", "fizyr"), "name one that ends in .h5"),
        (("out.h5", "--layout", "fizyr", "--no-nms"), "--nms is of detectors"),
        (("out.h5", "--layout", "fizyr", "--max-detections", "5"), "--max-detections is of"),
        (("out.safetensors",), "unknown kind of file '.safetensors'"),
    ],
)
def test_a_layout_that_does_not_go_with_the_rest_is_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        convert_model.parse_args(["model.keras", *words])
    assert message in capsys.readouterr().err


def test_class_names_are_kept_beside_the_tensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(network_of("torchvision"), path, "torchvision")
    with safe_open(path, "np") as file:
        stated = file.metadata()
    assert json.loads(stated["keras_retinanet.classes"]) == list(NAMES)
    assert stated["format"] == "pt"
