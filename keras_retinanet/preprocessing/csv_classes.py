"""The parser of class files of rows `name,id`."""

import warnings

from keras_retinanet.preprocessing.csv_text import (
    _parse,
    csv_rows,
    located,
    numbered_rows,
    read_text,
    shown,
)
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning

CLASS_FORMAT = "'class_name,class_id'"
MAX_CLASS_ID = 65535  # the network gets an output for every id up to the largest
CLASS_COLUMNS = ({"class", "class_name", "name", "label"}, {"id", "class_id", "label_id", "index"})


def read_classes(path):
    """Return {name: id} of a class file, or raise AnnotationError."""
    notices = []
    with located(path):
        classes = _read_classes(csv_rows(read_text(path)), notices.append)
        if not classes:
            raise AnnotationError(
                "line 1: there are no classes. Write one 'class_name,class_id' a line"
            )
    for notice in notices:
        warnings.warn(f"{path}: {notice}", AnnotationWarning, stacklevel=3)
    return classes


def _read_classes(reader, notify=lambda notice: None):
    """Return {name: id} of a csv reader; errors start with the line.

    Args:
        reader: csv.reader.
        notify: gets what was accepted but should be known.
    """
    classes, lines = {}, {}
    for number, (line, row) in enumerate(numbered_rows(reader)):
        row = row[:2] if not any(row[2:]) else row  # spreadsheets append empty fields
        if number == 0 and len(row) == 2 and _is_class_header(row):
            notify(f"line {line}: {shown(','.join(row))} is taken for a header")
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


def _is_class_header(row):
    return all(field.lower() in names for field, names in zip(row, CLASS_COLUMNS, strict=True))


def _class_id(text):
    if not (text.isdecimal() and len(text) < 10 and int(text) <= MAX_CLASS_ID):
        raise ValueError(
            f"{shown(text)} is not a whole number from 0 to {MAX_CLASS_ID}. Number the classes "
            "0, 1, 2, ..."
        )
    return int(text)
