"""Assignment on the device equals the host's, and loops."""

import numpy as np
import pytest
from keras import ops

from keras_retinanet.utils.anchors import (
    REGION,
    AnchorParameters,
    anchor_targets_bbox,
    anchors_for_shape,
)
from keras_retinanet.utils.boxes import encode
from keras_retinanet.utils.targets import assign
from tests import reference
from tests.backends import array

pytestmark = pytest.mark.numerics

PARAMS = AnchorParameters((24, 48), (16, 32), (0.5, 1, 2), (1, 1.5))
ANCHORS = anchors_for_shape((96, 112), (4, 5), PARAMS)


def assigned(anchors, boxes, labels, sizes):
    """Return state [B, N], label [B, N] and box [B, N, 4] as arrays."""
    found = assign(
        ops.convert_to_tensor(np.asarray(anchors, np.float32)),
        *(
            ops.convert_to_tensor(np.asarray(values, np.float32))
            for values in (boxes, labels, sizes)
        ),
    )
    return [array(values) for values in found]


def random_batch(seed, images=5, most=4):
    """Return boxes [B, M, 4], labels [B, M] and sizes [B, 2]; image 0 has no boxes."""
    rng = np.random.default_rng(seed)
    boxes = np.zeros((images, most, 4), np.float32)
    labels = np.full((images, most), -1, np.int32)
    for image in range(1, images):
        number = rng.integers(1, most + 1)
        low = rng.uniform(0, 60, (number, 2))
        boxes[image, :number] = np.concatenate([low, low + rng.uniform(15, 60, (number, 2))], 1)
        labels[image, :number] = rng.integers(0, 3, number)
    sizes = np.stack([rng.integers(40, 97, images), rng.integers(40, 113, images)], axis=1)
    return boxes, labels, sizes.astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_device_and_host_assign_alike(seed):
    boxes, labels, sizes = random_batch(seed)
    state, label, box = assigned(ANCHORS, boxes, labels, sizes)
    images = [np.zeros((int(h), int(w), 3)) for h, w in sizes]
    groups = [
        {"bboxes": b[one >= 0], "labels": one[one >= 0]}
        for b, one in zip(boxes, labels, strict=True)
    ]
    dense_boxes, dense_labels = anchor_targets_bbox(ANCHORS, images, groups, 3)
    assert state.dtype == label.dtype == np.int32
    np.testing.assert_array_equal(state, dense_labels[..., -1])
    is_object = state == 1
    assert is_object.sum() > 5
    np.testing.assert_array_equal(label[is_object], dense_labels[..., :-1].argmax(-1)[is_object])
    deltas = array(encode(ops.convert_to_tensor(box), ops.convert_to_tensor(np.float32(ANCHORS))))
    np.testing.assert_allclose(
        deltas[is_object], dense_boxes[..., :4][is_object], rtol=1e-4, atol=1e-5
    )


def test_assignment_equals_loops():
    boxes, labels, sizes = random_batch(seed=9)
    state, label, box = assigned(ANCHORS, boxes, labels, sizes)
    for image in range(1, len(boxes)):
        real = labels[image] >= 0
        states, classes, chosen = reference.assign(
            ANCHORS, boxes[image][real], labels[image][real], sizes[image]
        )
        assert state[image].tolist() == states
        for anchor in np.flatnonzero(state[image] == 1):
            assert label[image, anchor] == classes[anchor]
            assert box[image, anchor].tolist() == boxes[image, chosen[anchor]].tolist()


def with_regions(boxes, labels, seed):
    """Return boxes and labels with two regions to ignore among those of each image."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 70, (len(boxes), 2, 2))
    regions = np.concatenate([low, low + rng.uniform(5, 50, low.shape)], axis=2)
    marks = np.full((len(boxes), 2), REGION)
    order = [1, *range(2, 2 + boxes.shape[1]), 0]  # one before, one behind the objects
    return (
        np.concatenate([regions, boxes], axis=1)[:, order].astype(np.float32),
        np.concatenate([marks, labels], axis=1)[:, order],
        regions.astype(np.float32),
    )


@pytest.mark.parametrize("seed", range(3))
def test_regions_exempt_background_as_loops_and_the_host_do(seed):
    boxes, labels, sizes = random_batch(seed)
    mixed_boxes, mixed_labels, regions = with_regions(boxes, labels, seed)
    state, label, box = assigned(ANCHORS, mixed_boxes, mixed_labels, sizes)
    plain, plain_label, plain_box = assigned(ANCHORS, boxes, labels, sizes)
    np.testing.assert_array_equal(state == 1, plain == 1)  # objects stay objects
    np.testing.assert_array_equal(label[state == 1], plain_label[state == 1])
    np.testing.assert_array_equal(box[state == 1], plain_box[state == 1])
    assert (state == -1).sum() > (plain == -1).sum() + 20
    groups = []
    for image in range(len(boxes)):
        real = labels[image] >= 0
        found = boxes[image][real], labels[image][real]
        expected, _, _ = reference.assign(ANCHORS, *found, sizes[image], regions[image])
        assert state[image].tolist() == expected
        used = mixed_labels[image] != -1
        groups.append({"bboxes": mixed_boxes[image][used], "labels": mixed_labels[image][used]})
    images = [np.zeros((int(h), int(w), 3)) for h, w in sizes]
    dense_boxes, dense_labels = anchor_targets_bbox(ANCHORS, images, groups, 3)
    np.testing.assert_array_equal(dense_labels[..., -1], state)
    np.testing.assert_array_equal(dense_boxes[..., -1], state)


@pytest.mark.parametrize(
    ("region", "state"),
    [((0, 0, 10, 4.9), 0), ((0, 0, 10, 5), -1), ((-90, -90, 100, 100), -1), ((10, 0, 20, 10), 0)],
    ids=["less than half", "half", "all", "touches"],
)
def test_a_region_counts_from_half_of_the_anchor_on(region, state):
    found, _, _ = assigned([(0, 0, 10, 10)], [[region]], [[REGION]], [(10, 10)])
    assert found.tolist() == [[state]]


def test_images_without_boxes_have_no_objects():
    boxes, labels, sizes = random_batch(seed=1)
    state, _, _ = assigned(ANCHORS, boxes, labels, np.full_like(sizes, 1000))
    assert (state[0] == 0).all()


def test_padding_never_matches_an_anchor_even_where_it_has_a_box():
    boxes = [[(0, 0, 16, 16), (0, 0, 16, 12)]]
    state, label, _ = assigned([(0, 0, 16, 16)], boxes, [[-1, 2]], [(16, 16)])
    assert state.tolist() == [[1]]
    assert label.tolist() == [[2]]
    state, _, _ = assigned([(0, 0, 16, 16)], boxes, [[-1, -1]], [(16, 16)])
    assert state.tolist() == [[0]]


@pytest.mark.parametrize(
    ("height", "state"), [(3.9, 0), (4.0, 0), (4.1, -1), (4.9, -1), (5.0, 1), (10.0, 1)]
)
def test_the_edges_of_the_thresholds_are_those_of_1_0(height, state):
    found, _, _ = assigned([(0, 0, 10, 10)], [[(0, 0, 10, height)]], [[0]], [(10, 10)])
    assert found.tolist() == [[state]]


def test_the_first_of_equal_boxes_wins():
    _, label, _ = assigned(
        [(0, 0, 10, 10)], [[(0, 0, 10, 8), (0, 2, 10, 10)]], [[1, 0]], [(10, 10)]
    )
    assert label.tolist() == [[1]]


@pytest.mark.parametrize(
    ("size", "state"),
    [((16, 16), 1), ((9, 9), 1), ((16, 8), -1), ((8, 16), -1), ((4, 4), -1)],
    ids=str,
)
def test_anchors_centred_outside_the_true_image_are_ignored_though_they_hold_an_object(size, state):
    found, _, _ = assigned([(0, 0, 16, 16)], [[(0, 0, 16, 16)]], [[0]], [size])
    assert found.tolist() == [[state]]
