"""A dataset in KITTI's format: a text file of boxes for each picture."""

import difflib
from pathlib import Path

from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.annotation_files import pixels, read_lines
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.rows import Rows
from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.preprocessing.table import ANY_CLASS, TableGenerator, ignored_labels

kitti_classes = {
    "Car": 0,
    "Van": 1,
    "Truck": 2,
    "Pedestrian": 3,
    "Person_sitting": 4,
    "Cyclist": 5,
    "Tram": 6,
    "Misc": 7,
}

DONT_CARE = "DontCare"  # marks regions that were not labelled; no class
FIELDS = (15, 16)  # of a line; the last is a detector's score
EXTENSIONS = (".png", ".jpg", ".jpeg")  # the first that is there
_SIDES = {"left": 4, "top": 5, "right": 6, "bottom": 7}


class KittiGenerator(TableGenerator):
    """Pictures and boxes of a KITTI set, in the order of their names.

    Args:
        base_dir: has `<subset>/labels/*.txt` and `<subset>/images/<same name>.png`; KITTI's own
            names `label_2` and `image_2` are understood, too.
        subset: such as "train".
        ignore_classes: types, KITTI's or others, whose boxes are regions to ignore; they have no
            label.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file and line.
        ImageError: names the pictures that cannot be used.
    """

    box_form = box_forms.KITTI

    def __init__(self, base_dir, subset="train", ignore_classes=(), **kwargs):
        self.base_dir = base_dir
        self.subset = subset
        folder = Path(base_dir) / subset
        labels = _folder(folder, ("labels", "label_2"))
        images = _folder(folder, ("images", "image_2"))
        files = sorted(labels.glob("*.txt"))
        if not files:
            raise AnnotationError(f"{labels}: there are no label files. Put them there as *.txt")
        there = {path.name for path in images.iterdir()}
        ignored = ignored_labels(ignore_classes)
        left = [name for name in kitti_classes if name not in ignored]
        classes = {name: label for label, name in enumerate(left)}
        rows, known = Rows.of_options(kwargs), {**classes, **ignored}
        for picture, path in enumerate(files):
            add_objects(rows, picture, path, known)
        names = [_image_name(path.stem, there) for path in files]
        table = rows.table(names, ignore_classes=ignore_classes)
        super().__init__(table, classes, images, folder, **kwargs)


def add_objects(rows, picture, path, classes=kitti_classes):
    """Add the boxes of a label file to `rows`; regions of DontCare as regions to ignore."""
    for line, text in read_lines(path):
        fields, place = text.split(), f"{path}, line {line}:"
        if len(fields) not in FIELDS:
            raise AnnotationError(
                f"{place} {len(fields)} fields in place of {FIELDS[0]}: type, truncated, "
                "occluded, alpha, left, top, right, bottom and seven numbers in space"
            )
        box = [pixels(fields[at], f"{place} {side}") for side, at in _SIDES.items()]
        name, where = fields[0], f"{Path(path).name}, line {line}"
        if name not in classes and name != DONT_CARE:
            rows.add_unknown(name, where, _unknown(name, classes, place))
            continue
        rows.add(picture, box, classes.get(name, ANY_CLASS), name == DONT_CARE, where)


def _unknown(name, classes, place):
    near = difflib.get_close_matches(name[:60], classes, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return AnnotationError(
        f"{place} unknown type {shown(name)}. {hint}Types: {', '.join(classes)}, {DONT_CARE}"
    )


def _folder(folder, names):
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    raise AnnotationError(
        f"{folder}: has no folder {names[0]!r}. Put the set's files into {folder / names[0]}"
    )


def _image_name(stem, there):
    """Return the name of a label file's picture among the names `there`."""
    names = [stem + extension for extension in EXTENSIONS]
    return next((name for name in names if name in there), names[0])
