"""Which boxes get an anchor: the quick search gives what laying out all anchors gives."""

import numpy as np
import pytest

from keras_retinanet.doctor.reach import Grid, best_overlaps, reached, resized_sizes
from keras_retinanet.preprocessing.samples import Samples
from keras_retinanet.utils.anchors import (
    AnchorParameters,
    anchors_for_shape,
    compute_gt_annotations,
    compute_overlap,
)

SMALL = Grid(AnchorParameters((16, 32, 64), (8, 16, 32), (0.5, 1, 2), (1, 1.26)), (3, 4, 5))
GRIDS = {
    "paper": Grid(),
    "small": SMALL,
    "with P2": Grid(
        AnchorParameters((12, 24, 48, 96), (4, 8, 16, 32), (1,), (1, 1.5)), (2, 3, 4, 5)
    ),
}


def dense(samples, sizes, grid):
    """Return (trained [T], best IoU [T]) from every anchor of the canvas of each picture."""
    trained = np.zeros(len(samples.labels), bool)
    overlap = np.zeros(len(samples.labels))
    for picture, size in enumerate(np.asarray(sizes)):
        rows = np.arange(samples.starts[picture], samples.starts[picture + 1])
        canvas = -(-size // 32) * 32
        anchors = anchors_for_shape(canvas, grid.levels, grid.anchors)
        centres = (anchors[:, :2] + anchors[:, 2:]) / 2
        anchors = anchors[(centres < size[::-1]).all(axis=1)]
        if not len(rows) or not len(anchors):
            continue
        positive, _, best = compute_gt_annotations(anchors, samples.boxes[rows])
        trained[rows[np.unique(best[positive])]] = True
        overlap[rows] = compute_overlap(anchors, samples.boxes[rows]).max(axis=0)
    return trained, overlap


def drawn(rng, pictures=40, most=30, clustered=False):
    """Return (Samples, sizes) of random boxes; clustered ones fight for the same anchors."""
    sizes = rng.integers(3, 300, (pictures, 2))
    rows = [
        (picture, *box)
        for picture in range(pictures)
        for box in boxes_of(rng, sizes[picture], most, clustered)
    ]
    table = np.array(rows, float).reshape(-1, 5)
    labels = np.zeros(len(table), np.int32)
    return Samples.from_rows(map(str, range(pictures)), table[:, 0], table[:, 1:], labels), sizes


def boxes_of(rng, size, most, clustered):
    count = int(rng.integers(0, most))
    width, height = size[::-1]
    sides = np.exp(rng.uniform(np.log(2), np.log(250), (count, 2)))
    middles = rng.uniform(0, 1, (count, 2)) * (width, height)
    if clustered:
        sides = np.exp(rng.normal(np.log(40), 0.15, (count, 2)))
        middles = (width / 2, height / 2) + rng.normal(0, 4, (count, 2))
    boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)
    boxes = np.clip(boxes, 0, [width, height, width, height])
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])].tolist()


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("clustered", [False, True], ids=["spread", "clustered"])
def test_the_quick_search_is_the_dense_assignment(grid, clustered):
    samples, sizes = drawn(np.random.default_rng(3), clustered=clustered)
    trained, overlap = reached(samples, sizes, grid)
    expected, best = dense(samples, sizes, grid)
    np.testing.assert_allclose(overlap, best, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(trained, expected)
    assert 0.1 < trained.mean() < 1  # both answers occur
    if clustered:  # and so do boxes whose anchors all go to others
        assert (~trained & (overlap >= 0.5)).any()


def test_no_boxes_have_no_answer():
    samples = Samples.from_rows(["a", "b"], [], [], [])
    trained, overlap = reached(samples, [(10, 10), (20, 20)], SMALL)
    assert trained.shape == overlap.shape == (0,)


def test_reach_by_hand():
    # cells of 8 pixels: centres 4, 12, …; squares of 16 and 20.16, and 1:2, 2:1 of those areas
    grid = Grid(AnchorParameters((16,), (8,), (1,), (1,)), (3,))
    boxes = np.array(
        [
            (4, 4, 20, 20),  # the anchor centred on (12, 12) itself
            (8, 4, 24, 20),  # between two centres: moved by 4 pixels, 12 * 16 of 20 * 16
            (0, 0, 8, 8),  # the anchor centred on (4, 4) has 64 of 256 in common
            (96, 40, 100, 44),  # beyond the last centre, (92, 36): the picture ends at 100 x 44
        ],
        float,
    )
    sizes = np.array([(44, 100)] * 4)
    np.testing.assert_allclose(best_overlaps(boxes, sizes, grid), [1, 0.6, 0.25, 16 / 256])


def test_a_box_whose_anchors_go_to_others_is_not_trained():
    grid = Grid(AnchorParameters((16,), (8,), (1,), (1,)), (3,))
    boxes = [(4, 4, 20, 20), (4, 4, 20, 20), (44, 4, 60, 20)]
    samples = Samples.from_rows(["a"], [0, 0, 0], boxes, [0, 1, 0])
    trained, overlap = reached(samples, [(64, 64)], grid)
    assert trained.tolist() == [True, False, True]  # of equal boxes the first wins
    assert overlap.tolist() == [1, 1, 1]


def test_a_picture_smaller_than_half_a_cell_has_no_anchor_of_that_level():
    assert SMALL.cells((15, 40)).tolist() == [[2, 5], [1, 2], [0, 1]]
    assert SMALL.cells((16, 16)).tolist() == [[2, 2], [1, 1], [0, 0]]  # centred on the very edge


def test_sizes_are_rounded_as_training_rounds_them():
    assert resized_sizes([(480, 640), (3, 1000)], [0.5, 0.1]).tolist() == [[240, 320], [1, 100]]
