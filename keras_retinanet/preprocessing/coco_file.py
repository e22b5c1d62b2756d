"""The parser of COCO's annotation files: pictures, categories and boxes, in arrays.

Only what boxes need is kept; masks, which are most of a file, are dropped. Reading needs no
pycocotools.
"""

from array import array
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keras_retinanet.preprocessing.annotation_files import check_name, read_content, read_json
from keras_retinanet.preprocessing.coco_stream import damage, stream
from keras_retinanet.preprocessing.csv_reader import MAX_COORDINATE
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError

_KEYS = ("image_id", "category_id", "bbox")
_NUMBERS = (int, float)
LARGE = 1 << 26  # bytes; `json` takes 7 times a file's size, and 0.1 s a megabyte


@dataclass(frozen=True)
class CocoFile:
    """A COCO annotation file.

    Attributes:
        image_ids: of the pictures, in the file's order.
        file_names: of the pictures.
        categories: {category id: name}, ids ascending.
        numbers: [T] int64, place of each box among the file's annotations.
        pictures: [T] int64, place of its picture.
        category_ids: [T] int64.
        boxes: [T, 4] float64, (x, y, width, height) in pixels.
        areas: [T] float64, square pixels: of the mask where the file has one.
        crowd: [T] bool, whether the box stands for a crowd of objects.
        strays: number of annotations left out since their picture is not in the file.
        sizes: [pictures, 2] int64, height and width as the file states them, 0 where it does not.
    """

    image_ids: tuple
    file_names: tuple
    categories: dict
    numbers: np.ndarray
    pictures: np.ndarray
    category_ids: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    strays: int
    sizes: np.ndarray = None

    @cached_property
    def dataset(self):
        """The content of the file as pycocotools' COCO has it, crowds included, less masks."""
        columns = (self.pictures, self.category_ids, self.boxes, self.areas, self.crowd)
        return {
            "images": [
                {"id": image_id, "file_name": name}
                for image_id, name in zip(self.image_ids, self.file_names, strict=True)
            ],
            "categories": [{"id": key, "name": name} for key, name in self.categories.items()],
            "annotations": [
                {
                    "id": number,
                    "image_id": self.image_ids[picture],
                    "category_id": category,
                    "bbox": box,
                    "area": area,
                    "iscrowd": int(crowd),
                }
                for number, (picture, category, box, area, crowd) in enumerate(
                    zip(*(column.tolist() for column in columns), strict=True), start=1
                )
            ],
        }


def read_coco_file(path, image_folder):
    """Return the CocoFile of `path`, whose pictures lie in `image_folder`.

    Raises:
        AnnotationError: one line with the file and the entry.
    """
    found = stream(read_content(path))
    return (found and _sound(path, found, image_folder)) or _read_slowly(path, image_folder)


def _sound(path, found, image_folder):
    """Return the CocoFile of a `Content`, or None if an annotation of it cannot be used."""
    if not found.images or not found.categories:
        return None
    names = _file_names(path, found.images, image_folder)
    kinds = _categories(path, found.categories)
    numbers = np.flatnonzero(found.pictures >= 0)
    values = found.values[numbers]
    if _bad(values).any() or not np.isin(found.category_ids[numbers], list(kinds)).all():
        return None
    columns = (numbers, found.pictures[numbers], found.category_ids[numbers])
    shapes = (values[:, :4].copy(), values[:, 4].copy(), found.crowd[numbers])
    strays = len(found.pictures) - len(numbers)
    found = (*columns, *shapes, strays, _sizes(found.images))
    return CocoFile(tuple(names), tuple(names.values()), kinds, *found)


def _refuse_damaged(path):
    """Raise AnnotationError where a large file is no JSON at all: seconds instead of minutes."""
    content = read_content(path)
    fault = damage(content) if len(content) >= LARGE else None
    if fault:
        line = content.count(b"\n", 0, fault[0]) + 1
        column = fault[0] - content.rfind(b"\n", 0, fault[0])
        raise AnnotationError(
            f"{path}, line {line}: not JSON: {fault[1]}, at column {column}. Copy the file again, "
            "or export the annotations again"
        )


def _read_slowly(path, image_folder):
    _refuse_damaged(path)
    content = read_json(path)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: not a COCO file: no 'images', 'annotations', 'categories'")
    images, categories, annotations = (
        _entries(path, content, key) for key in ("images", "categories", "annotations")
    )
    images = [
        [image.get(key) for key in ("id", "file_name", "height", "width")] for image in images
    ]
    names = _file_names(path, images, image_folder)
    kinds = _categories(path, categories)
    return CocoFile(
        tuple(names),
        tuple(names.values()),
        kinds,
        *_boxes(path, annotations, names, kinds),
        sizes=_sizes(images),
    )


def _entries(path, content, key):
    entries = content.get(key)
    if not isinstance(entries, list) or (not entries and key != "annotations"):
        fault = f"there is no list {key!r}" if entries != [] else f"the list {key!r} is empty"
        raise AnnotationError(f"{path}: not a COCO file of boxes: {fault}")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise AnnotationError(f"{path}: {key}[{number}] is {shown(str(entry))}, not an object")
    return entries


def _file_names(path, images, image_folder):
    """Return {image id: file name} of [(id, file name, …)]."""
    names = {}
    for number, (key, name, *_) in enumerate(images):
        place = f"{path}: images[{number}]"
        if type(key) not in (int, str):
            raise AnnotationError(f"{place} has no 'id' that is a number: {shown(str(key))}")
        if key in names:
            raise AnnotationError(f"{place} repeats the id {key!r}. Give each picture its own")
        names[key] = check_name(name, image_folder, f"{place}: file_name")
    return names


def _sizes(images):
    """Return the heights and widths [pictures, 2] that a file states; nothing else needs them."""
    sides = [
        [side if type(side) in _NUMBERS and 0 < side < MAX_COORDINATE else 0 for side in image[2:]]
        for image in images
    ]
    return np.array(sides, np.float64).reshape(-1, 2).astype(np.int64)


def _categories(path, categories):
    """Return {category id: name}, ids ascending."""
    found = {}
    for number, category in enumerate(categories):
        place = f"{path}: categories[{number}]"
        key, name = category.get("id"), category.get("name")
        if type(key) is not int:
            raise AnnotationError(f"{place} has no 'id' that is a whole number: {shown(str(key))}")
        if key in found:
            raise AnnotationError(f"{place} repeats the id {key}. Give each category its own")
        if not isinstance(name, str) or not name:
            raise AnnotationError(f"{place} has no 'name': {shown(str(name))}")
        found[key] = name
    return dict(sorted(found.items()))


def _boxes(path, annotations, names, categories):
    """Return the columns from `CocoFile.numbers` on."""
    places = {key: place for place, key in enumerate(names)}
    numbers, pictures, kinds = array("q"), array("q"), array("q")
    values, crowd, strays = array("d"), array("b"), 0  # x, y, width, height, area
    for number, annotation in enumerate(annotations):
        try:
            picture, kind = places.get(annotation["image_id"]), annotation["category_id"]
            x, y, width, height = annotation["bbox"]
            if picture is None:
                strays += 1
                continue
            if kind not in categories:
                raise ValueError
            area = annotation.get("area")
            values.extend((x, y, width, height, width * height if area is None else area))
            kinds.append(kind)
            crowd.append(annotation.get("iscrowd", 0) in (1, True))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise AnnotationError(_fault(path, number, annotation, categories)) from None
        numbers.append(number)
        pictures.append(picture)
    table = np.array(values, np.float64).reshape(-1, 5)
    bad = _bad(table)
    if bad.any():
        number = numbers[int(bad.argmax())]
        raise AnnotationError(_fault(path, number, annotations[number], categories))
    columns = (np.array(column, np.int64) for column in (numbers, pictures, kinds))
    return *columns, table[:, :4].copy(), table[:, 4].copy(), np.array(crowd, bool), strays


def _bad(values):
    """Return which rows of x, y, width, height, area [T, 5] cannot be used."""
    return ~(np.abs(values[:, :4]) <= MAX_COORDINATE).all(axis=1) | ~np.isfinite(values[:, 4])


def _fault(path, number, annotation, categories):
    """Return the message about an annotation that cannot be used."""
    place = f"{path}: annotations[{number}] (id {shown(str(annotation.get('id')))})"
    missing = [key for key in _KEYS if key not in annotation]
    if missing:
        return f"{place} has no {missing[0]!r}. Export the file with boxes"
    kind = annotation["category_id"]
    if not isinstance(kind, int) or kind not in categories:
        return f"{place}: unknown category_id {shown(str(kind))}. Add it to 'categories'"
    box = annotation["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(type(v) in _NUMBERS for v in box)):
        return f"{place}: bbox {shown(str(box))} is not [x, y, width, height] in pixels"
    if not all(abs(value) <= MAX_COORDINATE for value in box):
        return f"{place}: bbox {shown(str(box))} has a number that is not finite or too large"
    if type(annotation["image_id"]) not in (int, str):
        return f"{place}: image_id {shown(str(annotation['image_id']))} is no id"
    return f"{place}: area {shown(str(annotation.get('area')))} is not a finite number"
