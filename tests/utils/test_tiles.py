"""Tiles: how pictures are cut, and that each object is one detection again."""

import numpy as np
import pytest

from keras_retinanet.utils.tiles import Tiling, cut_sides, merge

WINDOWS = {  # (height, width), side, overlap: windows worked out by hand
    "smaller than a tile": ((30, 40), 100, 0.2, [[0, 0, 40, 30]]),
    "of a tile's size": ((100, 100), 100, 0.2, [[0, 0, 100, 100]]),
    "one pixel wider": ((100, 101), 100, 0.2, [[0, 0, 100, 100], [1, 0, 101, 100]]),
    "a strip": ((30, 260), 100, 0.2, [[0, 0, 100, 30], [80, 0, 180, 30], [160, 0, 260, 30]]),
    "spread evenly": ((50, 200), 100, 0.2, [[0, 0, 100, 50], [50, 0, 150, 50], [100, 0, 200, 50]]),
    "without overlap": ((20, 20), 10, 0, [[0, 0, 10, 10], [10, 0, 20, 10], [0, 10, 10, 20],
                                          [10, 10, 20, 20]]),
}  # fmt: skip


@pytest.mark.parametrize(("size", "side", "overlap", "windows"), WINDOWS.values(), ids=WINDOWS)
def test_windows_are_those_worked_out_by_hand(size, side, overlap, windows):
    assert Tiling(side, overlap).windows(size).tolist() == windows


def test_windows_cover_every_pixel_and_overlap_enough():
    rng = np.random.default_rng(0)
    for _ in range(50):
        size, side = rng.integers(1, 400, 2), int(rng.integers(20, 200))
        overlap = rng.uniform(0, 0.7)
        covered = np.zeros(size, int)
        windows = Tiling(side, overlap).windows(tuple(size.tolist()))
        for x1, y1, x2, y2 in windows:
            assert (x2 - x1, y2 - y1) == (min(side, size[1]), min(side, size[0]))
            covered[y1:y2, x1:x2] += 1
        assert covered.min() >= 1
        starts = np.unique(windows[:, 0])
        assert (np.diff(starts) <= max(1, side * (1 - overlap)) + 0.5).all()


@pytest.mark.parametrize("options", [(0,), (10.5,), (10, -0.1), (10, 0.95)])
def test_impossible_tilings_are_refused(options):
    with pytest.raises(ValueError, match="tile"):
        Tiling(*options)


# Two tiles of 100, overlapping from 80 to 100, in a picture of 180 x 100.
PAIR, PAIR_SIZE = [[0, 0, 100, 100], [80, 0, 180, 100]], (100, 180)
# Four tiles of 100 in a picture of 180 x 180: left and right, above and below.
FOUR = [[0, 0, 100, 100], [80, 0, 180, 100], [0, 80, 100, 180], [80, 80, 180, 180]]
# Two tiles that only touch.
TOUCHING, TOUCHING_SIZE = [[0, 0, 100, 100], [100, 0, 200, 100]], (100, 200)

MERGED = {  # windows, size, (x1, y1, x2, y2, score, label) of each tile, merged
    "nothing": (PAIR, PAIR_SIZE, [[], []], []),
    "in one tile only": (
        PAIR, PAIR_SIZE,
        [[(10, 10, 30, 30, 0.9, 1)], []],
        [(10, 10, 30, 30, 0.9, 1)],
    ),
    "whole in both": (
        PAIR, PAIR_SIZE,
        [[(82, 10, 97, 30, 0.8, 1)], [(82, 11, 96, 30, 0.9, 1)]],
        [(82, 11, 96, 30, 0.9, 1)],
    ),
    "across two tiles, whole in none": (
        PAIR, PAIR_SIZE,
        [[(40, 10, 100, 50, 0.7, 0)], [(80, 11, 140, 50, 0.9, 0)]],
        [(40, 11, 140, 50, 0.9, 0)],  # y1 from the better one
    ),
    "cut in one, whole in the other": (
        PAIR, PAIR_SIZE,
        [[(85, 10, 100, 50, 0.95, 0)], [(86, 10, 120, 50, 0.6, 0)]],
        [(85, 10, 120, 50, 0.95, 0)],
    ),
    "across four tiles": (
        FOUR, (180, 180),
        [
            [(40, 50, 100, 100, 0.5, 2)], [(80, 50, 150, 100, 0.6, 2)],
            [(40, 80, 100, 140, 0.7, 2)], [(80, 80, 150, 140, 0.8, 2)],
        ],
        [(40, 50, 150, 140, 0.8, 2)],
    ),
    "across four tiles, and missed by two": (
        FOUR, (180, 180),
        [[(40, 50, 100, 100, 0.5, 2)], [], [], [(80, 80, 150, 140, 0.8, 2)]],
        [(40, 50, 150, 140, 0.8, 2)],
    ),
    "a whole picture, larger than any tile": (
        FOUR, (180, 180),
        [
            [(0, 0, 100, 100, 0.5, 2)], [(80, 0, 180, 100, 0.6, 2)],
            [(0, 80, 100, 180, 0.7, 2)], [(80, 80, 180, 180, 0.8, 2)],
        ],
        [(0, 0, 180, 180, 0.8, 2)],
    ),
    "at the picture's border, which cuts nothing": (
        PAIR, PAIR_SIZE,
        [[(0, 0, 20, 20, 0.9, 0)], [(160, 80, 180, 100, 0.8, 0)]],
        [(0, 0, 20, 20, 0.9, 0), (160, 80, 180, 100, 0.8, 0)],
    ),
    "neighbours, one in each tile, that meet where both see": (
        PAIR, PAIR_SIZE,
        [[(50, 10, 90, 50, 0.9, 0)], [(90, 10, 130, 50, 0.8, 0)]],
        [(50, 10, 90, 50, 0.9, 0), (90, 10, 130, 50, 0.8, 0)],
    ),
    "neighbours above each other, both cut": (
        PAIR, PAIR_SIZE,
        [[(60, 10, 100, 40, 0.9, 0), (60, 40, 100, 70, 0.7, 0)],
         [(80, 10, 120, 40, 0.8, 0), (80, 40, 120, 70, 0.6, 0)]],
        [(60, 10, 120, 40, 0.9, 0), (60, 40, 120, 70, 0.7, 0)],
    ),
    "overlapping objects that each tile tells apart": (
        PAIR, PAIR_SIZE,
        [[(82, 10, 96, 50, 0.9, 0), (82, 22, 96, 62, 0.8, 0)],
         [(82, 10, 96, 50, 0.7, 0), (82, 22, 96, 62, 0.6, 0)]],
        [(82, 10, 96, 50, 0.9, 0), (82, 22, 96, 62, 0.8, 0)],
    ),
    "two classes in one place": (
        PAIR, PAIR_SIZE,
        [[(82, 10, 97, 30, 0.8, 1)], [(82, 10, 97, 30, 0.9, 0)]],
        [(82, 10, 97, 30, 0.9, 0), (82, 10, 97, 30, 0.8, 1)],
    ),
    "a sliver seen badly goes with the whole it lies in": (
        PAIR, PAIR_SIZE,
        [[(94, 12, 100, 30, 0.3, 0)], [(88, 10, 130, 50, 0.9, 0)]],
        [(88, 10, 130, 50, 0.9, 0)],
    ),
    "an object near a border outlives the poor guess that it lies in": (
        PAIR, PAIR_SIZE,
        [[(70, 10, 96, 50, 0.9, 0), (40, 5, 94, 55, 0.1, 0)], []],  # 960 of its 1040 lie inside
        [(70, 10, 96, 50, 0.9, 0), (40, 5, 94, 55, 0.1, 0)],
    ),
    "a poor guess that agrees by chance takes no object's other half": (
        PAIR, PAIR_SIZE,
        # where both see, from 80 to 100: IoU 0.95 with the 0.8, 1.0 with the 0.1
        [[(60, 10, 100, 50, 0.9, 0)], [(80, 12, 140, 50, 0.8, 0), (80, 10, 105, 50, 0.1, 0)]],
        [(60, 10, 140, 50, 0.9, 0)],
    ),
    "a small whole object before a large one stays": (
        PAIR, PAIR_SIZE,
        [[(20, 20, 30, 30, 0.5, 0), (10, 10, 70, 70, 0.9, 0)], []],
        [(10, 10, 70, 70, 0.9, 0), (20, 20, 30, 30, 0.5, 0)],
    ),
    "tiles that only touch: one object": (
        TOUCHING, TOUCHING_SIZE,
        [[(60, 10, 100, 50, 0.7, 0)], [(100, 12, 140, 50, 0.9, 0)]],
        [(60, 12, 140, 50, 0.9, 0)],
    ),
    "tiles that only touch: two objects at other heights": (
        TOUCHING, TOUCHING_SIZE,
        [[(60, 10, 100, 50, 0.9, 0)], [(100, 40, 140, 90, 0.8, 0)]],
        [(60, 10, 100, 50, 0.9, 0), (100, 40, 140, 90, 0.8, 0)],
    ),
    "tiles that only touch: one object ends before": (
        TOUCHING, TOUCHING_SIZE,
        [[(60, 10, 90, 50, 0.9, 0)], [(100, 10, 140, 50, 0.8, 0)]],
        [(60, 10, 90, 50, 0.9, 0), (100, 10, 140, 50, 0.8, 0)],
    ),
}  # fmt: skip


def arrays(rows):
    table = np.array(rows, float).reshape(-1, 6)
    return table[:, :4], table[:, 4], table[:, 5].astype(int)


@pytest.mark.parametrize(("windows", "size", "tiles", "expected"), MERGED.values(), ids=MERGED)
def test_each_object_is_one_detection(windows, size, tiles, expected):
    boxes, scores, labels = merge([arrays(rows) for rows in tiles], np.array(windows), size)
    merged = np.column_stack([boxes, scores, labels])
    np.testing.assert_allclose(merged, np.reshape(expected, (-1, 6)))


def test_the_argument_stays_as_it_is():
    tile = arrays([(82, 10, 97, 30, 0.8, 1)])
    before = [part.copy() for part in tile]
    merge([tile, tile], np.array(PAIR), PAIR_SIZE)
    for part, old in zip(tile, before, strict=True):
        np.testing.assert_array_equal(part, old)


def test_only_inner_borders_cut():
    windows = np.array([[0, 0, 100, 100], [80, 0, 180, 100]], float)
    boxes = np.array([[0, 0, 99, 100], [81, 0, 180, 98]], float)
    assert cut_sides(boxes, windows, (100, 180)).tolist() == [
        [False, False, True, False],
        [True, False, False, False],
    ]


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_what_tiles_see_of_random_objects_is_put_together_again(overlap):
    """Objects apart from each other, cut by tiles exactly, come back whole."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        size, tiling = (400, 500), Tiling(int(rng.integers(90, 160)), overlap)
        windows = tiling.windows(size)
        cells = [(x, y) for x in range(0, 500, 100) for y in range(0, 400, 100)]
        objects = []
        for place in rng.permutation(len(cells))[:8]:
            x, y = cells[place]
            x1, y1 = x + rng.uniform(0, 20), y + rng.uniform(0, 20)
            objects.append((x1, y1, x1 + rng.uniform(40, 78), y1 + rng.uniform(40, 78)))
        found = []
        for window in windows:
            rows = []
            for number, box in enumerate(objects):
                seen = [*np.maximum(box[:2], window[:2]), *np.minimum(box[2:], window[2:])]
                if seen[2] - seen[0] > 0 and seen[3] - seen[1] > 0:
                    rows.append((*seen, 0.5 + 0.01 * number, 0))
            found.append(arrays(rows))
        boxes, scores, _ = merge(found, windows, size)
        expected = np.array(objects)[::-1]
        assert len(boxes) == len(expected)
        np.testing.assert_allclose(scores, np.sort(0.5 + 0.01 * np.arange(8))[::-1])
        # a side a little before a border counts as cut there, hence may be taken from either
        np.testing.assert_allclose(boxes, expected, atol=1e-6)
