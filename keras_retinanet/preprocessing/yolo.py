"""A dataset in YOLO's format: `data.yaml`, pictures, and a text file of boxes beside each.

The text files lie in a folder `labels` that stands where the pictures' path has `images`, or
beside the pictures where it has none.
"""

import os
from pathlib import Path

from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.annotation_files import kind_of, lies_in, read_lines
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.rows import Rows
from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.preprocessing.shares import ShareTableGenerator
from keras_retinanet.preprocessing.table import ignored_labels
from keras_retinanet.preprocessing.yolo_files import add_objects, read_data_file

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # in folders
UP = "../"  # Roboflow writes ../train/images for what lies in train/images


class YoloGenerator(ShareTableGenerator):
    """Pictures and boxes of a YOLO set.

    Labels number the classes of data.yaml in the order of their numbers. Polygons count as the
    boxes around them; pictures without a text file are background.

    Args:
        data_file: data.yaml, or the folder that it lies in.
        set_name: "train", "val" or "test".
        ignore_classes: names of classes whose boxes are regions to ignore; they have no label.
        allow_outside: whether pictures may lie outside of data.yaml's folder.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file and line.
        ImageError: names the pictures that cannot be used.
    """

    box_form = box_forms.YOLO

    def __init__(self, data_file, set_name, ignore_classes=(), allow_outside=False, **kwargs):
        self.set_name = set_name
        self.data = read_data_file(data_file, allow_outside)
        ignored = ignored_labels(ignore_classes)
        kept = [number for number, name in self.data.names.items() if name not in ignored]
        labels = {number: ignored.get(name) for number, name in self.data.names.items()}
        labels |= {number: label for label, number in enumerate(kept)}
        classes = [(self.data.names[number], labels[number]) for number in kept]
        folder = self.data.path.parent
        pictures = find_pictures(self.data, set_name, allow_outside)
        rows = Rows.of_options(kwargs)
        table = _table(self.data, rows, pictures, labels, ignore_classes)
        super().__init__(table, classes, folder, self.data.path, **kwargs)


def find_pictures(data, set_name, allow_outside=False):
    """Return the paths of a set's pictures, as they are listed or sorted by name, each once."""
    if set_name not in data.sets:
        known = ", ".join(data.sets)
        raise AnnotationError(
            f"{data.path}: has no set {shown(set_name)}. Sets there: {known}. Name one"
        )
    found = []
    for entry in data.sets[set_name]:
        place = _located(data, entry, set_name, allow_outside)
        is_folder = kind_of(place) == "folder"
        found += _in_folder(place) if is_folder else _in_list(data, place, allow_outside)
    if not found:
        raise AnnotationError(
            f"{data.path}: {set_name} {shown(entry)} holds no picture. Put some there: "
            f"{', '.join(EXTENSIONS)}"
        )
    return list(dict.fromkeys(found))


def _located(data, entry, set_name, allow_outside):
    """Return the folder or list that an entry of data.yaml means."""
    inside = entry
    while inside.startswith(UP):
        inside = inside.removeprefix(UP)
    folder, place = data.path.parent, data.root / entry
    places = [place, data.root / inside]
    allowed = [each for each in places if allow_outside or lies_in(folder, each)]
    there = [each for each in allowed if kind_of(each)]
    if there:
        return there[0]
    if kind_of(place):
        raise AnnotationError(
            f"{data.path}: {set_name} {shown(entry)} leads out of the folder of data.yaml. Move it "
            "there, or allow it (--allow-outside)"
        )
    raise AnnotationError(
        f"{data.path}: {set_name} {shown(entry)} is neither a folder nor a list of pictures. "
        f"Put it to {' or '.join(dict.fromkeys(map(str, places)))}"
    )


def _in_folder(folder):
    return sorted(
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(EXTENSIONS)
    )


def _in_list(data, path, allow_outside):
    """Return the pictures of a list, relative to it or to the dataset's root."""
    if path.suffix != ".txt":
        raise AnnotationError(f"{path}: neither a folder nor a list *.txt of pictures. Name one")
    pictures = []
    for line, text in read_lines(path):
        if min(text) < " " or not Path(text).name:
            raise AnnotationError(
                f"{path}, line {line}: {shown(text)} is not the name of a picture"
            )
        places = [path.parent / text, data.root / text]
        place = next((each for each in places if kind_of(each) == "file"), places[0])
        if not (allow_outside or lies_in(data.path.parent, place)):
            raise AnnotationError(
                f"{path}, line {line}: {shown(text)} leads out of the folder of data.yaml. Move "
                "the picture there, or allow it (--allow-outside)"
            )
        pictures.append(place)
    return pictures


def label_path(data, picture):
    """Return the text file of a picture; folders above the dataset may be called images, too."""
    bases = (data.path.parent, data.root.parent)
    base = next((each for each in bases if lies_in(each, picture)), Path(picture.anchor))
    parts = list(Path(os.path.relpath(picture, base)).parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return (base / Path(*parts)).with_suffix(".txt")


def _table(data, rows, pictures, labels, ignore_classes):
    """Return the Table of pictures, read into empty `rows`; names are relative to data.yaml."""
    folder, without = data.path.parent, 0
    for index, picture in enumerate(pictures):
        path = label_path(data, picture)
        if kind_of(path) == "file":
            add_objects(rows, index, path, labels, data.poses)
        else:
            without += 1
    if without == len(pictures):
        raise AnnotationError(
            f"{data.path}: none of {without} pictures has a text file of boxes. Put that of the "
            f"first to {label_path(data, pictures[0])}"
        )
    background = f"pictures without a text file count as background: {without} of {len(pictures)}"
    notices = (*data.notices, *((background,) if without else ()))
    return rows.table([_name(folder, path) for path in pictures], notices, ignore_classes)


def _name(folder, path):
    """Return a picture's path relative to a folder, absolute where it lies elsewhere."""
    return (
        os.path.relpath(path, folder)
        if lies_in(folder, path)
        else os.path.normpath(path.absolute())
    )
