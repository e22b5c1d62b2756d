"""ATSS and the forced match against loops, on every backend."""

import numpy as np
import pytest
from keras import ops

from keras_retinanet.utils.anchors import REGION, AnchorParameters, anchors_for_shape
from keras_retinanet.utils.assignments import ASSIGNMENTS, by_statistics, with_every_box
from keras_retinanet.utils.targets import Layout, assign, by_overlap
from tests import reference
from tests import reference_objective as truths
from tests.backends import array

pytestmark = pytest.mark.numerics

PARAMS = AnchorParameters((24, 48, 96), (16, 32, 64), (0.5, 1, 2), (1, 1.5))
SHAPE = (96, 112)  # 6 x 7, 3 x 4 and 2 x 2 cells: the coarsest has fewer than 9
COUNTS = (6 * 7 * 6, 3 * 4 * 6, 2 * 2 * 6)
ANCHORS = anchors_for_shape(SHAPE, (4, 5, 6), PARAMS).astype(np.float32)
LEVELS = np.split(ANCHORS, np.cumsum(COUNTS)[:-1])
SQUARE = AnchorParameters((24, 48, 96), (16, 32, 64), (1,), (1,))  # the paper's: one a cell
ONE_EACH = anchors_for_shape(SHAPE, (4, 5, 6), SQUARE).astype(np.float32)


def assigned(rule, boxes, labels, sizes, anchors=ANCHORS, layout=None):
    """Return state [B, N], label [B, N] and box [B, N, 4] as arrays."""
    values = (ops.convert_to_tensor(np.asarray(v, np.float32)) for v in (boxes, labels, sizes))
    layout = layout or Layout(COUNTS, 6)
    found = assign(ops.convert_to_tensor(np.asarray(anchors)), *values, rule, layout)
    return [array(one) for one in found]


def random_batch(seed, images=4, most=5):
    """Return boxes [B, M, 4], labels [B, M] and sizes [B, 2]; image 0 has no boxes.

    Padding stands between the boxes, too, and has coordinates.
    """
    rng = np.random.default_rng(seed)
    low = rng.uniform(-5, 80, (images, most, 2))
    sides = rng.uniform(3, 60, (images, most, 2))
    boxes = np.concatenate([low, low + sides], axis=-1).astype(np.float32)
    labels = rng.integers(-1, 3, (images, most)).astype(np.int32)
    labels[0] = -1
    sizes = np.stack([rng.integers(40, 97, images), rng.integers(40, 113, images)], axis=1)
    return boxes, labels, sizes.astype(np.float32)


def check(found, image, expected, boxes, labels):
    """Assert that one image's state, label and box are those expected."""
    state, label, box = (one[image] for one in found)
    wanted, index = expected
    assert state.tolist() == list(wanted)
    held = np.flatnonzero(state == 1)
    places = np.asarray(index)[held]
    np.testing.assert_array_equal(label[held], labels[places])
    np.testing.assert_array_equal(box[held], boxes[places])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("grid", ["one a cell", "six a cell"])
def test_atss_equals_loops(grid, seed):
    boxes, labels, sizes = random_batch(seed)
    per_cell, anchors = (1, ONE_EACH) if grid == "one a cell" else (6, ANCHORS)
    counts = tuple(count // 6 * per_cell for count in COUNTS)
    levels = np.split(anchors, np.cumsum(counts)[:-1])
    found = assigned(by_statistics, boxes, labels, sizes, anchors, Layout(counts, per_cell))
    assert found[0].dtype == found[1].dtype == np.int32
    assert (found[0] == 1).sum() > 3
    for image in range(len(boxes)):
        real = labels[image] >= 0
        own = boxes[image][real], labels[image][real]
        expected = truths.atss(levels, own[0], sizes[image], per_cell=per_cell)
        check(found, image, expected, *own)


def test_atss_by_hand():
    """One level of 4 x 4 cells of stride 10, anchors of 10 pixels a side, k = 9.

    The box is 30 x 30 around the cell (1, 1): 9 candidates with IoU 100 / 900 each, mean 1/9 and
    deviation 0. All reach the threshold; all are centred inside.
    """
    square = AnchorParameters((10,), (10,), (1,), (1,))
    anchors = anchors_for_shape((40, 40), (0,), square, lambda *_: [(4, 4)])
    values = [[(0, 0, 30, 30)]], [[2]], [(40, 40)]
    layout = Layout((16,), 1)
    state, label, _ = assigned(by_statistics, *values, anchors.astype(np.float32), layout)
    assert state.reshape(4, 4).tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0] * 4]
    assert label[state == 1].tolist() == [2] * 9


def test_under_atss_a_small_box_gets_anchors_that_the_thresholds_deny_it():
    boxes, labels, sizes = [[(36, 36, 44, 44)]], [[1]], [(1000, 1000)]
    assert (assigned(by_overlap, boxes, labels, sizes)[0] == 0).all()
    assert (assigned(by_statistics, boxes, labels, sizes)[0] == 1).sum() > 0


@pytest.mark.parametrize("seed", range(3))
def test_regions_change_only_background_under_atss(seed):
    boxes, labels, sizes = random_batch(seed)
    rng = np.random.default_rng(seed + 10)
    low = rng.uniform(0, 50, (len(boxes), 2, 2))
    regions = np.concatenate([low, low + rng.uniform(20, 60, low.shape)], -1).astype(np.float32)
    mixed = np.concatenate([regions[:, :1], boxes, regions[:, 1:]], axis=1)
    mark = np.full((len(boxes), 1), REGION)
    mixed_labels = np.concatenate([mark, labels, mark], axis=1)
    found = assigned(by_statistics, mixed, mixed_labels, sizes)
    plain = assigned(by_statistics, boxes, labels, sizes)
    assert (found[0] == -1).sum() > (plain[0] == -1).sum() + 20
    for image in range(len(boxes)):
        real = labels[image] >= 0
        own = boxes[image][real], labels[image][real]
        expected = truths.atss(LEVELS, own[0], sizes[image], regions[image], per_cell=6)
        check(found, image, expected, *own)


EDGES = {
    "no boxes": ([(0, 0, 0, 0)], [-1]),
    "padding with a box": ([(16, 16, 48, 48)], [-1]),
    "no area": ([(40, 40, 40, 40)], [0]),
    "no width": ([(40, 10, 40, 60)], [0]),
    "outside of the canvas": ([(300, 300, 340, 340)], [0]),
    "a region alone": ([(16, 16, 80, 80)], [REGION]),
}


@pytest.mark.parametrize("every", [False, True], ids=["as it is", "every box"])
@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("case", EDGES)
def test_nothing_to_find_makes_no_object(case, name, every):
    boxes, labels = EDGES[case]
    rule = ASSIGNMENTS[name].rule
    rule = with_every_box(rule) if every else rule
    state, _, _ = assigned(rule, [boxes], [labels], [(1000, 1000)])
    assert (state < 1).all()
    assert ((state == -1).sum() > 0) == (case == "a region alone")


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_first_of_identical_boxes_has_the_anchors_and_the_other_gets_one_by_force(name):
    values = [[(20, 20, 60, 60), (20, 20, 60, 60)]], [[1, 0]], [SHAPE]
    rule = ASSIGNMENTS[name].rule
    state, label, _ = assigned(rule, *values)
    assert set(label[state == 1]) == {1}
    forced, forced_label, _ = assigned(with_every_box(rule), *values)
    assert (forced_label[forced == 1] == 0).sum() == 1
    assert (forced_label[forced == 1] == 1).sum() == (state == 1).sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_forced_match_equals_loops(name, seed):
    boxes, labels, sizes = random_batch(seed, most=7)
    boxes[1, 0] = boxes[1, 1] = (30.5, 31.5, 33.5, 34.5)  # alike, small: both want one anchor
    labels[1, :2] = 2, 0
    sizes[1] = SHAPE
    found = assigned(with_every_box(ASSIGNMENTS[name].rule), boxes, labels, sizes)
    forced = 0
    for image in range(len(boxes)):
        real = labels[image] >= 0
        own = boxes[image][real], labels[image][real]
        if name == "atss":
            state, index = truths.atss(LEVELS, own[0], sizes[image], per_cell=6)
        else:
            state, _, index = reference.assign(ANCHORS, *own, sizes[image])
        expected = truths.every_box(state, index, ANCHORS, own[0], sizes[image])
        forced += np.sum(np.asarray(expected[0]) != state)
        check(found, image, expected, *own)
    assert forced > (1 if name == "atss" else 5)


def test_a_forced_match_takes_no_object_of_another_box():
    """Both boxes overlap the one anchor by 0.5 and more; the better one keeps it."""
    anchors = np.float32([(0, 0, 10, 10), (8, 0, 18, 10), (90, 90, 99, 99)])
    boxes, labels, sizes = [[(0, 0, 10, 10), (0, 0, 10, 9)]], [[0, 1]], [(100, 100)]
    layout = Layout((3,), 1)
    state, label, _ = assigned(by_overlap, boxes, labels, sizes, anchors, layout)
    assert state.tolist() == [[1, 0, 0]] and label[0, 0] == 0
    found = assigned(with_every_box(by_overlap), boxes, labels, sizes, anchors, layout)
    assert found[0].tolist() == [[1, 1, 0]]
    assert found[1][0, :2].tolist() == [0, 1]


def test_ignored_anchors_may_be_forced_but_not_those_outside_of_the_image():
    anchors = np.float32([(0, 0, 10, 10), (20, 0, 30, 10)])
    boxes, labels = [[(0, 0, 10, 4.5)], [(20, 0, 30, 4.5)]], [[0], [0]]
    layout = Layout((2,), 1)
    plain = assigned(by_overlap, boxes, labels, [(12, 15)] * 2, anchors, layout)[0]
    assert plain.tolist() == [[-1, -1], [0, -1]]
    forced = assigned(with_every_box(by_overlap), boxes, labels, [(12, 15)] * 2, anchors, layout)[0]
    assert forced.tolist() == [[1, -1], [0, -1]]


def test_a_box_smaller_than_every_anchor_takes_the_nearest_of_those_around_it():
    """Anchors of 40 pixels, 10 apart: many hold the box whole, all with one IoU."""
    square = AnchorParameters((40,), (10,), (1,), (1,))
    anchors = anchors_for_shape((100, 100), (0,), square, lambda *_: [(10, 10)])
    values = [[(43, 62, 46, 65)]], [[0]], [(100, 100)]
    layout = Layout((100,), 1)
    found = assigned(with_every_box(by_overlap), *values, anchors.astype(np.float32), layout)
    assert np.flatnonzero(found[0]).tolist() == [6 * 10 + 4]  # centred on (45, 65)
