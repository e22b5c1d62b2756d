"""Which boxes get an anchor in training, without laying out all anchors.

The answer is that of `utils.anchors.compute_gt_annotations` on the anchors of a resized picture: an
anchor belongs to the box that it overlaps best, if at IoU 0.5 or more, and anchors centred beyond
the picture's right or bottom edge take no part.

Of all anchors of one level and shape, the one whose centre is nearest to the box's overlaps it
best: widths and heights of the shared part fall with the distance along each axis. So one
anchor of each level and shape decides what a box can reach at best: 45 of 200,000.
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.doctor.pairs import iou_of_rows, overlapping_pairs
from keras_retinanet.utils.anchors import (
    DEFAULT_LEVELS,
    POSITIVE_OVERLAP,
    AnchorParameters,
    compute_gt_annotations,
)

CANVAS_MULTIPLE = 32  # training rounds the sides of its canvases up to it
ROWS = 1_000  # boxes at a time: 45 anchors of each stay in the processor's caches


@dataclass(frozen=True)
class Grid:
    """The anchors of a network: their parameters and the pyramid levels.

    Strides are taken as `anchors.strides` has them, also where the stride rule is "floor", which
    moves anchors of the coarsest levels by a few pixels.
    """

    anchors: AnchorParameters = AnchorParameters.default
    levels: tuple = DEFAULT_LEVELS

    def cells(self, sizes):
        """Return rows and columns of cells centred in pictures of [..., 2] pixels: [..., L, 2]."""
        sizes = np.asarray(sizes, np.float64)
        strides = np.asarray(self.anchors.strides, np.float64)[:, None]
        canvas = np.ceil(sizes / CANVAS_MULTIPLE) * CANVAS_MULTIPLE
        laid = np.ceil(canvas[..., None, :] / 2.0 ** np.asarray(self.levels)[:, None])
        # the last cell n - 1 with (n - 1 + centre) * stride < side
        centred = np.ceil(sizes[..., None, :] / strides - self.anchors.centre)
        return np.minimum(laid, centred).astype(np.int64)

    def shapes(self):
        """Return the anchors of a cell of each level about the origin: [L, A, 4]."""
        return np.stack([self.anchors.cell(index) for index in range(len(self.anchors.sizes))])


def nearest_centres(boxes, sizes, grid):
    """Return the centre (x, y) of each level's cell nearest to each box.

    Args:
        boxes: [T, 4] in pixels of the resized pictures.
        sizes: [T, 2] height and width of each one's picture.
        grid: Grid.

    Returns:
        centres [T, L, 2], NaN for a level without a cell centred in the picture.
    """
    strides = np.asarray(grid.anchors.strides, np.float64)[:, None]  # [L, 1]
    cells = grid.cells(sizes)[..., ::-1]  # [T, L, 2] columns and rows
    middles = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]  # [T, 1, 2]
    centre = grid.anchors.centre
    places = np.clip(np.rint(middles / strides - centre), 0, np.maximum(cells - 1, 0))
    centres = (places + centre) * strides
    return np.where((cells > 0).all(axis=-1, keepdims=True), centres, np.nan)


def nearest_anchors(boxes, sizes, grid):
    """Return the anchor of each level and shape nearest to each box: [T, L * A, 4]."""
    centres = nearest_centres(boxes, sizes, grid)
    anchors = np.tile(centres, 2)[:, :, None] + grid.shapes()[None]  # [T, L, A, 4]
    return anchors.reshape(len(boxes), -1, 4)


def best_overlaps(boxes, sizes, grid):
    """Return the largest IoU of any anchor with each box: [T]; arguments of `nearest_centres`."""
    found = [np.zeros(0)]
    for start in range(0, len(boxes), ROWS):
        part = slice(start, start + ROWS)
        anchors = nearest_anchors(boxes[part], sizes[part], grid)
        found.append(np.nan_to_num(iou_of_rows(anchors, boxes[part, None])).max(axis=1))
    return np.concatenate(found)


def reached(samples, sizes, grid):
    """Return whether any anchor is trained on each box, and its largest IoU with an anchor.

    Args:
        samples: Samples, whose boxes are in pixels of the resized pictures, inside them.
        sizes: [P, 2] height and width of the resized pictures.
        grid: Grid.

    Returns:
        (trained [T] bool, overlap [T]).
    """
    of_boxes = np.asarray(sizes)[samples.pictures]
    overlap = best_overlaps(samples.boxes, of_boxes, grid)
    trained = overlap >= POSITIVE_OVERLAP
    rows, others, _ = overlapping_pairs(samples)
    rows, others = np.concatenate([rows, others]), np.concatenate([others, rows])
    rivals = trained[rows]
    rows, others = rows[rivals], others[rivals]
    for row in _without_own_nearest(samples.boxes, of_boxes, rows, others, grid):
        trained[row] = _owns_any(samples, int(row), of_boxes[row], grid)
    return trained, overlap


def _without_own_nearest(boxes, sizes, rows, others, grid):
    """Return the rows all of whose nearest anchors, from IoU 0.5 on, go to another box.

    Args:
        boxes, sizes: [T, 4] and [T, 2].
        rows, others: [pairs], boxes that overlap.
    """
    contested = np.unique(rows)
    lost = [np.zeros(0, np.int64)]
    order = np.argsort(rows, kind="stable")
    rows, others = rows[order], others[order]
    for start in range(0, len(contested), ROWS):
        part = contested[start : start + ROWS]
        anchors = nearest_anchors(boxes[part], sizes[part], grid)
        own = np.nan_to_num(iou_of_rows(anchors, boxes[part, None]))
        mine = own >= POSITIVE_OVERLAP  # [part, L * A]
        low, high = np.searchsorted(rows, [part[0], part[-1] + 1])
        for first in range(low, high, ROWS):
            pairs = slice(first, min(first + ROWS, high))
            places = np.searchsorted(part, rows[pairs])
            theirs = iou_of_rows(anchors[places], boxes[others[pairs], None])
            earlier = (others[pairs] < rows[pairs])[:, None]  # the first box wins a tie
            taken = (theirs > own[places]) | ((theirs == own[places]) & earlier)
            taken_places, taken_anchors = np.nonzero(taken)
            mine[places[taken_places], taken_anchors] = False
        lost.append(part[~mine.any(axis=1)])
    return np.concatenate(lost)


def _owns_any(samples, row, size, grid):
    """Return whether some anchor of the picture is trained on the box, looking at all near it."""
    picture = samples.pictures[row]
    first = samples.starts[picture]
    boxes = samples.boxes[first : samples.starts[picture + 1]]
    anchors = _anchors_near(samples.boxes[row], size, grid)
    if not len(anchors):
        return False
    positive, _, best = compute_gt_annotations(anchors, boxes)
    return bool((positive & (best == row - first)).any())


def _anchors_near(box, size, grid):
    """Return the anchors [n, 4] centred where their IoU with a box can reach 0.5."""
    found = [np.zeros((0, 4))]
    cells, centre = grid.cells(size), grid.anchors.centre
    for stride, counts, shapes in zip(grid.anchors.strides, cells, grid.shapes(), strict=True):
        for shape in shapes:
            # IoU 0.5 takes half of either side along each axis, hence centres so near:
            reach = np.minimum(shape[2:] - shape[:2], box[2:] - box[:2]) / 2
            middle = (box[:2] + box[2:]) / 2
            low = np.maximum(np.ceil((middle - reach) / stride - centre), 0)
            high = np.minimum(np.floor((middle + reach) / stride - centre), counts[::-1] - 1)
            x, y = (
                (np.arange(start, end + 1) + centre) * stride
                for start, end in zip(low, high, strict=True)
            )
            x, y = np.meshgrid(x, y)
            centres = np.stack([x, y, x, y], axis=-1).reshape(-1, 4)
            found.append(centres + shape)
    return np.concatenate(found)


def resized_sizes(sizes, scales):
    """Return height and width [P, 2] of pictures after resizing, as training rounds them."""
    return np.maximum(1, np.rint(np.asarray(sizes) * np.asarray(scales)[:, None])).astype(np.int64)
