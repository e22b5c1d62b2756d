"""Anchors and the dense targets of 1.0, by hand and against loops."""

import math

import numpy as np
import pytest

from keras_retinanet.utils.anchors import (
    AnchorParameters,
    anchor_targets_bbox,
    anchors_for_shape,
    compute_gt_annotations,
    generate_anchors,
    guess_shapes,
    shift,
)
from tests import reference

pytestmark = pytest.mark.numerics

THIRD = 2 ** (1 / 3)
ONE_CELL = AnchorParameters(sizes=(16,), strides=(16,), ratios=(1,), scales=(1,))


def test_the_default_is_the_papers():
    default = AnchorParameters.default
    assert default == AnchorParameters()
    assert default.sizes == (32, 64, 128, 256, 512)
    assert default.strides == (8, 16, 32, 64, 128)
    assert default.ratios == (0.5, 1, 2)
    assert default.scales == pytest.approx((1, THIRD, THIRD**2))
    assert default.num_anchors() == 9


def test_parameters_survive_json_and_take_arrays():
    given = AnchorParameters(np.array([10, 20]), [8, 16], np.float32([0.5]), [1.5])
    assert given == AnchorParameters((10, 20), (8, 16), (0.5,), (1.5,))
    assert AnchorParameters(**given.to_dict()) == given
    assert given.to_dict()["sizes"] == [10, 20]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sizes": ()}, r"anchor sizes must be positive numbers, at least one. Received: \(\)"),
        ({"ratios": (0.0, 1)}, r"anchor ratios must be positive .* Received: \(0.0, 1.0\)"),
        ({"scales": (math.nan,)}, "anchor scales must be positive"),
        ({"sizes": (32, 64)}, "2 sizes .* 5 strides"),
    ],
    ids=["no sizes", "a ratio of 0", "a scale that is no number", "two sizes for five strides"],
)
def test_impossible_parameters_are_refused_with_their_values(values, message):
    with pytest.raises(ValueError, match=message):
        AnchorParameters(**values)


def test_the_anchors_of_a_cell_by_hand():
    """Ratio is height / width at equal area; ratios outermost, scales innermost."""
    found = generate_anchors(32, ratios=[0.25, 1, 4], scales=[1, 2])
    sides = [(64, 16), (128, 32), (32, 32), (64, 64), (16, 64), (32, 128)]
    assert found.tolist() == [[-w / 2, -h / 2, w / 2, h / 2] for w, h in sides]


def test_the_default_cell_has_the_sizes_of_1_0():
    found = generate_anchors(32)
    assert found.shape == (9, 4)
    width = 32 * math.sqrt(2)
    np.testing.assert_allclose(found[0], [-width / 2, -width / 4, width / 2, width / 4])
    np.testing.assert_allclose(found[4], np.array([-1, -1, 1, 1]) * 16 * THIRD, rtol=1e-6)
    np.testing.assert_allclose((found[:, 2:] - found[:, :2]).prod(axis=1)[::3], 1024)


def test_cells_are_centred_half_a_stride_in_row_by_row():
    found = shift((2, 3), 8, np.array([[-1, -2, 1, 2.0]]))
    centres = [(4, 4), (12, 4), (20, 4), (4, 12), (12, 12), (20, 12)]
    assert found.tolist() == [[x - 1, y - 2, x + 1, y + 2] for x, y in centres]


def test_800_by_1333_has_200700_anchors():
    assert len(anchors_for_shape((800, 1333, 3))) == 200700
    shapes = [tuple(map(int, s)) for s in guess_shapes((800, 1333, 3), range(3, 8))]
    assert shapes == [(100, 167), (50, 84), (25, 42), (13, 21), (7, 11)]


def test_all_anchors_equal_loops():
    params = AnchorParameters((20, 40, 90), (8, 16, 32), (0.5, 1, 2), (1, 1.3))
    shapes = [tuple(map(int, s)) for s in guess_shapes((37, 70), (3, 4, 5))]
    assert shapes == [(5, 9), (3, 5), (2, 3)]
    expected = reference.anchors(shapes, params.sizes, params.strides, params.ratios, params.scales)
    found = anchors_for_shape((37, 70), pyramid_levels=(3, 4, 5), anchor_params=params)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_a_shapes_callback_tells_the_true_shapes():
    found = anchors_for_shape(
        (33, 33), (4,), ONE_CELL, shapes_callback=lambda shape, levels: [(2, 1)]
    )
    assert found.tolist() == [[0, 0, 16, 16], [0, 16, 16, 32]]


# IoU of an anchor (0, 0, 10, 10) with boxes of full width and this height is height / 10.
EDGES = {3.9: "background", 4.0: "background", 4.1: "ignored", 4.9: "ignored", 5.0: "object"}


@pytest.mark.parametrize(("height", "expected"), EDGES.items(), ids=str)
def test_background_reaches_to_0_4_and_objects_begin_at_0_5(height, expected):
    anchor, box = np.array([[0, 0, 10, 10.0]]), np.array([[0, 0, 10, height]])
    positive, ignored, best = compute_gt_annotations(anchor, box)
    found = "object" if positive[0] else "ignored" if ignored[0] else "background"
    assert found == expected
    assert best[0] == 0


def test_the_first_of_equal_boxes_wins_and_no_match_is_forced():
    anchors = np.array([[0, 0, 10, 10], [50, 50, 60, 60.0]])
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 53, 53.0]])
    positive, ignored, best = compute_gt_annotations(anchors, boxes)
    assert positive.tolist() == [True, False]
    assert ignored.tolist() == [False, False]
    assert best.tolist() == [0, 2]


def annotations(*rows):
    """Return annotations of rows (label, x1, y1, x2, y2)."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return {"labels": table[:, 0], "bboxes": table[:, 1:]}


def test_dense_targets_by_hand():
    """Two cells of 16 px and an image of 16 x 16 on a canvas of 16 x 48."""
    anchors = anchors_for_shape((16, 48), (4,), ONE_CELL)
    image = np.zeros((16, 32, 3))
    boxes, labels = anchor_targets_bbox(anchors, [image], [annotations((1, 0, 0, 16, 12))], 3)
    assert labels.dtype == boxes.dtype == np.float32
    assert labels[0].tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, -1]]
    np.testing.assert_allclose(boxes[0, 0], [0, 0, 0, -0.25 / 0.2, 1], rtol=1e-6)
    assert boxes[0, 1:, 4].tolist() == [0, -1]


def test_images_without_boxes_are_background_inside_and_ignored_outside():
    anchors = anchors_for_shape((32, 32), (4,), ONE_CELL)
    image = np.zeros((20, 32, 3))
    boxes, labels = anchor_targets_bbox(anchors, [image], [annotations()], 2)
    assert labels[0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, -1], [0, 0, -1]]
    assert boxes[0, :, 4].tolist() == [0, 0, -1, -1]
    assert (boxes[0, :, :4] == 0).all()


@pytest.mark.parametrize(("width", "state"), [(8.0, -1), (9.0, 0)], ids=["on it", "inside"])
def test_an_anchor_centred_on_the_edge_is_outside(width, state):
    anchors = np.array([[0, 0, 16, 16.0]])
    found = anchor_targets_bbox(anchors, [np.zeros((16, int(width), 3))], [annotations()], 1)
    assert found[1][0, 0, -1] == found[0][0, 0, -1] == state


@pytest.mark.parametrize("seed", range(4))
def test_dense_targets_equal_loops(seed):
    rng = np.random.default_rng(seed)
    params = AnchorParameters((24, 48), (16, 32), (0.5, 1, 2), (1, 1.5))
    anchors = anchors_for_shape((96, 112), (4, 5), params)
    images = [np.zeros((96, 80, 3)), np.zeros((70, 112, 3))]
    groups = []
    for image in images:
        low = rng.uniform(0, 50, (4, 2))
        bboxes = np.concatenate([low, low + rng.uniform(15, 50, (4, 2))], axis=1)
        groups.append({"bboxes": bboxes, "labels": rng.integers(0, 3, 4)})
        del image
    boxes, labels = anchor_targets_bbox(anchors, images, groups, 3)
    objects = 0
    for index, (image, group) in enumerate(zip(images, groups, strict=True)):
        states, classes, chosen = reference.assign(
            anchors, group["bboxes"], group["labels"], image.shape[:2]
        )
        assert labels[index, :, -1].tolist() == boxes[index, :, -1].tolist() == states
        for anchor, state in enumerate(states):
            if state == 1:
                objects += 1
                assert labels[index, anchor, :-1].tolist() == np.eye(3)[classes[anchor]].tolist()
                expected = reference.encode(group["bboxes"][chosen[anchor]], anchors[anchor])
                np.testing.assert_allclose(boxes[index, anchor, :4], expected, rtol=1e-5, atol=1e-6)
            if state == 0:
                assert not labels[index, anchor, :-1].any()
    assert objects > 3


def test_thresholds_can_be_changed():
    anchors = np.array([[0, 0, 10, 10.0]])
    group = [annotations((0, 0, 0, 10, 3.5))]
    image = [np.zeros((10, 10, 3))]
    for options, state in (
        ({}, 0),
        ({"negative_overlap": 0.3}, -1),
        ({"positive_overlap": 0.35, "negative_overlap": 0.3}, 1),
    ):
        assert anchor_targets_bbox(anchors, image, group, 1, **options)[1][0, 0, -1] == state


def test_images_and_annotations_must_be_as_many():
    with pytest.raises(ValueError, match="1 images, 0 annotations"):
        anchor_targets_bbox(np.zeros((1, 4)), [np.zeros((4, 4, 3))], [], 1)
    with pytest.raises(ValueError, match="0 images, 0 annotations"):
        anchor_targets_bbox(np.zeros((1, 4)), [], [], 1)
