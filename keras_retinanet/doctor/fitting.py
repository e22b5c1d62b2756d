"""Anchors fitted to a dataset: ratios and scales that reach its boxes at the size of training.

Searched is by differential evolution (Storn & Price 1997), as SciPy has it, over the logarithms of
ratios and scales. What a guess is worth is the share of the boxes that some anchor overlaps at
IoU 0.5 or more, plus a tenth of the mean IoU, which tells guesses of equal shares apart. Each box
is compared with the nearest anchor of each level and shape (see `reach`), so that strides, padding
and the picture's borders count as in training; that boxes fight for anchors counts only in the
shares before and after, which are those of the assignment itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from keras_retinanet.doctor.reach import Grid, nearest_centres, reached, resized_sizes
from keras_retinanet.utils.anchors import POSITIVE_OVERLAP

MOST_BOXES = 5_000  # that the search looks at, evenly spread; 5 s for nine anchors
TRIAL_BOXES = 1_500  # while numbers of ratios and scales are tried
POPULATION, GENERATIONS, TRIAL_GENERATIONS = 8, 60, 15  # the first for each ratio and scale
MEAN_WEIGHT = 0.1
COUNTS = (1, 2, 3, 4, 5)  # ratios that are tried where their number is free
SCALE_COUNTS = (1, 2, 3)
ENOUGH = 0.005  # share of the boxes for which no more anchors are taken
SCALE_BOUNDS = (0.3, 2.5)  # levels are an octave apart; beyond that the sizes are wrong
RATIO_MARGIN = 1.5  # beyond the ratios of all but the most extreme 1 % of boxes


@dataclass(frozen=True)
class Fit:
    """Fitted anchors.

    Attributes:
        grid: with the new ratios and scales.
        before, after: share of the boxes that get an anchor.
        mean_before, mean_after: mean over boxes of the largest IoU with an anchor.
        boxes: how many were looked at.
    """

    grid: Grid
    before: float
    after: float
    mean_before: float
    mean_after: float
    boxes: int


def fit_anchors(samples, sizes, grid, resize, num_ratios=None, num_scales=None, seed=0):
    """Return the Fit of the anchors of `grid` to boxes.

    Args:
        samples: Samples in pixels of the pictures, inside them.
        sizes: [P, 2] height and width of the pictures.
        grid: Grid; its sizes, strides and levels stay.
        resize: coverage.Resize of the training.
        num_ratios, num_scales: how many; None as many as `grid` has, 0 for as few as do.
        seed: equal seeds give equal anchors.

    Raises:
        ValueError: there are no boxes, or SciPy is not installed.
    """
    if not len(samples.labels):
        raise ValueError("there is no box to fit anchors to")
    require_scipy()
    scales = resize.scales(sizes)
    resized = replace(samples, boxes=samples.boxes * scales[samples.pictures][:, None])
    sides = resized_sizes(sizes, scales)
    target = make_target(resized, sides, grid)
    counts = (
        len(grid.anchors.ratios) if num_ratios is None else num_ratios,
        len(grid.anchors.scales) if num_scales is None else num_scales,
    )
    if 0 in counts:
        counts = choose_counts(target.part(TRIAL_BOXES), grid, counts, seed)
    fitted = search(target.part(MOST_BOXES), grid, counts, GENERATIONS, seed)
    before, after = (reached(resized, sides, each) for each in (grid, fitted))
    same = counts == (len(grid.anchors.ratios), len(grid.anchors.scales))
    if same and after[0].mean() < before[0].mean():  # of equal boxes that fight for anchors
        fitted, after = grid, before
    return Fit(
        fitted,
        *(float(found[0].mean()) for found in (before, after)),
        *(float(found[1].mean()) for found in (before, after)),
        len(samples.labels),
    )


def require_scipy():
    """Return scipy.optimize, or raise ValueError that names the extra which brings it."""
    try:
        from scipy import optimize
    except ImportError:
        raise ValueError(
            "fitting anchors needs SciPy. Install it: pip install scipy, or this package with its "
            "extra 'anchors'"
        ) from None
    return optimize


@dataclass(frozen=True)
class Target:
    """Boxes as seen from the nearest cell of each level.

    Attributes:
        low, high: [T, L, 2] float32, corners less the cell's centre, (x, y); NaN where there is
            no cell.
        areas: [T] float32.
        sizes: [L] float32, anchor sizes of the levels.
    """

    low: np.ndarray
    high: np.ndarray
    areas: np.ndarray
    sizes: np.ndarray

    def part(self, most):
        """Return the Target of `most` evenly spread boxes."""
        step = max(1, -(-len(self.areas) // most))
        kept = slice(None, None, step)
        return replace(self, low=self.low[kept], high=self.high[kept], areas=self.areas[kept])

    def overlaps(self, ratios, scales):
        """Return the largest IoU [T] of each box with the anchors of ratios and scales."""
        best = np.zeros(len(self.areas), np.float32)
        for ratio in ratios:
            for scale in scales:
                area = np.float32((self.sizes * scale) ** 2)  # [L]
                width = np.sqrt(area / np.float32(ratio))
                half = np.stack([width, width * np.float32(ratio)], axis=-1) / 2  # [L, 2]
                shared = np.minimum(self.high, half) - np.maximum(self.low, -half)
                shared = np.maximum(shared[..., 0], 0) * np.maximum(shared[..., 1], 0)  # [T, L]
                overlap = shared / (self.areas[:, None] + area - shared)
                best = np.fmax(best, np.fmax.reduce(overlap, axis=1))
        return best

    def worth(self, ratios, scales):
        """Return what anchors are worth; see the module's docstring."""
        best = self.overlaps(ratios, scales)
        return float((best >= POSITIVE_OVERLAP).mean() + MEAN_WEIGHT * best.mean())

    def ratio_bounds(self):
        """Return the lowest and highest ratio that are looked at."""
        sides = self.high[:, 0] - self.low[:, 0]
        ratios = sides[:, 1] / sides[:, 0]
        ratios = ratios[np.isfinite(ratios)]
        low, high = np.percentile(ratios, (1, 99)) if len(ratios) else (1.0, 1.0)
        return min(low / RATIO_MARGIN, 0.8), max(high * RATIO_MARGIN, 1.25)


def make_target(samples, sizes, grid):
    """Return the Target of Samples in resized pixels on pictures of [P, 2] resized pixels."""
    boxes = samples.boxes
    centres = nearest_centres(boxes, np.asarray(sizes)[samples.pictures], grid)  # [T, L, 2]
    sides = boxes[:, 2:] - boxes[:, :2]
    return Target(
        np.float32(boxes[:, None, :2] - centres),
        np.float32(boxes[:, None, 2:] - centres),
        np.float32(sides.prod(axis=1)),
        np.float32(grid.anchors.sizes),
    )


def search(target, grid, counts, generations, seed):
    """Return the Grid with the fittest ratios and scales that are found, `counts` of each."""
    number = counts[0]
    bounds = [tuple(np.log2(target.ratio_bounds()))] * number
    bounds += [tuple(np.log2(SCALE_BOUNDS))] * counts[1]

    def badness(guess):
        return -target.worth(2.0 ** guess[:number], 2.0 ** guess[number:])

    start = np.log2(_spread_out(grid.anchors, counts))
    start = np.clip(start, [low for low, _ in bounds], [high for _, high in bounds])
    found = require_scipy().differential_evolution(
        badness,
        bounds,
        x0=start,
        maxiter=generations,
        popsize=POPULATION,
        rng=seed,
        polish=False,  # the share is a staircase, which has no gradient
        init="sobol",
    )
    ratios, scales = (
        tuple(sorted(np.round(2.0**part, 3).tolist()))
        for part in (found.x[:number], found.x[number:])
    )
    return replace(grid, anchors=replace(grid.anchors, ratios=ratios, scales=scales))


def _spread_out(anchors, counts):
    """Return the anchors' own ratios and scales if there are as many, else even ones."""
    own = (anchors.ratios, anchors.scales)
    even = ((0.5, 2.0), (1.0, 1.6))
    return np.concatenate(
        [
            values if len(values) == count else np.geomspace(*ends, count)
            for values, count, ends in zip(own, counts, even, strict=True)
        ]
    )


def choose_counts(target, grid, counts, seed):
    """Return the numbers of ratios and scales: the fewest anchors that do about as well as any.

    Args:
        counts: the numbers; 0 where it is free.
    """
    tried = {}
    for ratios in COUNTS if counts[0] == 0 else counts[:1]:
        for scales in SCALE_COUNTS if counts[1] == 0 else counts[1:]:
            found = search(target, grid, (ratios, scales), TRIAL_GENERATIONS, seed).anchors
            best = target.overlaps(found.ratios, found.scales)
            tried[ratios, scales] = float((best >= POSITIVE_OVERLAP).mean())
    most = max(tried.values())
    enough = [pair for pair, share in tried.items() if share >= most - ENOUGH]
    return min(enough, key=lambda pair: (pair[0] * pair[1], -tried[pair]))
