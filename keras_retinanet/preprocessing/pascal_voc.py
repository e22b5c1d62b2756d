"""A dataset in Pascal VOC's format: a list of pictures, and an XML file for each."""

from collections.abc import Mapping
from pathlib import Path

from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.annotation_files import pixels, read_xml
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.pascal_layout import find_set, has_image_sets
from keras_retinanet.preprocessing.rows import Rows
from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.preprocessing.table import TableGenerator, ignored_labels

voc_classes = {
    "aeroplane": 0,
    "bicycle": 1,
    "bird": 2,
    "boat": 3,
    "bottle": 4,
    "bus": 5,
    "car": 6,
    "cat": 7,
    "chair": 8,
    "cow": 9,
    "diningtable": 10,
    "dog": 11,
    "horse": 12,
    "motorbike": 13,
    "person": 14,
    "pottedplant": 15,
    "sheep": 16,
    "sofa": 17,
    "train": 18,
    "tvmonitor": 19,
}

FROM_FILES = "auto"  # in place of a list of classes
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class PascalVocGenerator(TableGenerator):
    """Pictures and boxes of a Pascal VOC set, or of a folder of XML files.

    Args:
        data_dir: has `ImageSets/Main/<set_name>.txt` (the first word of a line names a picture;
            lines of # are comments), `JPEGImages/` and `Annotations/<name>.xml`; for what may
            take their place see `pascal_layout`.
        set_name: such as "trainval".
        classes: {name: label}, or names in the order of their labels; `FROM_FILES` for the names
            in all XML files, sorted. None for VOC's twenty where there are ImageSets, else
            `FROM_FILES`.
        image_extension: of the pictures' files.
        skip_truncated, skip_difficult: make boxes with that mark regions to ignore.
        ignore_classes: names of classes whose boxes are regions to ignore; they have no label.
        allow_outside: whether lists may name pictures outside of the dataset's folder.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file and object.
        ImageError: names the pictures that cannot be used.
    """

    box_form = box_forms.PASCAL

    def __init__(
        self,
        data_dir,
        set_name,
        classes=None,
        image_extension=".jpg",
        skip_truncated=False,
        skip_difficult=False,
        ignore_classes=(),
        allow_outside=False,
        **kwargs,
    ):
        self.data_dir = data_dir
        self.set_name = set_name
        self.image_extension = image_extension
        self.skip_truncated = skip_truncated
        self.skip_difficult = skip_difficult
        files = find_set(data_dir, set_name, image_extension, allow_outside)
        ignored = ignored_labels(ignore_classes)
        classes = _classes(classes, files.every_annotation, has_image_sets(data_dir), ignored)
        marks = {"truncated": skip_truncated, "difficult": skip_difficult}
        skipped = [mark for mark, skip in marks.items() if skip]
        rows = Rows.of_options(kwargs)
        for picture, path in enumerate(files.annotations):
            add_objects(rows, picture, path, {**classes, **ignored}, skipped)
        table = rows.table(files.image_names, files.notices, ignore_classes)
        super().__init__(table, classes, files.image_folder, data_dir, **kwargs)


def _classes(classes, annotations, listed, ignored):
    """Return {name: label} of the classes less those to ignore; a mapping keeps its labels."""
    if classes is None:
        classes = list(voc_classes) if listed else FROM_FILES
    if isinstance(classes, str) and classes == FROM_FILES:
        classes = read_class_names(annotations)
    if isinstance(classes, Mapping):
        return {name: label for name, label in classes.items() if name not in ignored}
    return {
        name: label for label, name in enumerate(name for name in classes if name not in ignored)
    }


def read_class_names(paths):
    """Return the names of the objects in XML files, sorted."""
    roots = ((path, read_annotation(path)) for path in paths)
    return sorted(
        {_text(element, "name", place) for root in roots for element, place in _objects(*root)}
    )


def add_objects(rows, picture, path, classes, skipped=()):
    """Add the objects of an XML file to `rows`.

    Args:
        picture: its place in the dataset.
        classes: {name: label}.
        skipped: marks, "truncated" or "difficult", whose objects are regions to ignore.
    """
    root = read_annotation(path)
    if (size := _stated_size(root)) is not None:
        rows.declared[picture] = size
    for number, (element, place) in enumerate(_objects(path, root)):
        name, where = _text(element, "name", place), f"{Path(path).name}, object #{number}"
        if name not in classes:
            rows.add_unknown(name, where, _unknown(name, classes, place))
            continue
        marked = [_mark(element, mark, place) for mark in ("truncated", "difficult")]
        ignored = any(mark in skipped for mark in marked)
        box = _box(element, place)
        rows.add(picture, box, classes[name], ignored, where)


def _unknown(name, classes, place):
    known = ", ".join(list(classes)[:20])
    return AnnotationError(
        f"{place} class name {shown(name)} not found in classes: {known}. Mend the name, or give "
        "the classes of your dataset (--classes)"
    )


def read_annotation(path):
    """Return the root of a VOC file."""
    root = read_xml(path)
    if root.tag != "annotation":
        raise AnnotationError(
            f"{path}: begins with {shown(root.tag)}, not 'annotation'. Export Pascal VOC files"
        )
    return root


def _objects(path, root):
    """Yield (element, place for messages) of each object."""
    for number, element in enumerate(root.findall("object")):
        yield element, f"invalid annotations file: {path}: could not parse object #{number}:"


def _stated_size(root):
    """Return (height, width) of an annotation; None where it states none: nothing needs it."""
    texts = [(root.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    whole = all(text.isdecimal() and 0 < len(text) < 9 for text in texts)
    return tuple(map(int, texts)) if whole else None


def _text(element, name, place):
    """Return the stripped text of a child that must be there."""
    text = (element.findtext(name) or "").strip()
    if not text:
        raise AnnotationError(f"{place} missing element {name!r}. Add it, or delete the object")
    return text


def _mark(element, name, place):
    """Return `name` if the object has that mark; a missing or empty one means no."""
    text = (element.findtext(name) or "0").strip() or "0"
    if text not in ("0", "1"):
        raise AnnotationError(f"{place} illegal value for {name!r}: {shown(text)}. Write 0 or 1")
    return name if text == "1" else None


def _box(element, place):
    """Return (x1, y1, x2, y2) counted from 0, as 1.0 does: each coordinate less 1.

    VOC counts pixels from 1. Tools that count from 0 write 0 at the border, which stays 0.
    """
    bounds = element.find("bndbox")
    if bounds is None:
        raise AnnotationError(f"{place} missing element 'bndbox'. Add it, or delete the object")
    texts = [_text(bounds, side, place) for side in _SIDES]
    values = [
        pixels(text, f"{place} illegal value for {side!r}:")
        for side, text in zip(_SIDES, texts, strict=True)
    ]
    return [max(value - 1, 0.0) if value >= 0 else value - 1 for value in values]
