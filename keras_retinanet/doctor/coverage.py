"""Anchor coverage: which boxes get an anchor at the size that training resizes to, and what helps.

A box without an anchor is never learnt.
"""

from dataclasses import dataclass, replace

import numpy as np

from keras_retinanet.doctor.findings import FAULT, NOTE, Example, Finding, counted
from keras_retinanet.doctor.reach import Grid, reached, resized_sizes
from keras_retinanet.preprocessing.samples import Samples
from keras_retinanet.utils.image import compute_resize_scale

SIZE_EDGES = (0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, np.inf)  # pixels, √area
TOO_MANY = 0.05  # share of the boxes without an anchor from which it is a fault
GAIN = 0.002  # share of the boxes that a remedy must win to be named
REMEDY_BOXES = 20_000  # boxes on which remedies are tried
SHOWN = 8  # worst boxes


@dataclass(frozen=True)
class Resize:
    """The resize rule of training: sides in pixels, or None for pictures left alone."""

    min_side: int | None = 800
    max_side: int | None = 1333

    def scales(self, sizes):
        """Return the factor [P] of each picture of [P, 2] height and width; 1 where broken."""
        if self.min_side is None:
            return np.ones(len(sizes))
        return np.array(
            [
                compute_resize_scale(size, self.min_side, self.max_side) if min(size) else 1.0
                for size in np.asarray(sizes).tolist()
            ]
        )

    def larger(self, factor):
        """Return the rule with both sides `factor` times as long."""
        return Resize(round(self.min_side * factor), round(self.max_side * factor))


@dataclass(frozen=True)
class Coverage:
    """What the anchors reach.

    Attributes:
        grid, resize: what it was measured with.
        samples: Samples in pixels of the resized pictures.
        scales: [P], resized / original.
        trained: [T] bool, whether the box gets an anchor.
        overlap: [T], its largest IoU with an anchor.
    """

    grid: Grid
    resize: Resize
    samples: Samples
    scales: np.ndarray
    trained: np.ndarray
    overlap: np.ndarray

    def share(self):
        """Return the share of the boxes that get an anchor, 1 where there is none."""
        return float(self.trained.mean()) if len(self.trained) else 1.0

    def lengths(self):
        """Return the square root of each box's area, [T] pixels after resizing."""
        sides = self.samples.boxes[:, 2:] - self.samples.boxes[:, :2]
        return np.sqrt(sides.prod(axis=1))

    def by_class(self):
        """Return {label: (boxes, boxes with an anchor)}."""
        labels = self.samples.labels
        return {
            int(label): (int((labels == label).sum()), int(self.trained[labels == label].sum()))
            for label in np.unique(labels)
        }

    def by_size(self):
        """Return [(low, high, boxes, boxes with an anchor)] of the sizes that occur."""
        bins = np.digitize(self.lengths(), SIZE_EDGES) - 1
        found = [
            (low, high, int((bins == place).sum()), int(self.trained[bins == place].sum()))
            for place, (low, high) in enumerate(zip(SIZE_EDGES, SIZE_EDGES[1:], strict=False))
        ]
        used = [place for place, row in enumerate(found) if row[2]]
        return found[used[0] : used[-1] + 1] if used else []


def measure(samples, sizes, grid, resize):
    """Return the Coverage of boxes.

    Args:
        samples: Samples in pixels of the pictures, inside them.
        sizes: [P, 2] height and width of the pictures.
        grid: Grid.
        resize: Resize.
    """
    scales = resize.scales(sizes)
    resized = replace(samples, boxes=samples.boxes * scales[samples.pictures][:, None])
    trained, overlap = reached(resized, resized_sizes(sizes, scales), grid)
    return Coverage(grid, resize, resized, scales, trained, overlap)


def remedies(samples, sizes, grid, resize):
    """Return [(what, share of boxes with an anchor)] that help, the share now first."""
    samples = _some_of(samples)
    now = measure(samples, sizes, grid, resize).share()
    found = [("as it is", now)]
    for what, other_grid, other_resize in _changes(grid, resize):
        share = measure(samples, sizes, other_grid, other_resize).share()
        if share >= now + GAIN:
            found.append((what, share))
    return found


def _some_of(samples):
    """Return the Samples of evenly spread pictures with about REMEDY_BOXES boxes."""
    step = max(1, len(samples.labels) // REMEDY_BOXES)
    kept = samples.pictures % step == 0
    columns = (samples.pictures, samples.boxes, samples.labels)
    return Samples.from_rows(samples.paths, *(column[kept] for column in columns))


def _changes(grid, resize):
    """Yield (what is changed, grid, resize)."""
    if resize.min_side is not None:
        for factor in (1.25, 1.5, 2):
            other = resize.larger(factor)
            sides = f"--image-min-side {other.min_side} --image-max-side {other.max_side}"
            yield sides, grid, other
    anchors = grid.anchors
    if grid.levels[0] > 2:
        yield "level P2 with half the smallest anchor", _with_p2(grid), resize
    for what, factor in (("half", 0.5), ("double", 2)):
        sizes = tuple(size * factor for size in anchors.sizes)
        shown = " ".join(f"{size:g}" for size in sizes)
        other = replace(anchors, sizes=sizes)
        yield f"anchors of {what} the sizes: {shown}", replace(grid, anchors=other), resize
    ratios = anchors.ratios
    wider = tuple(sorted({*ratios, round(min(ratios) / 2, 3), round(max(ratios) * 2, 3)}))
    shown = " ".join(f"{ratio:g}" for ratio in wider)
    yield f"ratios {shown}", replace(grid, anchors=replace(anchors, ratios=wider)), resize


def _with_p2(grid):
    anchors = grid.anchors
    finer = replace(
        anchors,
        sizes=(anchors.sizes[0] / 2, *anchors.sizes),
        strides=(anchors.strides[0] / 2, *anchors.strides),
    )
    return Grid(finer, (grid.levels[0] - 1, *grid.levels))


def check_coverage(subject, coverage):
    """Return the Findings on boxes without an anchor: at most one."""
    rows = np.flatnonzero(~coverage.trained)
    if not len(rows):
        return []
    rows = rows[np.argsort(coverage.overlap[rows], kind="stable")]
    samples, lengths = subject.fitted, coverage.lengths()
    share = 1 - coverage.share()

    def described(row):
        name = subject.class_name(samples.labels[row])
        return f"{name}, {lengths[row]:.0f} px, IoU {coverage.overlap[row]:.2f}"

    pictures = samples.pictures
    return [
        Finding(
            "boxes without an anchor",
            FAULT if share > TOO_MANY else NOTE,
            len(rows),
            f"{counted(len(rows), 'box', 'boxes')} ({share:.1%}) {'has' if len(rows) == 1 else 'have'} "  # noqa: E501
            f"no anchor at IoU 0.5 after resizing and cannot be learnt{_mostly(coverage, rows)}",
            "Larger pictures, or other anchors: --fit-anchors finds some",
            tuple(
                f"{subject.place(int(pictures[row]), samples.boxes[row])} ({described(row)})"
                for row in rows
            ),
            tuple(
                Example(int(pictures[row]), (tuple(samples.boxes[row]),), described(row))
                for row in _spread(rows, pictures)
            ),
        )
    ]


def _mostly(coverage, rows):
    """Return which size most of the boxes without an anchor have, as words."""
    median = float(np.median(coverage.lengths()[rows]))
    return f"; half of them are below {median:.0f} pixels"


def _spread(rows, pictures):
    """Return the first SHOWN of `rows`, of different pictures where there are as many."""
    _, first = np.unique(pictures[rows], return_index=True)
    return rows[np.sort(first)][:SHOWN]
