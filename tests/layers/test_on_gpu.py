"""What is computed otherwise on a GPU equals what a CPU computes."""

import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import Detect, candidates, suppression
from keras_retinanet.utils import targets
from keras_retinanet.utils.gpu import on_gpu
from tests.backends import array

pytestmark = pytest.mark.numerics


def boxes(rng, *shape):
    """Return float32 boxes [*shape, 4], many of which overlap."""
    low = rng.uniform(0, 100, (*shape, 2))
    return np.concatenate([low, low + rng.uniform(5, 60, (*shape, 2))], axis=-1).astype(np.float32)


@pytest.fixture
def as_on_gpu(monkeypatch):
    """Return f(), after which the code takes the ways that it takes on a GPU."""

    def pretend():
        for module in (candidates, suppression, targets):
            monkeypatch.setattr(module, "on_gpu", lambda: True)

    return pretend


def test_a_machine_of_tests_has_no_gpu():
    assert not on_gpu()


@pytest.mark.parametrize("count", [1, 150])
@pytest.mark.parametrize(("limit", "threshold"), [(4, 0.5), (200, 0.5), (200, 0.0)])
def test_all_pairs_at_once_keep_what_one_after_the_other_keeps(count, limit, threshold):
    rng = np.random.default_rng(count)
    one = ops.convert_to_tensor(boxes(rng, count))
    labels = ops.convert_to_tensor(rng.integers(0, 2, count).astype(np.int32))
    valid = ops.convert_to_tensor(np.arange(count) < 130)
    found = array(suppression.by_matrix(one, labels, valid, limit, threshold))
    expected = array(suppression.greedy(one, labels, valid, limit, threshold))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_without_candidates_none_stay():
    nothing = ops.convert_to_tensor(np.zeros(3, bool))
    one = ops.convert_to_tensor(boxes(np.random.default_rng(0), 3))
    labels = ops.zeros((3,), dtype="int32")
    assert array(suppression.by_matrix(one, labels, nothing, 2, 0.5)).tolist() == [-1, -1]


@pytest.mark.parametrize(
    "options",
    [
        {"max_detections": 20},
        {"max_detections": 90},  # more than the first candidates fill
        {"max_detections": 20, "candidates": 30},
        {"max_detections": 20, "levels": 2, "level_candidates": 25},
    ],
    ids=["first candidates suffice", "they do not", "few", "level by level"],
)
def test_detections_are_those_of_a_cpu(options, as_on_gpu, monkeypatch):
    monkeypatch.setattr(candidates, "FIRST_CANDIDATES", 100)
    rng = np.random.default_rng(3)
    anchors = np.repeat(boxes(rng, 1, 60), 2, axis=0)
    levels = [anchors[:, :40], anchors[:, 40:]] if "levels" in options else [anchors]
    deltas = rng.normal(0, 0.3, (2, 60, 4)).astype(np.float32)
    logits = rng.normal(-2, 2, (2, 60, 5)).astype(np.float32)
    inputs = [np.zeros((2, 170, 170, 3), np.float32), *levels, deltas, logits, deltas]
    inputs = [ops.convert_to_tensor(value) for value in inputs]
    layer = Detect(activation="sigmoid", **options)
    expected = [array(value) for value in layer(inputs)]
    as_on_gpu()
    for found, truth in zip(layer(inputs), expected, strict=True):
        np.testing.assert_allclose(array(found), truth, rtol=1e-5, atol=1e-4)


def test_assignment_is_that_of_a_cpu(as_on_gpu):
    rng = np.random.default_rng(4)
    labels = rng.integers(-2, 3, (2, 6)).astype(np.int32)
    values = boxes(rng, 300), boxes(rng, 2, 6), labels, np.array([[150, 150], [90, 120]])
    values = [ops.convert_to_tensor(value) for value in values]
    expected = [array(value) for value in targets.assign(*values)]
    as_on_gpu()
    for found, truth in zip(targets.assign(*values), expected, strict=True):
        np.testing.assert_array_equal(array(found), truth)
