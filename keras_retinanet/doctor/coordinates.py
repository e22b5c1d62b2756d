"""Coordinates that look like something else than what their format wants.

The numbers are taken back to how the format writes them and read anew in each way people write
boxes. A reading is believed where it makes plausible boxes of nearly all rows, while the format's
own makes implausible ones of many. A box is plausible if it has an area and lies inside its
picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_retinanet.doctor.findings import FAULT, Example, Finding
from keras_retinanet.preprocessing.box_forms import SHARES

NORMALISED_SHARE = 0.5  # of the boxes in [0, 1]: no object is drawn inside the first pixel
DOUBTFUL = 0.1  # share of implausible boxes from which another reading is looked for
FEWEST = 3  # implausible boxes; below that they are single slips
CURED = 0.25  # a reading must leave at most this share of the implausible boxes so
SLACK = 0.01  # of the picture's side, and one pixel, by which a plausible box may reach outside


def _corners(numbers):
    return numbers


def _corners_of_sizes(n):
    return np.concatenate([n[:, :2], n[:, :2] + n[:, 2:]], axis=1)


def _corners_of_centres(n):
    half = n[:, 2:] / 2
    return np.concatenate([n[:, :2] - half, n[:, :2] + half], axis=1)


def _sizes(c):
    return np.concatenate([c[:, :2], c[:, 2:] - c[:, :2]], axis=1)


def _centres(c):
    return np.concatenate([(c[:, :2] + c[:, 2:]) / 2, c[:, 2:] - c[:, :2]], axis=1)


READ = {"corners": _corners, "sizes": _corners_of_sizes, "centres": _corners_of_centres}
WRITE = {"corners": _corners, "sizes": _sizes, "centres": _centres}  # their inverses
TURNED = [1, 0, 3, 2]  # y before x
IN_PAIRS = [0, 2, 1, 3]  # both x, then both y
WORDS = {
    "corners": "x1,y1,x2,y2",
    "sizes": "x,y,width,height",
    "centres": "the centre's x,y, and width,height",
}
REMEDIES = {  # {(what the format wants, what is written): what to do}, with the format's words
    ("corners", "sizes"): "Write {2} = {0} + width and {3} = {1} + height",
    ("corners", "centres"): "Write the corners of each box",
    ("sizes", "corners"): "Write width = x2 - x1 and height = y2 - y1",
    ("sizes", "centres"): "Take half of width and height from the centre: x and y are a corner's",
    ("centres", "corners"): "Write the centre of each box, its width and its height",
    ("centres", "sizes"): "Add half of width and height to x and y",
}


@dataclass(frozen=True)
class Reading:
    """Another way to read four numbers: what was written, and f(numbers [T, 4]) -> corners."""

    written: str
    corners: Callable
    remedy: str


def readings(form):
    """Return the Readings of a BoxForm's numbers; the first of equally plausible is believed."""
    own, words = READ[form.kind], form.fields
    other = {
        kind: Reading(WORDS[kind], READ[kind], REMEDIES[form.kind, kind].format(*words))
        for kind in READ
        if kind != form.kind
    }
    turned = ",".join(words[at] for at in TURNED)
    return [
        *(other[kind] for kind in ("sizes",) if kind in other),
        Reading(turned, lambda n: own(n[:, TURNED]), f"Swap them: {','.join(words)}"),
        Reading("x1,x2,y1,y2", lambda n: n[:, IN_PAIRS], f"Write {','.join(words)} in this order"),
        *(other[kind] for kind in ("centres", "corners") if kind in other),
    ]


def check_coordinates(subject):
    """Return the Findings on the coordinates of a Subject: at most one."""
    pictures, columns = _all_columns(subject)
    limits = np.asarray(subject.sizes, np.float64)[pictures][:, [1, 0]]
    known = (limits > 0).all(axis=1)
    pictures, columns, limits = pictures[known], columns[known], limits[known]
    if not len(columns):
        return []
    in_shares = subject.form.unit == SHARES
    found = (not in_shares and _normalised(columns)) or _another_reading(
        columns, limits, subject.form
    )
    if found is None:
        return []
    share, written, remedy, bad = found
    return [
        Finding(
            "suspicious coordinates",
            FAULT,
            len(bad),
            f"the coordinates look like {written}, not {subject.form} ({share})",
            remedy,
            tuple(subject.place(int(pictures[row]), columns[row]) for row in bad),
            tuple(
                Example(int(pictures[row]), (tuple(columns[row]),), "as it is read")
                for row in bad[:3]
            ),
        )
    ]


def _all_columns(subject):
    """Return (pictures [T], columns [T, 4]) of all boxes, those without an area, too."""
    samples, flat = subject.samples, subject.flat
    return (
        np.concatenate([samples.pictures, np.array([f.picture for f in flat], np.int64)]),
        np.concatenate([samples.boxes, np.array([f.box for f in flat], float).reshape(-1, 4)]),
    )


def _normalised(columns):
    inside = ((columns >= 0) & (columns <= 1)).all(axis=1)
    if inside.mean() < NORMALISED_SHARE:
        return None
    share = f"{inside.mean():.0%} of the boxes lie between 0 and 1"
    remedy = "Multiply what is horizontal by the picture's width, what is vertical by its height"
    return share, "shares of the picture's sides", remedy, np.flatnonzero(inside)


def is_plausible(boxes, limits):
    """Return [T] whether a box [T, 4] has an area and lies in its picture, [T, 2] wide and high."""
    slack = 1 + SLACK * limits
    return (
        (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, :2] >= -slack) & (boxes[:, 2:] <= limits + slack)
    ).all(axis=1)


def _another_reading(columns, limits, form):
    """Return (share, written, remedy, implausible rows) of the best other reading, or None."""
    bad = np.flatnonzero(~is_plausible(columns, limits))
    if len(bad) < max(FEWEST, DOUBTFUL * len(columns)):
        return None
    sides = np.tile(limits, 2) if form.unit == SHARES else 1.0
    numbers, ways = WRITE[form.kind](columns / sides), readings(form)
    shares = [is_plausible(way.corners(numbers) * sides, limits).mean() for way in ways]
    best = int(np.argmax(shares))
    if 1 - shares[best] > CURED * len(bad) / len(columns):
        return None
    way = ways[best]
    share = (
        f"{len(bad) / len(columns):.0%} of the boxes are empty or leave their picture as they are "
        f"read, {1 - shares[best]:.0%} in that reading"
    )
    return share, way.written, way.remedy, bad
