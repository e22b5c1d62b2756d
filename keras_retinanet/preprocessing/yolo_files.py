"""The files of a YOLO dataset: `data.yaml`, and a text file of boxes for each picture.

PyYAML reads data.yaml: people write them by hand and use much of YAML (two forms of lists, over
several lines, quotes, comments, blocks of text), of which a parser of our own would refuse some.
Its BaseLoader makes text, lists and mappings and nothing else: no tag makes an object, a class may
be called `no`, and scripts under `download` stay text that nobody reads.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from keras_retinanet.preprocessing.annotation_files import (
    decoded,
    kind_of,
    lies_in,
    read_content,
    read_lines,
)
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError

SETS = ("train", "val", "test")
MAX_YAML = 2**20  # bytes; a thousand class names take 30,000
SLACK = 0.01  # share of a side by which a number may leave 0..1 before it is an error
MAX_DIGITS = 9  # of a class number
BOX_FIELDS = 5  # class, centre x, centre y, width, height; with more, a polygon: class, x, y, ...
MIN_POLYGON_FIELDS = 7


@dataclass(frozen=True)
class DataFile:
    """What data.yaml says.

    Attributes:
        path: the file.
        root: folder that the sets are relative to.
        names: {class number: name}, ascending.
        sets: {"train", "val" or "test": [folder or list of pictures]}.
        poses: whether lines go on with keypoints behind the box.
        notices: a line each on what should be known.
    """

    path: Path
    root: Path
    names: dict
    sets: dict
    poses: bool
    notices: tuple = ()


def read_data_file(path, allow_outside=False):
    """Return the DataFile of `path`, data.yaml or the folder that it lies in.

    Raises:
        AnnotationError: one line with the file and the entry.
    """
    path = Path(path)
    path = path / "data.yaml" if kind_of(path) == "folder" else path
    content = _read_mapping(path)
    root, notices = _root(path, _text(path, content, "path"), allow_outside)
    sets = {name: _entries(path, content, name) for name in SETS}
    sets = {name: entries for name, entries in sets.items() if entries}
    if not sets:
        raise AnnotationError(f"{path}: there is no 'train', 'val' or 'test'. Name their folders")
    names = _names(path, content)
    return DataFile(path, root, names, sets, "kpt_shape" in content, notices)


def _read_mapping(path):
    content = read_content(path)
    if len(content) > MAX_YAML:
        raise AnnotationError(f"{path}: {len(content)} bytes are no data.yaml. Name that file")
    try:
        mapping = yaml.load(decoded(content, path), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise AnnotationError(f"{path}{line}: not YAML: {problem}. Mend the line") from None
    except RecursionError:
        raise AnnotationError(f"{path}: nested too deeply. Write the file anew") from None
    if not isinstance(mapping, dict):
        raise AnnotationError(f"{path}: not a data.yaml, which has 'names' and 'train'. Name that")
    return mapping


def _described(value):
    """Return a value quoted; lists and mappings by kind alone: aliases may make them endless."""
    return (
        shown(value) if isinstance(value, str) else {list: "a list"}.get(type(value), "a mapping")
    )


def _text(path, content, key):
    """Return the text under a key, "" where there is none."""
    value = content.get(key, "")
    if not isinstance(value, str) or (value and min(value) < " "):
        raise AnnotationError(f"{path}: {key!r} is {_described(value)}, not a path. Write one")
    return value.strip()


def _entries(path, content, key):
    """Return the folders or lists of a set; an empty list where there is none."""
    values = content.get(key, "")
    values = values if isinstance(values, list) else [values]
    return [text for text in (_text(path, {key: value}, key) for value in values) if text]


def _names(path, content):
    """Return {class number: name}, ascending."""
    names = content.get("names")
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if not isinstance(names, dict) or not names:
        raise AnnotationError(f"{path}: 'names' is no list of classes. Write names: [a, b, c]")
    found = {}
    for key, name in names.items():
        number = _number(key)
        if number is None or number in found:
            raise AnnotationError(
                f"{path}: names: {_described(key)} is no class number of its own. Number the "
                "classes 0, 1, 2, ..."
            )
        if not isinstance(name, str) or not name.strip() or min(name) < " ":
            raise AnnotationError(
                f"{path}: names: class {number} is called {_described(name)}. Give it a name"
            )
        found[number] = name.strip()
    count = content.get("nc", str(len(found)))
    if _number(count) != len(found):
        raise AnnotationError(
            f"{path}: nc is {_described(count)}, but there are {len(found)} names. Mend one of them"
        )
    return dict(sorted(found.items()))


def _number(text):
    if isinstance(text, str) and text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    return None


def _root(path, text, allow_outside):
    """Return (the folder that sets are relative to, notices)."""
    folder = path.parent
    root = folder / text
    if not text or kind_of(root) != "folder":
        gone = f"its path {shown(text)} is not there, so sets are looked for in {folder}"
        return folder, (gone,) if text else ()
    if not (allow_outside or lies_in(folder, root)):
        raise AnnotationError(
            f"{path}: path {shown(text)} leads out of the folder of data.yaml. Put data.yaml into "
            "the dataset's folder, or allow it (--allow-outside)"
        )
    return root, ()


def add_objects(rows, picture, path, labels, poses=False):
    """Add the boxes of a text file to `rows`, as shares of the picture's sides.

    Args:
        picture: its place in the dataset.
        labels: {class number: label}.
        poses: whether keypoints follow the box; without them, more numbers are a polygon's.
    """
    for line, text in read_lines(path):
        place, fields = f"{path}, line {line}:", text.split()
        where, number = f"{Path(path).name}, line {line}", _number(fields[0])
        if number not in labels:
            rows.add_unknown(fields[0], where, _unknown(fields[0], labels, place))
            continue
        if poses and len(fields) > BOX_FIELDS:
            fields = fields[:BOX_FIELDS]
        is_polygon = len(fields) >= MIN_POLYGON_FIELDS and len(fields) % 2
        if len(fields) != BOX_FIELDS and not is_polygon:
            raise AnnotationError(
                f"{place} {len(fields)} fields in place of {BOX_FIELDS}: class, centre x and y, "
                "width, height; or class and the corners of a polygon"
            )
        values = [_share(field, place) for field in fields[1:]]
        box = _around(values) if is_polygon else _corners(*values)
        rows.add(picture, box, labels[number], False, where)


def _unknown(text, labels, place):
    return AnnotationError(
        f"{place} {shown(text)} is not the number of a class, {min(labels)} to {max(labels)}. "
        "Mend it, or add the class to data.yaml"
    )


def _share(text, place):
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -SLACK <= value <= 1 + SLACK or "_" in text:
        raise AnnotationError(
            f"{place} {shown(text)} is not a share of the picture's side, from 0 to 1. Divide "
            "pixels by it"
        )
    return value


def _corners(x, y, width, height):
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def _around(values):
    return [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]
