"""Reading a COCO results file of any program, and what in it cannot count.

What is not a results file is refused. Rows that cannot be used are left out and counted, since a
file about more pictures or classes than the dataset has is common; if none is left, that is an
error. What counts but looks wrong is told (`results_signs`).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_retinanet.evaluation.columns import FoundBoxes
from keras_retinanet.evaluation.detect import Detections
from keras_retinanet.evaluation.results_signs import signs

KEYS = ("image_id", "category_id", "bbox", "score")
UNKNOWN = -1
# what makes a row unusable: words, and a function of FoundBoxes
LEFT_OUT = {
    "unknown_images": (
        "of pictures that the dataset does not have",
        lambda found: found.pictures == UNKNOWN,
    ),
    "unknown_classes": (
        "of classes that the dataset does not have",
        lambda found: found.labels == UNKNOWN,
    ),
    "not_finite": (
        "with a number that is not finite",
        lambda found: ~(np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)),
    ),
    "negative_sizes": (
        "with a negative width or height",
        lambda found: (found.boxes[:, 2:] < 0).any(axis=1),
    ),
}


@dataclass(frozen=True)
class Places:
    """Where the ids of a results file lead.

    Attributes:
        images: {image id: place of the picture}, whatever a file may call it.
        classes: {category id: label}, likewise.
        sizes: int [pictures, 2], height and width of the pictures.
    """

    images: dict
    classes: dict
    sizes: np.ndarray


@dataclass(frozen=True)
class Results:
    """A results file.

    Attributes:
        found: FoundBoxes, its pictures and labels those of the dataset; boxes as in the file.
        detections: the same as a `Detections` for each picture, best score first.
        left_out: {key of `LEFT_OUT`: rows}, only those above 0.
        notices: a line each on what is left out or looks wrong.
    """

    found: FoundBoxes
    detections: list
    left_out: dict
    notices: tuple


def read_results(path, places):
    """Return the Results of the file `path`.

    Args:
        places: Places.

    Raises:
        ValueError: one line with the file, the row and the remedy.
    """
    rows = _rows(path)
    found = _found(path, rows, places)
    bad = {key: test(found) for key, (_, test) in LEFT_OUT.items()}
    bad = {key: rows for key, rows in bad.items() if rows.any()}
    notices = [_notice(rows, key, which) for key, which in bad.items()]
    kept = np.flatnonzero(~np.any(list(bad.values()), axis=0)) if bad else np.arange(len(rows))
    if len(rows) and not len(kept):
        raise ValueError(
            f"{path}: no detection is left to measure: {'; '.join(notices)}. "
            "Name results on this dataset, with its ids"
        )
    found = found.rows(kept)
    notices += [] if rows else ["holds no detection"]
    notices += signs(found, places.sizes, [row.get("id") for row in rows])
    detections = by_picture(found, len(places.sizes))
    left_out = {key: int(np.count_nonzero(which)) for key, which in bad.items()}
    return Results(found, detections, left_out, tuple(f"{path}: {notice}" for notice in notices))


def check_results(path):
    """Raise ValueError, as `read_results`, where `path` is no results file whatever the dataset."""
    _found(path, _rows(path), Places({}, {}, np.zeros((0, 2), int)))


def _rows(path):
    """Return the content of a results file, a list."""
    try:
        rows = json.loads(Path(path).read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}). Name a COCO results file") from None
    if isinstance(rows, list):
        return rows
    held = "an object" if isinstance(rows, dict) else f"{rows!r:.40}"
    if isinstance(rows, dict) and "annotations" in rows:
        held = "an annotation file"
    raise ValueError(
        f"{path}: is {held}, not a list of detections. Name a COCO results file, "
        f"a list of objects with {', '.join(KEYS)}"
    )


def _found(path, rows, places):
    """Return `rows` as FoundBoxes, unknown ids as `UNKNOWN`."""
    try:
        found = FoundBoxes(
            np.array([places.images.get(row["image_id"], UNKNOWN) for row in rows], np.int64),
            np.array([places.classes.get(row["category_id"], UNKNOWN) for row in rows], np.int64),
            np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
            np.array([row["score"] for row in rows], np.float64).reshape(-1),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        found = None
    if found is None or not len(found.boxes) == len(found.scores) == len(rows):
        raise ValueError(_fault(path, rows))
    return found


def _fault(path, rows):
    """Return the message about the first of `rows` that is no detection."""
    for number, row in enumerate(rows):
        what = _fault_of_row(row)
        if what:
            return f"{path}: detection [{number}] {what}"
    return f"{path}: holds a number that is too large"


def _fault_of_row(row):
    if not isinstance(row, dict):
        return f"is {row!r:.40}, not an object with {', '.join(KEYS)}"
    missing = [key for key in KEYS if key not in row]
    if missing:
        return f"has no {missing[0]!r}. Write boxes, not masks or keypoints alone"
    box, score = row["bbox"], row["score"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        return f"has the bbox {box!r:.60}. Write [x, y, width, height] in pixels"
    if not _is_number(score):
        return f"has the score {score!r:.40}, not a number"
    if isinstance(row["image_id"], (list, dict)) or isinstance(row["category_id"], (list, dict)):
        return f"has the ids {row['image_id']!r:.40} and {row['category_id']!r:.40}"
    return None


def _is_number(value):
    return isinstance(value, (int, float)) or value is None


def _notice(rows, key, which):
    """Return the line about the rows `which` (bool) that cannot be used."""
    first = int(which.argmax())
    words = LEFT_OUT[key][0]
    row = {name: rows[first][name] for name in KEYS}
    return f"{np.count_nonzero(which)} detections {words} are left out, the first [{first}] {row}"


def by_picture(found, pictures):
    """Return FoundBoxes as a `Detections` for each picture, in float64."""
    order = np.argsort(-found.scores, kind="stable")
    order = order[np.argsort(found.pictures[order], kind="stable")]
    bounds = np.searchsorted(found.pictures[order], np.arange(pictures + 1))
    corners = np.concatenate([found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], axis=1)
    parts = [order[start:end] for start, end in zip(bounds[:-1], bounds[1:], strict=True)]
    return [Detections(corners[part], found.scores[part], found.labels[part]) for part in parts]
