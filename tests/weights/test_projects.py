"""Files of Detectron2, MMDetection and ODTK give what their networks give, written in torch."""

from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.retinanet import anchor_tensors, retinanet_bbox
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.weights.published import load_source
from keras_retinanet.weights.readers import find_reader
from keras_retinanet.weights.tensor_files import read_tensors
from tests.backends import array

torch = pytest.importorskip("torch")
from tests.weights import project_files, torch_references  # noqa: E402
from tests.weights.detections import compare  # noqa: E402

SIZES = ((64, 96), (65, 97), (90, 71))  # even, odd, and one of each
CAFFE = project_files.CONFIG_3.replace("style='pytorch'", "style='caffe'")


def caffe_file(model, path):
    return project_files.mmdetection_file(model, path, CAFFE)


# name: (family, options of the network in torch, writer of its file)
CASES = {
    "odtk": ("odtk", {}, project_files.odtk_release),
    "mmdetection": ("mmdetection", {"classes": 80}, project_files.mmdetection_file),
    "detectron2": ("detectron2", {"depth": 50}, project_files.detectron2_pickle),
}
HEAVY_CASES = {
    "odtk 50": ("odtk", {"depth": 50, "classes": 80}, project_files.odtk_file),
    "mmdetection caffe": ("mmdetection_caffe", {"depth": 50}, caffe_file),
    "detectron2 101": ("detectron2", {"depth": 101}, project_files.detectron2_checkpoint),
    "mmdetection x101 32x4d": (
        "mmdetection",
        {"depth": 101, "groups": 32, "base": 128},
        project_files.mmdetection_file,
    ),
    "mmdetection x101 64x4d": (
        "mmdetection",
        {"depth": 101, "groups": 64, "base": 256},
        project_files.mmdetection_file,
    ),
}
BACKBONES = {
    "odtk 50": "resnet50",
    "detectron2 101": "resnet101",
    "mmdetection x101 32x4d": "resnext101_32x4d",
    "mmdetection x101 64x4d": "resnext101_64x4d",
}
ALL = [*CASES, *(pytest.param(name, marks=pytest.mark.heavy) for name in HEAVY_CASES)]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Return f(case) -> (network in torch, path of its file, our network)."""

    @cache
    def open_case(case):
        family, options, write = (CASES | HEAVY_CASES)[case]
        truth = torch_references.build(family, **options)
        path = write(truth, tmp_path_factory.mktemp("files") / "weights.zip")
        return truth, path, models.load_model(path)

    return open_case


def images(batch, height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (batch, height, width, 3)).astype(np.float32)


def canvas_of_two():
    """Return pictures of two sizes on one canvas of zeros, and their sizes."""
    sizes, canvas = np.array([(64, 96), (90, 71)], np.int32), np.zeros((2, 90, 96, 3), np.float32)
    for place, (height, width) in enumerate(sizes):
        canvas[place, :height, :width] = images(1, height, width, seed=place)[0]
    return canvas, sizes


def difference(found, expected):
    """Return max|a - b| / max|a|, inf where sizes differ."""
    found = array(found)
    if found.shape != expected.shape:
        return np.inf
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def heads_difference(network, truth, x):
    """Return the largest difference of deltas and class scores."""
    deltas, scores = network(x)
    levels = zip(*torch_references.outputs(truth, x), strict=True)
    logits, boxes = zip(
        *(
            (np.stack([one[0] for one in level]), np.stack([one[1] for one in level]))
            for level in levels
        ),
        strict=True,
    )
    expected = 1 / (1 + np.exp(-np.concatenate(logits, axis=1)))
    return max(difference(deltas, np.concatenate(boxes, axis=1)), difference(scores, expected))


def pyramid_difference(network, truth, x):
    """Return the largest difference of the five levels."""
    layers = [network.get_layer(f"P{level}").output for level in torch_references.LEVELS]
    with torch.no_grad():
        padded = truth.padded(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        expected = [level.permute(0, 2, 3, 1).numpy() for level in truth.pyramid(padded)]
    found = keras.Model(network.inputs[0], layers)(x)
    return max(map(difference, found, expected))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("case", ALL)
def test_pyramid_and_heads_equal_the_projects_on_even_and_odd_sizes(case, size, opened):
    truth, _, network = opened(case)
    x = images(2, *size)
    assert pyramid_difference(network, truth, x) <= 1e-4
    assert heads_difference(network, truth, x) <= 1e-4


@pytest.mark.parametrize("case", ["odtk 50", *list(HEAVY_CASES)[2:]])
@pytest.mark.heavy
def test_deep_and_grouped_backbones_are_told_by_their_tensors(case, opened):
    assert profile_of(opened(case)[2]).backbone == BACKBONES[case]


@pytest.mark.parametrize("case", CASES)
def test_anchors_equal_loops_over_cells(case, opened):
    truth, _, network = opened(case)
    family, profile = truth.family, profile_of(network)
    for size in SIZES:
        x = images(1, *size)
        found = keras.Model(
            network.inputs[0], anchor_tensors(network, profile.levels, profile.anchors)
        )(x)
        grids = [grid for _, _, grid in torch_references.outputs(truth, x)[0]]
        for level, grid, stride in zip(found, grids, torch_references.STRIDES, strict=True):
            expected = torch_references.anchors_of_level(family.cell(stride), stride, *grid)
            assert np.abs(array(level)[0] - expected).max() < 1e-3


def detections(detector, inputs):
    """Return [(boxes, scores, labels) of each picture] without padding."""
    boxes, scores, labels = (array(output) for output in detector(inputs))
    rows = [row > -1 for row in labels]
    return [
        (boxes[place][there], scores[place][there], labels[place][there])
        for place, there in enumerate(rows)
    ]


def rows_that_differ(network, truth, x, sizes=None):
    """Return (rows that differ, rows excused, rows in all) of a batch.

    Args:
        sizes: true sizes [B, 2]; None for pictures that fill the canvas.
    """
    inputs, options = x, {}
    if sizes is not None:
        inputs, options = [x, sizes], {"sizes": keras.Input((2,), dtype="int32")}
    found = detections(retinanet_bbox(network, **options), inputs)
    sides = [x.shape[1:3]] * len(x) if sizes is None else sizes
    if truth.family.clip == "canvas":
        sides = [truth.padded(torch.zeros(1, 3, *x.shape[1:3])).shape[2:]] * len(x)
    expected = [
        torch_references.detect(levels, frame, truth.family)
        for levels, frame in zip(torch_references.outputs(truth, x), sides, strict=True)
    ]
    counts = [compare(*pair) for pair in zip(found, expected, strict=True)]
    return (*np.sum(counts, axis=0), sum(len(scores) for _, scores, _ in expected))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("case", ALL)
def test_detections_of_one_picture_equal_loops(case, size, opened):
    truth, _, network = opened(case)
    wrong, excused, rows = rows_that_differ(network, truth, images(1, *size))
    assert wrong == 0
    assert excused <= 0.05 * rows
    assert rows > 20


@pytest.mark.parametrize("case", ALL)
def test_detections_of_two_pictures_of_different_sizes_equal_loops(case, opened):
    truth, _, network = opened(case)
    x, sizes = canvas_of_two()
    # ODTK clips to the canvas, whatever the pictures' sizes
    sizes = None if truth.family.clip == "canvas" else sizes
    wrong, excused, rows = rows_that_differ(network, truth, x, sizes)
    assert wrong == 0
    assert excused <= 0.05 * rows
    assert rows > 40


# Switches: only the family's own gives what the project gives.


def flipped(path, **switches):
    """Return our network of a file, some switches of its profile changed."""
    file = read_tensors(path)
    source = find_reader(path, file.tensors).read(path, file, None)
    return load_source(path, replace(source, profile=replace(source.profile, **switches)))


FLIPPED_NETWORKS = [
    ("odtk", {"p7_relu": False}),
    ("odtk", {"p6_padding": "same"}),
    ("odtk", {"pad_multiple": 32}),
    ("odtk", {"backbone_options": {"pool_padding": "same", "stride_in": "3x3"}}),
    ("mmdetection", {"p7_relu": True}),
    ("mmdetection", {"p6_padding": "same"}),
    ("mmdetection", {"pad_multiple": 1}),
    ("detectron2", {"backbone_options": {"pool_padding": 1, "stride_in": "3x3"}}),
]


@pytest.mark.parametrize(("case", "switches"), FLIPPED_NETWORKS, ids=str)
def test_a_network_with_a_switch_flipped_differs(case, switches, opened):
    truth, path, _ = opened(case)
    assert heads_difference(flipped(path, **switches), truth, images(1, 66, 98)) > 1e-3


def anchors_of(case, **changes):
    def change(profile):
        return replace(profile, anchors=replace(profile.anchors, **changes))

    return case, change, ", ".join(changes)


def profile_of_case(case, **changes):
    return case, lambda profile: replace(profile, **changes), ", ".join(changes)


FLIPPED_DETECTORS = [
    anchors_of("odtk", order="ratio"),
    anchors_of("odtk", centre=0.0),
    anchors_of("odtk", rounding="none"),
    anchors_of("odtk", ratios=(0.5, 1.0, 2.0)),
    anchors_of("mmdetection", order="scale"),
    anchors_of("mmdetection", centre=0.5),
    anchors_of("detectron2", order="ratio"),
    anchors_of("detectron2", scales=(1.0, 1.25, 1.5)),
    profile_of_case("odtk", box_pixel=0.0),
    profile_of_case("odtk", clip_margin=0.0),
    profile_of_case("odtk", clip_to="image"),
    profile_of_case("mmdetection", box_coding="corners"),
    profile_of_case("mmdetection", box_std=(0.1, 0.1, 0.2, 0.2)),
    profile_of_case("mmdetection", clip_margin=1.0),
    profile_of_case("odtk", score_threshold=0.1),
    profile_of_case("mmdetection", level_candidates=20),
    profile_of_case("detectron2", nms_threshold=0.6),
    profile_of_case("detectron2", max_detections=50),
]


@pytest.mark.parametrize(
    ("case", "change"),
    [flip[:2] for flip in FLIPPED_DETECTORS],
    ids=[f"{case} {name}" for case, _, name in FLIPPED_DETECTORS],
)
def test_a_detector_with_a_switch_flipped_differs(case, change, opened):
    truth, _, network = opened(case)
    profile = profile_of(network)
    models.snapshot.attach_profile(network, change(profile))
    try:
        wrong, _, _ = rows_that_differ(network, truth, images(1, 90, 71))
    finally:
        models.snapshot.attach_profile(network, profile)
    assert wrong > 5
