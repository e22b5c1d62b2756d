"""Box geometry against tables checked by hand, loops, and its own inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_retinanet.backend import bbox_transform_inv
from keras_retinanet.utils import boxes as geometry
from keras_retinanet.utils.anchors import bbox_transform
from keras_retinanet.utils.compute_overlap import compute_overlap
from tests import reference
from tests.backends import array

pytestmark = pytest.mark.numerics

TEN = (0, 0, 10, 10)
# Each case: two boxes and their intersection over union.
OVERLAPS = {
    "the same box": (TEN, TEN, 1.0),
    "apart": (TEN, (20, 20, 30, 30), 0.0),
    "touching along a side": (TEN, (10, 0, 20, 10), 0.0),
    "touching at a corner": (TEN, (10, 10, 20, 20), 0.0),
    "half of one": (TEN, (0, 0, 10, 5), 0.5),
    "a quarter inside": (TEN, (0, 0, 5, 5), 0.25),
    "shifted by half": (TEN, (5, 0, 15, 10), 1 / 3),
    "a corner of each": (TEN, (5, 5, 15, 15), 25 / 175),
    "a line": (TEN, (2, 2, 2, 8), 0.0),
    "a point in itself": ((3, 3, 3, 3), (3, 3, 3, 3), 0.0),
    "no pixel is added to a side": ((0, 0, 1, 1), (0, 0, 2, 1), 0.5),
}


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, dtype=np.float32))


def random_boxes(rng, number, side=100):
    corners = rng.uniform(0, side, (number, 2))
    return np.concatenate([corners, corners + rng.uniform(1, side, (number, 2))], axis=1)


@pytest.mark.parametrize(("a", "b", "expected"), OVERLAPS.values(), ids=OVERLAPS)
def test_iou_by_hand_on_host_and_device_both_ways_round(a, b, expected):
    for first, second in ((a, b), (b, a)):
        assert array(geometry.iou(tensor([first]), tensor([second])))[0, 0] == pytest.approx(
            expected
        )
        assert geometry.overlaps([first], [second])[0, 0] == pytest.approx(expected)


def test_iou_equals_loops():
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 30), random_boxes(rng, 20)
    expected = [[reference.iou(x, y) for y in b] for x in a]
    np.testing.assert_allclose(geometry.overlaps(a, b), expected, rtol=1e-12)
    np.testing.assert_allclose(array(geometry.iou(tensor(a), tensor(b))), expected, atol=1e-6)


def test_iou_of_batches_goes_image_by_image():
    rng = np.random.default_rng(1)
    a = np.stack([random_boxes(rng, 5), random_boxes(rng, 5)])
    b = np.stack([random_boxes(rng, 3), random_boxes(rng, 3)])
    found = array(geometry.iou(tensor(a), tensor(b)))
    assert found.shape == (2, 5, 3)
    for image in range(2):
        np.testing.assert_allclose(found[image], geometry.overlaps(a[image], b[image]), atol=1e-6)


def test_the_old_overlap_takes_empty_arrays_and_further_columns():
    assert compute_overlap(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert compute_overlap(np.zeros((2, 4)), np.zeros((0, 4))).shape == (2, 0)
    scored = np.array([[0, 0, 10, 10, 0.9]])
    found = compute_overlap(scored, np.array([[0, 0, 10, 5, 7.0]]))
    assert found.dtype == np.float64
    assert found == 0.5


def test_area_by_hand():
    assert array(geometry.area(tensor([TEN, (1, 2, 4, 4), (5, 5, 5, 9)]))).tolist() == [100, 6, 0]


def test_deltas_by_hand():
    """A corner moved by a tenth of the anchor's side is 0.1 / 0.2 = 0.5."""
    anchor, box = [(10, 10, 30, 50)], [(12, 14, 28, 58)]
    expected = [[0.5, 0.5, -0.5, 1.0]]
    np.testing.assert_allclose(array(geometry.encode(tensor(box), tensor(anchor))), expected)
    np.testing.assert_allclose(bbox_transform(np.array(anchor), np.array(box)), expected)
    np.testing.assert_allclose(
        array(geometry.decode(tensor(expected), tensor(anchor))), box, rtol=1e-6
    )


def test_encode_and_decode_equal_loops_and_their_old_names():
    rng = np.random.default_rng(2)
    anchors, boxes = random_boxes(rng, 20), random_boxes(rng, 20)
    deltas = np.array([reference.encode(*pair) for pair in zip(boxes, anchors, strict=True)])
    np.testing.assert_allclose(
        array(geometry.encode(tensor(boxes), tensor(anchors))), deltas, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(bbox_transform(anchors, boxes), deltas, rtol=1e-12)
    expected = [reference.decode(*pair) for pair in zip(deltas, anchors, strict=True)]
    for decode in (
        lambda: geometry.decode(tensor(deltas), tensor(anchors)),
        lambda: bbox_transform_inv(tensor(anchors)[None], tensor(deltas)[None])[0],
    ):
        np.testing.assert_allclose(array(decode()), expected, rtol=1e-4, atol=1e-3)


def test_mean_and_std_standardise_each_delta():
    mean, std = (0.1, 0.2, 0.3, 0.4), (1.0, 2.0, 4.0, 0.5)
    anchor, box = np.array([(0, 0, 10, 10.0)]), np.array([(1, 2, 13, 14.0)])
    expected = [[0.0, 0.0, 0.0, 0.0]]
    np.testing.assert_allclose(
        array(geometry.encode(tensor(box), tensor(anchor), mean, std)), expected, atol=1e-6
    )
    np.testing.assert_allclose(bbox_transform(anchor, box, mean, std), expected, atol=1e-12)
    found = geometry.decode(tensor([(1, 1, 1, 1)]), tensor(anchor), mean, std)
    np.testing.assert_allclose(array(found), [(11, 22, 53, 19)], rtol=1e-6)


@pytest.mark.parametrize("name", ["mean", "std"])
def test_the_old_transform_refuses_a_bare_number(name):
    with pytest.raises(ValueError, match=f"{name} must be an array"):
        bbox_transform(np.ones((1, 4)), np.ones((1, 4)), **{name: 0.2})


sides = st.floats(1, 500, width=32)
corners = st.floats(-500, 1500, width=32)
one_box = st.tuples(corners, corners, sides, sides).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(max_examples=50, deadline=None)
@given(one_box, one_box)
def test_decode_undoes_encode(box, anchor):
    deltas = geometry.encode(tensor([box]), tensor([anchor]))
    found = array(geometry.decode(deltas, tensor([anchor])))
    np.testing.assert_allclose(found, [box], rtol=1e-5, atol=0.01)


def test_boxes_are_clipped_to_one_less_than_the_sides():
    boxes = tensor([(-5, -1, 200, 300), (10, 20, 30, 40), (99, 0, 100, 79.5)])
    expected = [(0, 0, 99, 79), (10, 20, 30, 40), (99, 0, 99, 79)]
    assert array(geometry.clip(boxes, 80, 100)).tolist() == [list(map(float, b)) for b in expected]
