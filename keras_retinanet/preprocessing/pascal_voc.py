"""A dataset in Pascal VOC's format: a list of pictures, and an XML file for each."""

from collections.abc import Mapping
from pathlib import Path

from keras_retinanet.preprocessing.annotation_files import check_name, pixels, read_lines, read_xml
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.preprocessing.table import Rows, TableGenerator

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

_SIDES = ("xmin", "ymin", "xmax", "ymax")


class PascalVocGenerator(TableGenerator):
    """Pictures and boxes of a Pascal VOC set.

    Args:
        data_dir: has `ImageSets/Main/<set_name>.txt` (the first word of a line names a picture;
            lines of # are comments), `JPEGImages/` and `Annotations/<name>.xml`.
        set_name: such as "trainval".
        classes: {name: label}, or names in the order of their labels.
        image_extension: of the pictures' files.
        skip_truncated, skip_difficult: make boxes with that mark regions to ignore.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file and object.
        ImageError: names the pictures that cannot be used.
    """

    def __init__(
        self,
        data_dir,
        set_name,
        classes=voc_classes,
        image_extension=".jpg",
        skip_truncated=False,
        skip_difficult=False,
        **kwargs,
    ):
        self.data_dir = data_dir
        self.set_name = set_name
        self.image_extension = image_extension
        self.skip_truncated = skip_truncated
        self.skip_difficult = skip_difficult
        if not isinstance(classes, Mapping):
            classes = {name: label for label, name in enumerate(classes)}
        marks = {"truncated": skip_truncated, "difficult": skip_difficult}
        skipped = [mark for mark, skip in marks.items() if skip]
        names = read_image_set(data_dir, set_name)
        rows = Rows()
        for picture, name in enumerate(names):
            path = Path(data_dir) / "Annotations" / f"{name}.xml"
            add_objects(rows, picture, path, classes, skipped)
        table = rows.table([f"{name}{image_extension}" for name in names])
        super().__init__(table, classes, Path(data_dir) / "JPEGImages", data_dir, **kwargs)


def read_image_set(data_dir, set_name):
    """Return the names of a set's pictures, without extension."""
    folder = Path(data_dir) / "ImageSets" / "Main"
    path = folder / f"{set_name}.txt"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.txt"))[:20])
        raise AnnotationError(f"{path}: the file does not exist. Sets there: {known or 'none'}")
    lines = [(number, line.split()[0]) for number, line in read_lines(path) if line[0] != "#"]
    if not lines:
        raise AnnotationError(f"{path}: names no picture. Write one name a line")
    images = Path(data_dir) / "JPEGImages"
    names = (check_name(name, images, f"{path}, line {number}") for number, name in lines)
    return list(dict.fromkeys(names))


def add_objects(rows, picture, path, classes, skipped=()):
    """Add the objects of an XML file to `rows`.

    Args:
        picture: its place in the dataset.
        classes: {name: label}.
        skipped: marks, "truncated" or "difficult", whose objects are regions to ignore.
    """
    root = read_xml(path)
    if root.tag != "annotation":
        raise AnnotationError(
            f"{path}: begins with <{root.tag}>, not <annotation>. Export Pascal VOC files"
        )
    if (size := _stated_size(root)) is not None:
        rows.declared[picture] = size
    for number, element in enumerate(root.findall("object")):
        place = f"invalid annotations file: {path}: could not parse object #{number}:"
        name = _text(element, "name", place)
        if name not in classes:
            known = ", ".join(list(classes)[:20])
            raise AnnotationError(
                f"{place} class name {shown(name)} not found in classes: {known}. Mend the name, "
                "or give the classes of your dataset"
            )
        marked = [_mark(element, mark, place) for mark in ("truncated", "difficult")]
        ignored = any(mark in skipped for mark in marked)
        box = _box(element, place)
        rows.add(picture, box, classes[name], ignored, f"{Path(path).name}, object #{number}")


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
