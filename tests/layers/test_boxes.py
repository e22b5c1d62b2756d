"""Decoding and clipping, as layers."""

import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import ClipBoxes, RegressBoxes
from tests import reference
from tests.backends import array

pytestmark = pytest.mark.numerics


def random_anchors(rng):
    low = rng.uniform(0, 80, (2, 12, 2))
    return np.concatenate([low, low + rng.uniform(5, 60, (2, 12, 2))], axis=-1).astype(np.float32)


def test_boxes_equal_loops():
    rng = np.random.default_rng(0)
    anchors, deltas = random_anchors(rng), rng.normal(size=(2, 12, 4)).astype(np.float32)
    expected = [
        [reference.decode(*pair) for pair in zip(*image, strict=True)]
        for image in zip(deltas, anchors, strict=True)
    ]
    found = RegressBoxes()([ops.convert_to_tensor(anchors), ops.convert_to_tensor(deltas)])
    np.testing.assert_allclose(array(found), expected, rtol=1e-5, atol=1e-4)


def test_mean_and_std_scale_each_delta():
    layer = RegressBoxes(mean=(1, 0, 0, 0), std=np.array([1, 1, 1, 0.5]))
    anchors = ops.convert_to_tensor(np.float32([[(0, 0, 10, 20)]]))
    found = layer([anchors, ops.convert_to_tensor(np.float32([[(1, 1, 1, 1)]]))])
    assert array(found).tolist() == [[[20, 20, 20, 30]]]


@pytest.mark.parametrize("name", ["mean", "std"])
def test_mean_and_std_must_be_four_numbers(name):
    with pytest.raises(ValueError, match=f"{name} must be four numbers. Received: \\(1.0, 2.0\\)"):
        RegressBoxes(**{name: (1, 2)})


def test_boxes_are_clipped_to_the_canvas_of_the_batch():
    boxes = np.float32([[(-5, -6, 10, 11)], [(20, 15, 99, 99)]])
    found = ClipBoxes()([ops.zeros((2, 30, 40, 3)), ops.convert_to_tensor(boxes)])
    assert array(found).tolist() == [[[0, 0, 10, 11]], [[20, 15, 39, 29]]]
