"""Open Images: where each release keeps its files, its classes and their hierarchy."""

import csv
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keras_retinanet.preprocessing.annotation_files import read_json
from keras_retinanet.preprocessing.csv_text import located, numbered_rows, shown
from keras_retinanet.preprocessing.samples import AnnotationError


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
    "challenge2019": Release(
        "challenge2019",
        ("challenge-2019-classes-description-500.csv",),
        ("challenge-2019-{subset}-detection-bbox.csv",),
        "challenge-2019-label500-hierarchy.json",
    ),
}


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
            raise AnnotationError(f"{path}: {shown(str(node))} has no 'LabelName'. Name its class")
        if not isinstance(node.get("Subcategory", []), list):
            name = shown(node["LabelName"])
            raise AnnotationError(f"{path}: 'Subcategory' of {name} is no list. Write [...]")
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


def ancestors(hierarchy):
    """Return {class id: set of the ids above it}, of a tree in which one may stand more than once.

    Parts (a wheel of a car) are no kinds and do not count.
    """
    above, waiting = {}, [(hierarchy, frozenset())]
    while waiting:
        node, path = waiting.pop()
        name = node["LabelName"]
        above.setdefault(name, set()).update(path - {name})
        waiting += [(child, path | {name}) for child in node.get("Subcategory", [])]
    return above


def find_hierarchy_parent(hierarchy, parent_cls):
    """Return the tree below a class id, or None."""
    return next((node for node in _nodes(hierarchy) if node["LabelName"] == parent_cls), None)


def get_labels(metadata_dir, version="v4"):
    """Return ({label: class name}, {class id: label}), labels in the order of the files."""
    release = release_of(version)
    path = find_file(metadata_dir, release.classes)
    names = {}
    with csv_file_rows(path) as rows:
        for line, row in rows:
            if len(row) < 2 or not row[0] or not row[1].strip("'\""):
                raise AnnotationError(
                    f"line {line}: {shown(','.join(row))} is not 'class id,class name'. Write both"
                )
            if (line, row[0]) != (1, "LabelName"):
                names.setdefault(row[0], row[1].strip("'\""))
    order = release.order and Path(metadata_dir) / release.order
    if order and order.is_file():
        with csv_file_rows(order) as rows:
            names = {row[0]: _known(names, row[0], line, path.name) for line, row in rows}
    if not names:
        raise AnnotationError(f"{path}: there are no classes. Write 'class id,class name' a line")
    return dict(enumerate(names.values())), {key: label for label, key in enumerate(names)}


def _known(names, key, line, file):
    if key not in names:
        raise AnnotationError(f"line {line}: class {shown(key)} is not in {file}. Add it there")
    return names[key]


@contextmanager
def csv_file_rows(path):
    """Give (line, fields) of a file that may be larger than memory."""
    with located(path):
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                yield numbered_rows(csv.reader(file, skipinitialspace=True))
        except FileNotFoundError:
            raise AnnotationError("the file does not exist. Check the path") from None
        except UnicodeDecodeError:
            line, byte = _first_fault(path)
            raise AnnotationError(
                f"line {line}: byte 0x{byte:02x} is not UTF-8. Save the file as UTF-8"
            ) from None
        except OSError as error:
            raise AnnotationError(f"the file cannot be read ({error.strerror})") from None


def _first_fault(path):
    """Return (line, byte) of the first byte of a file that is not UTF-8."""
    with Path(path).open("rb") as file:
        for line, content in enumerate(file, start=1):
            try:
                content.decode("utf-8")
            except UnicodeDecodeError as error:
                return line, content[error.start]
    raise ValueError(f"{path}: the file changed while it was read. Try again")
