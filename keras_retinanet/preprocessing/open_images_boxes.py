"""Open Images' files of boxes, in arrays. Boxes are shares of their picture's width and height."""

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.open_images_classes import csv_file_rows, find_file, release_of
from keras_retinanet.preprocessing.samples import AnnotationError

SLACK = 0.01  # share of a side by which a box may reach outside before it is an error


@dataclass(frozen=True)
class BoxTable:
    """The rows of a file of boxes.

    Attributes:
        source: name of the file.
        image_ids: in order of first appearance.
        pictures: [T] int64, place of each box's picture.
        boxes: [T, 4] float64, (x1, y1, x2, y2) as shares of width and height.
        labels: [T] int32.
        group: [T] bool, whether the box stands for a group of objects.
        flat_lines: int64, lines of those of the boxes that have no area, in their order.
    """

    source: str
    image_ids: tuple
    pictures: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    group: np.ndarray
    flat_lines: np.ndarray

    def flat(self):
        """Return which boxes have no area, [T] bool."""
        return (self.boxes[:, 2:] == self.boxes[:, :2]).any(axis=1)


def source_files(metadata_dir, subset, version):
    """Return the files that the boxes of a subset come from, that of the boxes first."""
    release = release_of(version)
    more = [Path(metadata_dir) / name for name in (release.order, release.held_out) if name]
    return [
        find_file(metadata_dir, release.boxes, subset=subset),
        find_file(metadata_dir, release.classes),
        *(path for path in more if path.exists()),
    ]


def read_boxes(metadata_dir, subset, cls_index, version="v4"):
    """Return the BoxTable of a subset.

    Args:
        metadata_dir: folder of the release's files.
        cls_index: {class id: label}, as `get_labels` gives.
    """
    release = release_of(version)
    path = find_file(metadata_dir, release.boxes, subset=subset)
    wanted = _part(metadata_dir, subset, release)
    with csv_file_rows(path) as rows:
        return _read_rows(path.name, rows, cls_index, wanted)


def _part(metadata_dir, subset, release):
    """Return a test of whether a picture belongs to a subset."""
    if release.held_out is None:
        return lambda image_id: True
    if subset not in ("train", "validation"):
        raise ValueError(f"subset must be 'train' or 'validation' here. Received: {subset!r}")
    with csv_file_rows(Path(metadata_dir) / release.held_out) as rows:
        held_out = {row[0] for _, row in rows}
    return lambda image_id: (image_id in held_out) == (subset == "validation")


def _read_rows(source, rows, cls_index, wanted):
    _, header = next(rows, (1, []))
    columns = [_column(header, name) for name in ("ImageID", "LabelName")]
    sides = [_column(header, name) for name in ("XMin", "YMin", "XMax", "YMax")]
    group_of = header.index("IsGroupOf") if "IsGroupOf" in header else None
    images, flat_lines = {}, array("q")
    pictures, boxes, labels, group = array("q"), array("d"), array("i"), array("b")
    for line, row in rows:
        if len(row) < len(header):
            raise AnnotationError(
                f"line {line}: {len(row)} fields under {len(header)} headings. Write all of them"
            )
        image_id, kind = (row[column] for column in columns)
        if not wanted(image_id):
            continue
        if kind not in cls_index:
            raise AnnotationError(
                f"line {line}: unknown class {shown(kind)}. Add it to the classes"
            )
        box = _shares(line, header, row, sides)
        picture = images.setdefault(image_id, len(images))
        if box[2] == box[0] or box[3] == box[1]:
            flat_lines.append(line)
        pictures.append(picture)
        boxes.extend(box)
        labels.append(cls_index[kind])
        group.append(group_of is not None and row[group_of] == "1")
    places, kinds = np.array(pictures, np.int64), np.array(labels, np.int32)
    table = np.array(boxes, np.float64).reshape(-1, 4)
    columns = (places, table, kinds, np.array(group, bool), np.array(flat_lines, np.int64))
    return BoxTable(source, tuple(images), *columns)


def _column(header, name):
    if header.count(name) != 1:
        raise AnnotationError(
            f"line 1: no column {name!r} among {shown(','.join(header))}. "
            "Keep the header of the release"
        )
    return header.index(name)


def _shares(line, header, row, sides):
    """Return x1, y1, x2, y2 within 0 to 1."""
    box = []
    for side in sides:
        try:
            value = float(row[side])
        except ValueError:
            value = np.nan
        if not -SLACK <= value <= 1 + SLACK:
            raise AnnotationError(
                f"line {line}: {header[side]} {shown(row[side])} is not a share of the picture's "
                "side, from 0 to 1. Divide pixels by it"
            )
        box.append(min(max(value, 0.0), 1.0))
    for low, high in ((0, 2), (1, 3)):
        if box[high] < box[low]:
            names = header[sides[high]], header[sides[low]]
            raise AnnotationError(
                f"line {line}: {names[0]} ({row[sides[high]]}) must be higher than {names[1]} "
                f"({row[sides[low]]}). Swap them"
            )
    return box
