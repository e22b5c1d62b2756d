"""The files of Open Images: where each release keeps them, classes, hierarchy, boxes.

Boxes are shares of their picture's width and height here, as in the files.
"""

import csv
import hashlib
import json
import os
import tempfile
import warnings
import zipfile
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing.annotation_files import read_json
from keras_retinanet.preprocessing.csv_text import located, numbered_rows, shown
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning

CACHE_FORMAT = 1  # to be raised when what a cache holds changes
SLACK = 0.01  # share of a side by which a box may reach outside before it is an error


@dataclass(frozen=True)
class Release:
    """Where a release keeps its files; of several names the first that exists counts.

    Attributes:
        folder: of the files below, in the dataset's folder.
        classes: name of the file of lines `class id,name`.
        boxes: name of the file of boxes, `{subset}` in it.
        hierarchy: name of the tree of classes.
        order: name of the file of the class ids that are labelled, if that is not all.
        held_out: name of the file of the pictures of train's boxes that are for validation.
    """

    folder: str
    classes: tuple
    boxes: tuple
    hierarchy: str = "bbox_labels_600_hierarchy.json"
    order: str | None = None
    held_out: str | None = None


_NEWER = Release(
    "annotations",
    ("class-descriptions-boxable.csv", "oidv7-class-descriptions-boxable.csv")
    + ("oidv6-class-descriptions.csv",),
    ("{subset}-annotations-bbox.csv", "oidv6-{subset}-annotations-bbox.csv"),
)
RELEASES = {
    "v3": Release(
        "2017_11",
        ("class-descriptions-boxable.csv", "class-descriptions.csv"),
        ("{subset}/annotations-human-bbox.csv",),
        order="classes-bbox-trainable.txt",
    ),
    "v4": Release(
        "2018_04",
        ("class-descriptions-boxable.csv",),
        ("{subset}/{subset}-annotations-bbox.csv", "{subset}-annotations-bbox.csv"),
    ),
    "v5": _NEWER,
    "v6": _NEWER,
    "v7": _NEWER,
    "challenge2018": Release(
        "challenge2018",
        ("challenge-2018-class-descriptions-500.csv",),
        ("challenge-2018-train-annotations-bbox.csv",),
        "bbox_labels_500_hierarchy.json",
        held_out="challenge-2018-image-ids-valset-od.csv",
    ),
}


@dataclass(frozen=True)
class BoxTable:
    """The rows of a file of boxes.

    Attributes:
        image_ids: in order of first appearance.
        pictures: [T] int64, place of each box's picture.
        boxes: [T, 4] float64, (x1, y1, x2, y2) as shares of width and height.
        labels: [T] int32.
        group: [T] bool, whether the box stands for a group of objects.
        flat: number of boxes left out since they have no area.
    """

    image_ids: tuple
    pictures: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    group: np.ndarray
    flat: int


def release_of(version):
    """Return the Release of a version's name."""
    if version not in RELEASES:
        raise ValueError(f"version must be one of {', '.join(RELEASES)}. Received: {version!r}")
    return RELEASES[version]


def find_file(folder, names, **fields):
    """Return the first of the files that exists, or the first of all."""
    paths = [Path(folder) / name.format(**fields) for name in names]
    return next((path for path in paths if path.is_file()), paths[0])


def load_hierarchy(metadata_dir, version="v4"):
    """Return the tree of classes: {"LabelName": class id, "Subcategory": [trees]}."""
    path = Path(metadata_dir) / release_of(version).hierarchy
    hierarchy = read_json(path)
    for node in _nodes(hierarchy):
        if not isinstance(node, dict) or not isinstance(node.get("LabelName"), str):
            raise AnnotationError(f"{path}: {shown(str(node))} has no 'LabelName'")
        if not isinstance(node.get("Subcategory", []), list):
            raise AnnotationError(f"{path}: 'Subcategory' of {node['LabelName']!r} is no list")
    return hierarchy


def _nodes(hierarchy):
    """Yield the nodes of a tree, parents first; without recursion, however deep it is."""
    waiting = [hierarchy]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.get("Subcategory", []))


def load_hierarchy_children(hierarchy):
    """Return the class ids of a tree, each once, its root's first."""
    return list(dict.fromkeys(node["LabelName"] for node in _nodes(hierarchy)))


def find_hierarchy_parent(hierarchy, parent_cls):
    """Return the tree below a class id, or None."""
    return next((node for node in _nodes(hierarchy) if node["LabelName"] == parent_cls), None)


def get_labels(metadata_dir, version="v4"):
    """Return ({label: class name}, {class id: label}), labels in the order of the files."""
    release = release_of(version)
    path = find_file(metadata_dir, release.classes)
    names = {}
    with _csv_rows(path) as rows:
        for line, row in rows:
            if len(row) < 2 or not row[0] or not row[1]:
                raise AnnotationError(
                    f"line {line}: {shown(','.join(row))} is not 'class id,class name'"
                )
            if (line, row[0]) != (1, "LabelName"):
                names.setdefault(row[0], row[1].strip("'\""))
    order = release.order and Path(metadata_dir) / release.order
    if order and order.is_file():
        with _csv_rows(order) as rows:
            names = {row[0]: _known(names, row[0], line, path.name) for line, row in rows}
    if not names:
        raise AnnotationError(f"{path}: there are no classes. Write 'class id,class name' a line")
    return dict(enumerate(names.values())), {key: label for label, key in enumerate(names)}


def _known(names, key, line, file):
    if key not in names:
        raise AnnotationError(f"line {line}: class {shown(key)} is not in {file}. Add it there")
    return names[key]


@contextmanager
def _csv_rows(path):
    """Give (line, fields) of a file that may be larger than memory."""
    with located(path):
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                yield numbered_rows(csv.reader(file, skipinitialspace=True))
        except FileNotFoundError:
            raise AnnotationError("the file does not exist. Check the path") from None
        except UnicodeDecodeError as error:
            raise AnnotationError(f"not UTF-8 ({error.reason}). Save it as UTF-8") from None
        except OSError as error:
            raise AnnotationError(f"the file cannot be read ({error.strerror})") from None


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
    with _csv_rows(path) as rows:
        return _read_rows(rows, cls_index, wanted)


def _part(metadata_dir, subset, release):
    """Return a test of whether a picture belongs to a subset."""
    if release.held_out is None:
        return lambda image_id: True
    if subset not in ("train", "validation"):
        raise ValueError(f"subset must be 'train' or 'validation' here. Received: {subset!r}")
    with _csv_rows(Path(metadata_dir) / release.held_out) as rows:
        held_out = {row[0] for _, row in rows}
    return lambda image_id: (image_id in held_out) == (subset == "validation")


def _read_rows(rows, cls_index, wanted):
    _, header = next(rows, (1, []))
    columns = [_column(header, name) for name in ("ImageID", "LabelName")]
    sides = [_column(header, name) for name in ("XMin", "YMin", "XMax", "YMax")]
    group_of = header.index("IsGroupOf") if "IsGroupOf" in header else None
    images, flat = {}, 0
    pictures, boxes, labels, group = array("q"), array("d"), array("i"), array("b")
    for line, row in rows:
        if len(row) < len(header):
            raise AnnotationError(f"line {line}: {len(row)} fields under {len(header)} headings")
        image_id, kind = (row[column] for column in columns)
        if not wanted(image_id):
            continue
        if kind not in cls_index:
            raise AnnotationError(f"line {line}: unknown class {shown(kind)}. Add it to the classes")
        box = _shares(line, header, row, sides)
        picture = images.setdefault(image_id, len(images))
        if box[2] == box[0] or box[3] == box[1]:
            flat += 1
            continue
        pictures.append(picture)
        boxes.extend(box)
        labels.append(cls_index[kind])
        group.append(group_of is not None and row[group_of] == "1")
    places, kinds = np.array(pictures, np.int64), np.array(labels, np.int32)
    table = np.array(boxes, np.float64).reshape(-1, 4)
    return BoxTable(tuple(images), places, table, kinds, np.array(group, bool), flat)


def _column(header, name):
    if header.count(name) != 1:
        raise AnnotationError(f"line 1: no column {name!r} among {shown(','.join(header))}")
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


def cached_boxes(cache_dir, metadata_dir, subset, cls_index, version="v4"):
    """Return the BoxTable of a subset, from the cache unless a source file has changed.

    The cache's name holds version, subset and a digest of where the source lies; inside it stand
    size and time of each source file.
    """
    files = source_files(metadata_dir, subset, version)
    stamp = _stamp(files)
    digest = hashlib.sha256(str(files[0].absolute()).encode()).hexdigest()[:12]
    path = Path(cache_dir) / f"open_images_{version}_{subset}_{digest}.npz"
    table = _load_cache(path, stamp)
    if table is None:
        table = read_boxes(metadata_dir, subset, cls_index, version)
        try:
            _save_cache(path, stamp, table)
        except OSError as error:
            warnings.warn(
                f"{path}: the index cannot be kept ({error.strerror}), so it will be made again",
                AnnotationWarning,
                stacklevel=2,
            )
    return table


def _stamp(files):
    """Return text that changes when one of the files does; a missing one is found on reading."""
    states = [file.stat() if file.is_file() else None for file in files]
    return json.dumps(
        [CACHE_FORMAT]
        + [
            [str(file.absolute()), state and state.st_size, state and state.st_mtime_ns]
            for file, state in zip(files, states, strict=True)
        ]
    )


def _load_cache(path, stamp):
    """Return the BoxTable of a cache that has this stamp, else None."""
    try:
        with np.load(path, allow_pickle=False) as cache:
            if str(cache["stamp"]) != stamp:
                return None
            ids = cache["image_ids"].tobytes().decode()
            columns = [cache[name] for name in ("pictures", "boxes", "labels", "group")]
            return BoxTable(tuple(ids.split("\n")) if ids else (), *columns, int(cache["flat"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # not there, or damaged: made again


def _save_cache(path, stamp, table):
    """Write the cache aside, then put it in place, so that nobody reads half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                stamp=stamp,
                image_ids=np.frombuffer("\n".join(table.image_ids).encode(), np.uint8),
                pictures=table.pictures,
                boxes=table.boxes,
                labels=table.labels,
                group=table.group,
                flat=table.flat,
            )
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
