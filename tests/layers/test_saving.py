"""Every layer survives its configuration and a `.keras` file."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet import layers
from tests.backends import array

pytestmark = pytest.mark.numerics

RNG = np.random.default_rng(0)
IMAGES = np.zeros((2, 30, 40, 3), np.float32)
BOXES = np.float32(
    [
        [(0, 0, 10, 10), (1, 0, 11, 10), (20, 20, 29, 29)],
        [(5, 5, 9, 9), (5, 5, 9, 9), (0, 0, 50, 9)],
    ]
)
DELTAS = RNG.normal(size=(2, 3, 4)).astype(np.float32)
SCORES = RNG.uniform(size=(2, 3, 2)).astype(np.float32)
OTHER = RNG.normal(size=(2, 3, 5)).astype(np.float32)
FILTER = {
    "nms": True,
    "class_specific_filter": False,
    "nms_threshold": 0.3,
    "score_threshold": 0.1,
    "max_detections": 4,
    "parallel_iterations": 8,
    "candidates": 100,
    "nms_within": "all",
    "name": "filter",
}

CODER = {
    "coding": "centres",
    "mean": [0.1, 0.1, 0.1, 0.1],
    "std": [0.3, 0.3, 0.3, 0.3],
    "pixel": 1.0,
    "clamp": 4.0,
}

# Each row: class, arguments other than the defaults, inputs.
LAYERS = {
    "anchors": (
        layers.Anchors,
        {
            "size": 20,
            "stride": 8,
            "ratios": [0.5, 2.0],
            "scales": [1.0, 1.5],
            "centre": 0.0,
            "rounding": "whole",
            "order": "scale",
            "name": "a",
        },
        np.zeros((2, 3, 4, 1), np.float32),
    ),
    "anchors of floored strides": (
        layers.Anchors,
        {"size": 20, "stride": None, "name": "a"},
        [np.zeros((2, 3, 4, 1), np.float32), IMAGES],
    ),
    "pad": (layers.PadToMultiple, {"multiple": 16, "name": "p"}, IMAGES),
    "upsample": (
        layers.UpsampleLike,
        {"name": "u"},
        [RNG.normal(size=(2, 2, 3, 2)).astype(np.float32), np.zeros((2, 5, 5, 1), np.float32)],
    ),
    "regress": (
        layers.RegressBoxes,
        {"mean": [0.1, 0.2, 0.3, 0.4], "std": [1.0, 2.0, 3.0, 4.0], "name": "r"},
        [BOXES, DELTAS],
    ),
    "clip": (layers.ClipBoxes, {"name": "c"}, [IMAGES, BOXES]),
    "filter": (layers.FilterDetections, FILTER, [BOXES, SCORES, OTHER]),
    "grouped": (
        layers.GroupedConv2D,
        {"filters": 8, "kernel_size": (3, 3), "strides": (2, 2), "groups": 4, "name": "g"},
        RNG.normal(size=(2, 5, 6, 8)).astype(np.float32),
    ),
    "detect": (
        layers.Detect,
        FILTER | {"activation": "sigmoid", "coder": CODER, "clip_margin": 0.0},
        [IMAGES, BOXES, DELTAS, SCORES, OTHER],
    ),
    "detect by level": (
        layers.Detect,
        FILTER | {"coder": CODER, "levels": 2, "level_candidates": 2, "clip_margin": None},
        [IMAGES, BOXES[:, :1], BOXES[:, 1:], DELTAS, SCORES, OTHER],
    ),
}


def outputs(layer, inputs):
    found = layer(keras.tree.map_structure(ops.convert_to_tensor, inputs))
    return [array(value) for value in keras.tree.flatten(found)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_layer_is_in_the_table():
    assert {row[0].__name__ for row in LAYERS.values()} == set(layers.__all__)


@pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)
def test_every_argument_is_in_the_configuration(row):
    kind, options, _ = row
    config = kind(**options).get_config()
    own = set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}
    assert own <= set(config)
    for name, value in options.items():
        assert config[name] == value


@pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)
def test_a_layer_made_from_its_configuration_is_the_same(row):
    kind, options, inputs = row
    first = kind(**options)
    second = kind.from_config(first.get_config())
    assert second.get_config() == first.get_config()
    expected = outputs(first, inputs)
    outputs(second, inputs)  # builds it
    second.set_weights(first.get_weights())
    assert_same(outputs(second, inputs), expected)


@pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)
def test_a_model_file_brings_the_layer_back(row, tmp_path):
    kind, options, inputs = row
    layer = kind(**options)
    specs = keras.tree.map_structure(lambda value: keras.Input(value.shape[1:]), inputs)
    model = keras.Model(specs, layer(specs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer(options["name"]).get_config() == layer.get_config()
    assert_same(outputs(again, inputs), outputs(layer, inputs))


@pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)
def test_symbolic_shapes_and_dtypes_are_the_true_ones(row):
    kind, options, inputs = row
    layer = kind(**options)
    specs = keras.tree.map_structure(lambda v: keras.KerasTensor(v.shape, v.dtype.name), inputs)
    promised = keras.tree.flatten(layer(specs))
    for spec, found in zip(promised, outputs(layer, inputs), strict=True):
        assert tuple(spec.shape) == found.shape
        assert spec.dtype == found.dtype.name
