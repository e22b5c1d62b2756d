"""What files of Detectron2, MMDetection and ODTK state is used, and what is not read is refused."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from keras_retinanet import models
from keras_retinanet.models.backbone_families import find_family
from keras_retinanet.models.resnet import RESNETS, block_names
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.families import FAMILIES
from keras_retinanet.utils.normalisation import PREPROCESSINGS, Preprocessing
from keras_retinanet.weights import coco_classes, mmdet_config
from keras_retinanet.weights.layer_names import block_number
from keras_retinanet.weights.readers import READERS, find_reader
from keras_retinanet.weights.tensor_files import read_tensors
from keras_retinanet.weights.torch_resnets import DEPTHS, GROUPED

torch = pytest.importorskip("torch")
from tests.backends import array  # noqa: E402
from tests.weights import project_files, torch_references  # noqa: E402
from tests.weights.project_files import CONFIG_2, CONFIG_3  # noqa: E402


def read_profile(path, family=None):
    """Return the profile that a reader finds in a file, without making the network."""
    file = read_tensors(path)
    return find_reader(path, file.tensors, family).read(path, file, family).profile


def refusal(path, load=models.load_model, **options):
    with pytest.raises(WeightsError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


@pytest.fixture(scope="module")
def small():
    """Return f(**options) -> a network in torch, of random weights and few channels."""
    made = {}

    def build(**options):
        key = tuple(sorted(options.items()))
        if key not in made:
            made[key] = torch_references.TorchRetinaNet("mmdetection", **options)
        return made[key]

    return build


# Names


@pytest.mark.parametrize("name", RESNETS)
def test_the_blocks_of_every_resnet_are_numbered_by_their_names(name):
    stages = RESNETS[name].blocks
    for stage in range(2, 6):
        names = block_names(stages, stage)
        assert [block_number(block) for block in names] == list(range(stages[stage - 2]))


def test_every_resnet_that_is_told_by_its_tensors_is_one_that_is_built():
    told = {*DEPTHS.values(), *GROUPED.values()}
    assert told <= RESNETS.keys()
    assert all(find_family(name) for name in told)
    assert RESNETS.keys() - told == {f"resnet{depth}d" for depth in (18, 34, 50, 101, 152)}
    for (base, groups, width), name in GROUPED.items():
        member = RESNETS[name]
        assert (member.groups, member.width) == (groups, width)
        assert member.blocks == RESNETS[base].blocks


# Anchors and boxes


# NVIDIA/retinanet-examples, issue 54: the first level's, and one of the third
ODTK_CELL = [
    (-12.0, -12.0, 19.0, 19.0),
    (-8.0, -20.0, 15.0, 27.0),
    (-18.0, -8.0, 25.0, 15.0),
    (-16.15, -16.15, 23.15, 23.15),
    (-11.11, -26.23, 18.11, 33.23),
    (-23.71, -11.11, 30.71, 18.11),
    (-21.39, -21.39, 28.39, 28.39),
    (-15.04, -34.09, 22.04, 41.09),
    (-30.92, -15.04, 37.92, 22.04),
]


@pytest.mark.numerics
def test_odtks_anchors_are_those_that_its_users_print():
    anchors = FAMILIES["odtk"].anchors
    # printed with two decimals, the rest cut off
    assert np.abs(anchors.cell(0) + 4 - ODTK_CELL).max() < 0.011
    assert (anchors.cell(2)[:3] + 16).tolist() == [
        [-48, -48, 79, 79],
        [-30, -76, 61, 107],
        [-74, -28, 105, 59],
    ]


@pytest.mark.numerics
@pytest.mark.parametrize("family", torch_references.FAMILIES)
def test_boxes_are_decoded_as_loops_do_however_large_the_growth(family):
    rng = np.random.default_rng(0)
    deltas = rng.normal(0, 3, (200, 4)).astype(np.float32)
    corners = rng.uniform(0, 50, (200, 2))
    anchors = np.concatenate([corners, corners + rng.uniform(5, 60, (200, 2))], axis=1)
    truth = torch_references.FAMILIES[family]
    expected = torch_references.decode(deltas, anchors, truth)
    coder = FAMILIES[family].coder
    tensors = [ops.convert_to_tensor(np.float32(values)) for values in (deltas, anchors)]
    found = array(coder.decode(*tensors))
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(found - expected) / scale).max() < 1e-5
    other = replace(coder, clamp=4.0 if truth.clamp == np.inf else None)
    flipped = array(other.decode(*tensors))
    assert (np.abs(flipped - expected) / scale).max() > 0.1


# Detectron2


@pytest.fixture(scope="module")
def resnet50():
    return torch_references.build("detectron2", depth=50, classes=80)


def test_a_checkpoint_of_detectron2_is_the_same_as_its_pickle(resnet50, tmp_path):
    files = [
        project_files.detectron2_pickle(resnet50, tmp_path / "model_final.pkl"),
        project_files.detectron2_checkpoint(resnet50, tmp_path / "model_final.pth"),
    ]
    first, second = (read_tensors(path).tensors for path in files)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    one, other = map(read_profile, files)
    assert one == other
    assert one.classes == coco_classes.NAMES
    assert one.preprocessing == PREPROCESSINGS["detectron2"]
    assert (one.backbone, one.pyramid_features, one.head_layers) == ("resnet50", 16, 2)


MEAN, STD = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]
PIXELS = [
    ([103.53, 116.28, 123.675], [1.0, 1.0, 1.0], "bgr", "1x1"),
    (MEAN, STD, "bgr", "3x3"),
    (MEAN[::-1], STD[::-1], "rgb", "3x3"),
]


@pytest.mark.parametrize(("mean", "std", "order", "stride_in"), PIXELS)
def test_pixel_mean_and_deviation_of_detectron2_are_used(
    mean, std, order, stride_in, resnet50, tmp_path
):
    stated = {
        "pixel_mean": np.float32(mean).reshape(3, 1, 1),
        "pixel_std": np.float32(std).reshape(3, 1, 1),
    }
    path = project_files.detectron2_pickle(resnet50, tmp_path / "model.pkl", **stated)
    profile = read_profile(path)
    assert profile.preprocessing == Preprocessing(
        order, 1.0, tuple(np.float32(mean).tolist()), tuple(np.float32(std).tolist())
    )
    assert profile.backbone_options["stride_in"] == stride_in


def test_other_anchors_of_detectron2_are_refused(resnet50, tmp_path):
    stated = {"anchor_generator.cell_anchors.1": np.zeros((9, 4), np.float32)}
    path = project_files.detectron2_pickle(resnet50, tmp_path / "model.pkl", **stated)
    assert "cell_anchors.1 are not those that Detectron2 starts with" in refusal(path)


def test_caffe2_blobs_of_detectron_1_are_refused_by_name(tmp_path):
    blobs = {
        "conv1_w": np.zeros((64, 3, 7, 7), np.float32),
        "res_conv1_bn_s": np.ones(64, np.float32),
        "res_conv1_bn_b": np.zeros(64, np.float32),
        "res2_0_branch2a_w": np.zeros((64, 64, 1, 1), np.float32),
    }
    path = tmp_path / "model_final.pkl"
    path.write_bytes(pickle.dumps({"blobs": blobs, "cfg": "MODEL: {}"}, protocol=2))
    message = refusal(path)
    assert "blobs of Caffe2, as Detectron 1 wrote them" in message
    assert "Detectron2's model zoo" in message


def test_a_file_of_no_detector_names_the_projects(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"encoder.weight": torch.zeros(3)}, path)
    message = refusal(path)
    assert all(project in message for project in READERS)


# MMDetection


@pytest.mark.parametrize(("version", "cfg"), [(2, CONFIG_2), (3, CONFIG_3)])
def test_the_usual_configuration_gives_the_familys_row(version, cfg, small, tmp_path):
    path = project_files.mmdetection_file(
        small(classes=80), tmp_path / "epoch_12.pth", cfg, version
    )
    plain = project_files.mmdetection_file(small(classes=80), tmp_path / "plain.pth", None)
    assert read_profile(path) == read_profile(plain)
    row = replace(
        FAMILIES["mmdetection"],
        backbone="resnet18",
        classes=coco_classes.NAMES,
        pyramid_features=16,
        head_features=16,
        head_layers=2,
    )
    assert read_profile(path) == row


CAFFE_2 = CONFIG_2.replace("pytorch'", "caffe'").replace("to_rgb=True", "to_rgb=False")
CAFFE_2 = CAFFE_2.replace("mean=[123.675, 116.28, 103.53]", "mean=[103.53, 116.28, 123.675]")
CAFFE_2 = CAFFE_2.replace("std=[58.395, 57.12, 57.375]", "std=[1.0, 1.0, 1.0]")


def test_a_caffe_configuration_gives_the_caffe_row(small, tmp_path):
    path = project_files.mmdetection_file(small(), tmp_path / "caffe.pth", CAFFE_2, 2)
    profile = read_profile(path)
    assert profile.family == "mmdetection_caffe"
    assert profile.backbone_options == FAMILIES["mmdetection_caffe"].backbone_options
    assert profile.preprocessing == PREPROCESSINGS["detectron2"]
    assert read_profile(path, "mmdetection").family == "mmdetection"


STATED = [
    ("to_rgb=True", "to_rgb=False", {"preprocessing": "levels of the file"}),
    ("octave_base_scale=4", "octave_base_scale=8", {"sizes": (64, 128, 256, 512, 1024)}),
    ("scales_per_octave=3", "scales_per_octave=2", {"scales": (1.0, 2**0.5)}),
    ("ratios=[0.5, 1.0, 2.0]", "ratios=[1.0, 2.0, 3.0]", {"ratios": (1.0, 2.0, 3.0)}),
    ("octave_base_scale=4", "scale_major=False, octave_base_scale=4", {"order": "scale"}),
    ("octave_base_scale=4", "center_offset=0.5, octave_base_scale=4", {"centre": 0.5}),
    (
        "octave_base_scale=4,\n            scales_per_octave=3",
        "scales=[8, 10.5]",
        {"sizes": (8, 16, 32, 64, 128), "scales": (8.0, 10.5)},
    ),
    ("target_stds=[1.0, 1.0, 1.0, 1.0]", "target_stds=[0.1, 0.1, 0.2, 0.2]", "box_std"),
    ("num_outs=5", "num_outs=5, relu_before_extra_convs=True", {"p7_relu": True}),
    ("score_thr=0.05", "score_thr=0.01", {"score_threshold": 0.01}),
    ("nms_pre=1000", "nms_pre=500", {"level_candidates": 500}),
    ("iou_threshold=0.5", "iou_threshold=0.6", {"nms_threshold": 0.6}),
    ("max_per_img=100", "max_per_img=300", {"max_detections": 300}),
    ("size_divisor=32", "size_divisor=128", {"pad_multiple": 128}),
]


@pytest.mark.parametrize(("usual", "other", "expected"), STATED, ids=[row[1] for row in STATED])
def test_what_a_configuration_says_otherwise_is_taken(usual, other, expected):
    row, text = FAMILIES["mmdetection"], CONFIG_2.replace(usual, other)
    assert text != CONFIG_2
    found = mmdet_config.with_config("file", row, mmdet_config.parse_config(text))
    if expected == "box_std":
        expected = {"box_std": (0.1, 0.1, 0.2, 0.2)}
    if "preprocessing" in expected:
        mean, std = row.preprocessing.mean, row.preprocessing.std
        expected = {"preprocessing": Preprocessing("bgr", 1.0, mean, std)}
    of_anchors = {key: value for key, value in expected.items() if hasattr(row.anchors, key)}
    rest = {key: value for key, value in expected.items() if key not in of_anchors}
    assert found == replace(row, anchors=replace(row.anchors, **of_anchors), **rest)


REFUSED = [
    ("type='AnchorGenerator'", "type='LegacyAnchorGenerator'", "its head has a Legacy"),
    ("DeltaXYWHBBoxCoder", "TBLRBBoxCoder", "its head has a TBLRBBoxCoder"),
    ("on_input", "on_lateral", "makes P6 of a lateral layer"),
    ("ratios=[0.5, 1.0, 2.0]", "ratios=[0.5, 'a']", "could not convert"),
    ("ratios=[0.5, 1.0, 2.0]", "ratios=7", "expected .* for 3 anchors a cell"),
    ("scales_per_octave=3", "scales_per_octave=0", "scales_per_octave is 0, expected 1 to 100"),
    ("scales_per_octave=3", "scales_per_octave=1000000000", "scales_per_octave is 1000000000"),
    ("std=[58.395, 57.12, 57.375]", "std=[58.395]", "mean and std need one number"),
    ("model = dict(", "model = dict(((", "line .* is no Python"),
]


@pytest.mark.parametrize(("usual", "other", "message"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_configuration_that_is_not_read_is_refused(usual, other, message, small, tmp_path):
    text = CONFIG_3.replace(usual, other)
    assert text != CONFIG_3
    path = project_files.mmdetection_file(small(), tmp_path / "epoch.pth", text)
    assert re.search(message, refusal(path))


def test_a_configuration_is_never_run(tmp_path):
    mark = tmp_path / "mark"
    text = f"a = open({str(mark)!r}, 'w')\nmodel = dict(backbone=dict(style=str(1)), x=[{{**a}}])"
    assert mmdet_config.parse_config(text) == {
        "a": None,
        "model": {"backbone": {"style": None}, "x": [{}]},
    }
    assert not mark.exists()


@pytest.mark.parametrize("text", ["(" * 5000, "-" * 100_000 + "1", "x = " + "[" * 150 + "]" * 150])
def test_a_configuration_nested_too_deeply_ends_in_one_line(text):
    try:
        mmdet_config.parse_config(text)
    except ValueError as error:
        assert "nested too deeply" in str(error) or "is no Python" in str(error)


def test_files_of_before_version_2_are_refused(small, tmp_path):
    path = project_files.mmdetection_file(
        small(), tmp_path / "old.pth", None, mmdet_version="1.0rc1"
    )
    assert "written by MMDetection 1.0rc1, whose anchors and boxes ended on pixels" in refusal(path)


@pytest.mark.parametrize(
    "meta",
    [
        {"CLASSES": ("cat", "dog", "cow")},
        {"dataset_meta": {"CLASSES": ("cat", "dog", "cow")}},
        {"dataset_meta": {"classes": ["cat", "dog", "cow"], "palette": [(1, 2, 3)]}},
    ],
    ids=["version 2", "early version 3", "version 3"],
)
def test_mmdetections_class_names_are_used(meta, small, tmp_path):
    path = project_files.mmdetection_file(small(), tmp_path / "epoch.pth", **meta)
    assert read_profile(path).classes == ("cat", "dog", "cow")


def test_six_anchors_and_a_pyramid_on_p5_are_loaded_as_stated(tmp_path):
    truth = torch_references.build("mmdetection", anchors=6, p6_from="P5", width=32)
    text = CONFIG_3.replace("scales_per_octave=3", "scales_per_octave=2")
    path = project_files.mmdetection_file(truth, tmp_path / "six.pth", text)
    network = models.load_model(path)
    profile = profile_of(network)
    assert profile.anchors == AnchorParameters(centre=0.0, scales=(1.0, 2**0.5))
    assert (profile.p6_from, profile.pyramid_features) == ("P5", 32)
    x = np.random.default_rng(0).normal(0, 1, (1, 65, 97, 3)).astype(np.float32)
    levels = torch_references.outputs(truth, x)[0]
    expected = np.concatenate([deltas for _, deltas, _ in levels])
    assert np.abs(np.asarray(network(x)[0])[0] - expected).max() <= 1e-4 * np.abs(expected).max()


# ODTK


def test_the_ratios_and_scales_that_odtk_states_are_used(small, tmp_path):
    stated = {"ratios": [1.0, 3.0], "scales": [4.0, 5.0, 6.0]}
    path = project_files.odtk_file(small(anchors=6), tmp_path / "odtk.pth", **stated)
    anchors = read_profile(path).anchors
    assert (anchors.ratios, anchors.scales) == ((1.0, 3.0), (4.0, 5.0, 6.0))
    expected = torch_references.cell_on_pixels(16, stated["ratios"], stated["scales"]) - [8] * 4
    assert np.abs(anchors.cell(1) - expected).max() < 1e-4


ODTK_REFUSED = [
    ({"classes": 80}, "states 80 classes, but its head has 3"),
    ({"ratios": [1.0, "a"]}, "states ratios or scales that cannot be"),
    (
        {"ratios": [1.0, 2.0]},
        "cls_head.4.weight is [27, 16, 3, 3], expected [6 * classes, 256, 3, 3]",
    ),
]


@pytest.mark.parametrize(("stated", "message"), ODTK_REFUSED, ids=str)
def test_statements_of_odtk_that_do_not_fit_its_heads_are_refused(stated, message, small, tmp_path):
    path = project_files.odtk_file(small(), tmp_path / "odtk.pth", **stated)
    assert message in refusal(path)


def test_rotated_boxes_of_odtk_are_refused(small, tmp_path):
    content = torch.load(project_files.odtk_file(small(), tmp_path / "odtk.pth"))
    for kind in ("weight", "bias"):
        name = f"box_head.4.{kind}"
        content["state_dict"][name] = torch.zeros(162, *content["state_dict"][name].shape[1:])
    torch.save(content, tmp_path / "rotated.pth")
    message = refusal(tmp_path / "rotated.pth")
    assert "is [162, 16, 3, 3], expected [36, 256, 3, 3] for 9 anchors a cell" in message
    assert "Only upright boxes are read" in message
