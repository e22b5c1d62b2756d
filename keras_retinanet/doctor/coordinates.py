"""Coordinates that look like something else than x1,y1,x2,y2 in pixels.

The columns are read anew in each way people write them. A reading is believed where it makes
plausible boxes of nearly all rows, while the columns as they stand make implausible ones of many.
A box is plausible if it has an area and lies inside its picture.
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.doctor.findings import FAULT, Example, Finding

NORMALISED_SHARE = 0.5  # of the boxes in [0, 1]: no object is drawn inside the first pixel
DOUBTFUL = 0.1  # share of implausible boxes from which another reading is looked for
FEWEST = 3  # implausible boxes; below that they are single slips
CURED = 0.25  # a reading must leave at most this share of the implausible boxes so
SLACK = 0.01  # of the picture's side, and one pixel, by which a plausible box may reach outside


@dataclass(frozen=True)
class Reading:
    """Another way to read four columns: what was written, and f(columns [T, 4]) -> boxes."""

    written: str
    boxes: object
    remedy: str


def _corners_of_sizes(c):
    return np.stack([c[:, 0], c[:, 1], c[:, 0] + c[:, 2], c[:, 1] + c[:, 3]], axis=1)


def _corners_of_centres(c):
    half = c[:, 2:] / 2
    return np.concatenate([c[:, :2] - half, c[:, :2] + half], axis=1)


def _sizes_of_corners(c):
    """Undo a reader that took corners for x, y, width, height."""
    return np.concatenate([c[:, :2], c[:, 2:] - c[:, :2]], axis=1)


READINGS = (  # the first of equally plausible ones is believed
    Reading("x,y,width,height", _corners_of_sizes, "Write x2 = x + width and y2 = y + height"),
    Reading("y1,x1,y2,x2", lambda c: c[:, [1, 0, 3, 2]], "Swap x and y"),
    Reading("x1,x2,y1,y2", lambda c: c[:, [0, 2, 1, 3]], "Reorder the columns"),
    Reading(
        "the centre's x,y, and width,height", _corners_of_centres, "Write the corners of each box"
    ),
    Reading(
        "x1,y1,x2,y2 where the format wants x,y,width,height",
        _sizes_of_corners,
        "Write width = x2 - x1 and height = y2 - y1",
    ),
)


def check_coordinates(subject):
    """Return the Findings on the coordinates of a Subject: at most one."""
    pictures, columns = _all_columns(subject)
    limits = np.asarray(subject.sizes, np.float64)[pictures][:, [1, 0]]
    known = (limits > 0).all(axis=1)
    pictures, columns, limits = pictures[known], columns[known], limits[known]
    if not len(columns):
        return []
    found = _normalised(columns) or _another_reading(columns, limits)
    if found is None:
        return []
    share, written, remedy, bad = found
    return [
        Finding(
            "suspicious coordinates",
            FAULT,
            len(bad),
            f"the coordinates look like {written}, not x1,y1,x2,y2 in pixels ({share})",
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
    remedy = "Multiply x by the picture's width and y by its height"
    return share, "shares of the picture's sides", remedy, np.flatnonzero(inside)


def is_plausible(boxes, limits):
    """Return [T] whether a box [T, 4] has an area and lies in its picture, [T, 2] wide and high."""
    slack = 1 + SLACK * limits
    return (
        (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, :2] >= -slack) & (boxes[:, 2:] <= limits + slack)
    ).all(axis=1)


def _another_reading(columns, limits):
    """Return (share, written, remedy, implausible rows) of the best other reading, or None."""
    bad = np.flatnonzero(~is_plausible(columns, limits))
    if len(bad) < max(FEWEST, DOUBTFUL * len(columns)):
        return None
    shares = [is_plausible(way.boxes(columns), limits).mean() for way in READINGS]
    best = int(np.argmax(shares))
    if 1 - shares[best] > CURED * len(bad) / len(columns):
        return None
    way = READINGS[best]
    share = (
        f"{len(bad) / len(columns):.0%} of the boxes are empty or leave their picture as they are "
        f"read, {1 - shares[best]:.0%} in that reading"
    )
    return share, way.written, way.remedy, bad
