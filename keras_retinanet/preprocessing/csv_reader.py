"""The parser of the CSV files: classes `name,id` and annotations `path,x1,y1,x2,y2,class`.

What is meant beyond doubt is accepted (BOM, CRLF, blank lines, spaces, quotes, float
coordinates, extra columns, a header); everything else is an `AnnotationError` that names file,
line and remedy. Line numbers are those of a text editor.
"""

import difflib
import warnings
from array import array

import numpy as np

from keras_retinanet.preprocessing.csv_text import (
    csv_rows,
    located,
    numbered_rows,
    read_text,
    shown,
)
from keras_retinanet.preprocessing.samples import (
    AnnotationError,
    AnnotationWarning,
    FlatBox,
    Samples,
)

CLASS_FORMAT = "'class_name,class_id'"
ROW_FORMAT = "'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,'"
BOX_REMEDY = (
    "Write x1,y1,x2,y2 in pixels, or leave all five fields empty for an image without objects"
)
MAX_COORDINATE = 1e9  # pixels; more is a slip, and squares of it would leave float64's precision
MAX_CLASS_ID = 65535  # the network gets an output for every id up to the largest
COLUMNS = {  # names that a header may give to each column of an annotation file
    "path": ("path", "filename", "image", "img_file", "file_name", "image_path"),
    "x1": ("x1", "xmin"),
    "y1": ("y1", "ymin"),
    "x2": ("x2", "xmax"),
    "y2": ("y2", "ymax"),
    "class": ("class", "class_name", "label"),
}
CLASS_COLUMNS = ({"class", "class_name", "name", "label"}, {"id", "class_id", "label_id", "index"})


def read_classes(path):
    """Return {name: id} of a class file, or raise AnnotationError."""
    with located(path):
        classes = _read_classes(csv_rows(read_text(path)))
        if not classes:
            raise AnnotationError(
                "line 1: there are no classes. Write one 'class_name,class_id' a line"
            )
    return classes


def read_samples(path, classes, left_out=None):
    """Return the Samples of an annotation file, or raise AnnotationError.

    Args:
        path: the annotation file.
        classes: {name: id}.
        left_out: see `parse_annotations`.
    """
    with located(path):
        samples, notices = parse_annotations(csv_rows(read_text(path)), classes, left_out)
        if not samples.paths:
            raise AnnotationError(f"line 1: there are no annotations. The format is {ROW_FORMAT}")
    for notice in notices if left_out is None else ():
        warnings.warn(f"{path}: {notice}", AnnotationWarning, stacklevel=3)
    return samples


def parse_annotations(reader, classes, left_out=None):
    """Return (Samples, notices: what was accepted but should be known) of a csv reader.

    Args:
        reader: csv.reader, whose rows may start with a header.
        classes: {name: id}.
        left_out: a list that gets the boxes without an area as FlatBoxes, which are refused
            otherwise, and at the end the Samples of the repeated rows.
    """
    notices, indices, columns = [], {}, range(6)
    pictures, boxes, labels = array("q"), array("d"), array("i")
    for number, (line, row) in enumerate(numbered_rows(reader)):
        if number == 0 and (named := _header(line, row, COLUMNS)):
            columns = named
            notices.append("line 1: a header was found; the columns are taken by their names")
            continue
        fields = _pick(line, row, columns)
        index = indices.setdefault(fields[0], len(indices))
        if any(fields[1:]):
            box = _coordinates(line, fields[1:5])
            if left_out is None:
                _refuse_flat(line, box, fields[1:5])
            label = _label(line, fields[5], classes)
            if box[2] <= box[0] or box[3] <= box[1]:
                left_out.append(FlatBox(index, tuple(box), label, f"line {line}"))
                continue
            pictures.append(index)
            boxes.extend(box)
            labels.append(label)
    samples, repeated = Samples.from_rows(indices, pictures, boxes, labels).split_duplicates()
    if len(repeated.labels):
        notices.append(f"{len(repeated.labels)} duplicate rows are left out")
    if left_out is not None:
        left_out.append(repeated)
    return samples, notices


def _read_classes(reader):
    """Return {name: id} of a csv reader; errors start with the line."""
    classes, lines = {}, {}
    for number, (line, row) in enumerate(numbered_rows(reader)):
        row = row[:2] if not any(row[2:]) else row  # spreadsheets append empty fields
        if number == 0 and len(row) == 2 and _is_class_header(row):
            continue
        if len(row) != 2 or not row[0]:
            raise AnnotationError(
                f"line {line}: format should be {CLASS_FORMAT}, found {shown(','.join(row))}. "
                "Give each class a name and a number from 0"
            )
        name, label = row[0], _parse(row[1], _class_id, f"line {line}: malformed class ID: {{}}")
        if name in classes:
            raise AnnotationError(
                f"line {line}: duplicate class name: {shown(name)}, already on line "
                f"{lines[classes[name]]}. Name each class once"
            )
        if label in lines:
            raise AnnotationError(
                f"line {line}: duplicate class ID: {label}, already on line {lines[label]}. "
                "Give each class its own number"
            )
        classes[name], lines[label] = label, line
    return classes


def _header(line, row, roles):
    """Return the column of each role if the row is a header, else None."""
    names = [field.lower() for field in row]
    found = {role: [i for i, name in enumerate(names) if name in roles[role]] for role in roles}
    if sum(bool(found[role]) for role in ("x1", "y1", "x2", "y2")) < 2:
        return None
    for role, places in found.items():
        if len(places) != 1:
            fault = f"no column for {role}" if not places else f"{len(places)} columns for {role}"
            raise AnnotationError(
                f"line {line}: the header {shown(','.join(row))} has {fault}. "
                f"Name exactly one column {' or '.join(roles[role])}"
            )
    return [places[0] for places in found.values()]


def _is_class_header(row):
    return all(field.lower() in names for field, names in zip(row, CLASS_COLUMNS, strict=True))


def _pick(line, row, columns):
    """Return path, x1, y1, x2, y2, class of a row."""
    if len(row) <= max(columns):
        marks = {";": "semicolons", "\t": "tabs"}
        hint = next((f", separated by {marks[m]}" for m in marks if m in row[0]), "")
        raise AnnotationError(
            f"line {line}: format should be {ROW_FORMAT}, found {len(row)} fields{hint}. "
            f"Write {max(columns) + 1} fields with commas between them"
        )
    fields = [row[column] for column in columns]
    if not fields[0]:
        raise AnnotationError(
            f"line {line}: format should be {ROW_FORMAT}, found no file name. Write the "
            "picture's path first"
        )
    return fields


def _coordinates(line, texts):
    """Return x1, y1, x2, y2 of four fields."""
    return [
        _parse(text, _pixels, f"line {line}: malformed {name}: {{}}")
        for name, text in zip(("x1", "y1", "x2", "y2"), texts, strict=True)
    ]


def _refuse_flat(line, box, texts):
    """Raise AnnotationError where a box has no area."""
    for axis, low, high in (("x", 0, 2), ("y", 1, 3)):
        if box[high] <= box[low]:
            raise AnnotationError(
                f"line {line}: {axis}2 ({texts[high]}) must be higher than {axis}1 "
                f"({texts[low]}). {BOX_REMEDY}"
            )


def _label(line, name, classes):
    """Return the id of a class name."""
    if name in classes:
        return classes[name]
    near = difflib.get_close_matches(name[:60], classes, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]!r}? " if near else ""
    known = ", ".join(list(classes)[:10]) + (", ..." if len(classes) > 10 else "")
    raise AnnotationError(
        f"line {line}: unknown class name: {shown(name)} (classes: {known}). {remedy}Mend the "
        "name, or add it to the class file"
    )


def _parse(value, function, fmt):
    """Return function(value); a ValueError becomes an AnnotationError fmt.format(error)."""
    try:
        return function(value)
    except ValueError as error:
        raise AnnotationError(fmt.format(error)) from None


def _pixels(text):
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not abs(value) <= MAX_COORDINATE or "_" in text:
        raise ValueError(
            f"{shown(text)} is not a finite number of pixels. {BOX_REMEDY}; a header must name "
            "its columns path,x1,y1,x2,y2,class"
        )
    return value


def _class_id(text):
    if not (text.isdecimal() and len(text) < 10 and int(text) <= MAX_CLASS_ID):
        raise ValueError(
            f"{shown(text)} is not a whole number from 0 to {MAX_CLASS_ID}. Number the classes "
            "0, 1, 2, ..."
        )
    return int(text)
