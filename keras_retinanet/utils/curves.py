"""Curves over epochs as one picture: panels side by side, with axes and a legend each."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 720, 460  # pixels of a panel
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 64, 48  # around the plot
TICKS = 5  # about so many on an axis
INK, GRID, PAPER = (60, 60, 60), (225, 225, 225), (255, 255, 255)
# blue, vermilion, green, purple of Okabe & Ito, told apart by all eyes; blue first
COLOURS = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204))
_FRACTION = 4  # bits of a pixel's fraction in OpenCV's coordinates


@dataclass(frozen=True)
class Panel:
    """A plot.

    Attributes:
        title: above it.
        lines: {name: values by epoch, nan for none}.
        top: upper end of the axis, None for that of the values.
    """

    title: str
    lines: dict
    top: float | None = None


def draw_panels(panels, epochs):
    """Return uint8 [460, 720 * panels, 3], blue first.

    Args:
        panels: `Panel`s.
        epochs: the epochs of their values, rising.
    """
    return np.concatenate([_draw_panel(panel, epochs) for panel in panels], axis=1)


def ticks(low, high, whole=False):
    """Return round numbers from low to high, some `TICKS` of them.

    Args:
        low, high: ends, low < high.
        whole: whether only whole numbers will do.
    """
    rough = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= rough * 0.999)
    step = max(1, round(step)) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _draw_panel(panel, epochs):
    canvas = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    values = [value for line in panel.lines.values() for value in line if math.isfinite(value)]
    top = panel.top if panel.top is not None else max(values, default=1.0) * 1.05
    top = top if top > 0 else 1.0
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)
    _draw_axes(canvas, panel.title, (first, last), top)
    for colour, line in zip(COLOURS, panel.lines.values(), strict=False):
        points = [
            _place(epoch, min(y, top), (first, last), top)
            for epoch, y in zip(epochs, line, strict=True)
        ]
        _draw_line(canvas, points, colour)
    _draw_legend(canvas, panel.lines)
    return canvas


def _place(x, y, across, top):
    """Return the point (x, y) in pixels; nan stays so."""
    share = (x - across[0]) / (across[1] - across[0])
    return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (
        HEIGHT - TOP - BOTTOM
    )


def _draw_axes(canvas, title, across, top):
    _write(canvas, title, (LEFT, 26), 0.6, INK)
    for value in ticks(0, top):
        x, y = _place(across[0], value, across, top)
        _draw_line(canvas, [(x, y), (WIDTH - RIGHT, y)], GRID, 1)
        text = f"{value:.6g}"
        _write(canvas, text, (LEFT - 10 - 9 * len(text), y + 5), 0.45, INK)
    for value in ticks(*across, whole=True):
        x, y = _place(value, 0, across, top)
        _draw_line(canvas, [(x, y), (x, y + 5)], INK, 1)
        text = f"{value:d}"
        _write(canvas, text, (x - 4.5 * len(text), y + 20), 0.45, INK)
    base = HEIGHT - BOTTOM
    _draw_line(canvas, [(LEFT, base), (WIDTH - RIGHT, base)], INK, 1)
    _write(canvas, "epoch", (WIDTH - RIGHT - 46, HEIGHT - 8), 0.45, INK)


def _draw_line(canvas, points, colour, width=2):
    """Draw a line through the points that are finite, and a dot where one stands alone."""
    runs, run = [], []
    for point in [*points, (math.nan, math.nan)]:
        if all(map(math.isfinite, point)):
            run.append(point)
        elif run:
            runs.append(run)
            run = []
    scale = 1 << _FRACTION
    for run in runs:
        if len(run) == 1:
            centre = tuple(round(value * scale) for value in run[0])
            cv2.circle(canvas, centre, 3 * scale, colour, -1, cv2.LINE_AA, _FRACTION)
        path = np.round(np.float64(run) * scale).astype(np.int32)
        cv2.polylines(canvas, [path], False, colour, width, cv2.LINE_AA, _FRACTION)


def _draw_legend(canvas, lines):
    """Write each line's name and last value above the plot, in its colour."""
    x = LEFT
    for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
        last = next((value for value in reversed(line) if math.isfinite(value)), math.nan)
        text = f"{name} {last:.4g}"
        _draw_line(canvas, [(x, 46), (x + 18, 46)], colour)
        _write(canvas, text, (x + 24, 50), 0.45, INK)
        x += 24 + 9 * len(text) + 12


def _write(canvas, text, place, size, colour):
    where = tuple(round(value) for value in place)
    cv2.putText(canvas, text, where, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
