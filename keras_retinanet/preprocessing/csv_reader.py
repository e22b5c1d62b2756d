"""The parser of annotation files of rows `path,x1,y1,x2,y2,class`.

What is meant beyond doubt is accepted (BOM, CRLF, blank lines, spaces, quotes, float
coordinates, extra columns, a header); everything else is an `AnnotationError` that names file,
line and remedy. Line numbers are those of a text editor.
"""

import difflib
import warnings
from array import array

import numpy as np

from keras_retinanet.preprocessing.csv_classes import _read_classes, read_classes
from keras_retinanet.preprocessing.csv_plain import class_table, plain_rows
from keras_retinanet.preprocessing.csv_text import (
    BOM,
    PIECE,
    _parse,
    csv_rows_of_bytes,
    located,
    numbered_rows,
    pieces,
    read_checked,
    shown,
)
from keras_retinanet.preprocessing.samples import (
    AnnotationError,
    AnnotationWarning,
    FlatBox,
    Samples,
)

__all__ = [
    "MAX_COORDINATE",
    "_parse",
    "_read_classes",
    "parse_annotations",
    "read_classes",
    "read_samples",
]

ROW_FORMAT = "'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,'"
BOX_REMEDY = (
    "Write x1,y1,x2,y2 in pixels, or leave all five fields empty for an image without objects"
)
MAX_COORDINATE = 1e9  # pixels; more is a slip, and squares of it would leave float64's precision
COLUMNS = {  # names that a header may give to each column of an annotation file
    "path": ("path", "filename", "image", "img_file", "file_name", "image_path"),
    "x1": ("x1", "xmin"),
    "y1": ("y1", "ymin"),
    "x2": ("x2", "xmax"),
    "y2": ("y2", "ymax"),
    "class": ("class", "class_name", "label"),
}
_HEADER_NOTICE = "line 1: a header was found; the columns are taken by their names"
SMALL_PIECE = 1 << 15  # bytes; how much is read row by row where a piece is not plain


def read_samples(path, classes, left_out=None):
    """Return the Samples of an annotation file, or raise AnnotationError.

    Args:
        path: the annotation file.
        classes: {name: id}.
        left_out: see `parse_annotations`.
    """
    with located(path):
        samples, notices = _parse_content(read_checked(path), classes, left_out)
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
    rows = _Rows(classes, left_out)
    rows.read(reader)
    return rows.samples()


def _parse_content(content, classes, left_out):
    """Return the same of the bytes of a file, plain pieces of it by array operations.

    The first piece, which may have a header, is read row by row, and so is all from the first
    quote on: quoted fields may run over lines.
    """
    rows, start = _Rows(classes, left_out), len(BOM) if content.startswith(BOM) else 0
    quote = content.find(b'"')
    end = len(content) if quote < 0 else content.rfind(b"\n", start, quote) + 1 or start
    for piece in pieces(content, start, end, PIECE):
        rows.read_piece(content[slice(*piece)])
    if end < len(content):
        rows.read(csv_rows_of_bytes(content[end:]))
    del content  # it may be half of the memory
    return rows.samples()


class _Rows:
    """The rows of an annotation file, as they come in.

    Attributes:
        columns: places of path, x1, y1, x2, y2, class; None until the first row is read.
        line: number of the next line.
    """

    def __init__(self, classes, left_out=None):
        self.classes, self._table, self.left_out = classes, class_table(classes), left_out
        self.notices, self._indices, self._parts = [], {}, []
        self.columns, self.line = None, 1

    def read_piece(self, content):
        """Read whole lines, given as bytes without quotes."""
        plain = self.columns and plain_rows(content, self.columns, self._table, MAX_COORDINATE)
        if plain:
            places = [self._indices.setdefault(n, len(self._indices)) for n in plain.names]
            self._parts.append((np.array(places, np.int64)[plain.runs], plain.boxes, plain.labels))
            self.line += plain.lines
            return
        parts = list(pieces(content, 0, len(content), SMALL_PIECE))
        if len(parts) == 1:
            self.read(csv_rows_of_bytes(content))
            return
        for part in parts:
            self.read_piece(content[slice(*part)])

    def read(self, reader):
        """Read the rows of a csv reader one by one."""
        pictures, boxes, labels = array("q"), array("d"), array("i")
        for line, row in numbered_rows(reader, self.line):
            if self.columns is None:
                named = _header(line, row, COLUMNS)
                self.columns = named or list(range(6))
                if named:
                    self.notices.append(_HEADER_NOTICE)
                    continue
            fields = _pick(line, row, self.columns)
            index = self._indices.setdefault(fields[0], len(self._indices))
            if any(fields[1:]):
                box = _coordinates(line, fields[1:5])
                if self.left_out is None:
                    _refuse_flat(line, box, fields[1:5])
                label = _label(line, fields[5], self.classes)
                if box[2] <= box[0] or box[3] <= box[1]:
                    self.left_out.append(FlatBox(index, tuple(box), label, f"line {line}"))
                    continue
                pictures.append(index)
                boxes.extend(box)
                labels.append(label)
        self._parts.append((pictures, np.reshape(boxes, (-1, 4)), labels))
        self.line += reader.line_num

    def samples(self):
        """Return (Samples, notices)."""
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        samples, repeated = Samples.from_rows(self._indices, *columns).split_duplicates()
        dropped = len(repeated.labels)
        more = [f"{dropped} duplicate rows are left out"] if dropped else []
        if self.left_out is not None:
            self.left_out.append(repeated)
        return samples, self.notices + more


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
