"""The parser of annotation files of rows `path,x1,y1,x2,y2,class`.

What is meant beyond doubt is accepted (BOM, CRLF, blank lines, spaces, quotes, float
coordinates, extra columns, a header); everything else is an `AnnotationError` that names file,
line and remedy. Line numbers are those of a text editor.
"""

import difflib
import warnings
from array import array
from itertools import repeat

import numpy as np

from keras_retinanet.preprocessing.csv_classes import _read_classes, read_classes
from keras_retinanet.preprocessing.csv_columns import (
    COLUMNS,
    ROW_FORMAT,
    columns_of_header,
    pick,
    sides,
    size_fields,
)
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

BOX_REMEDY = (
    "Write x1,y1,x2,y2 in pixels, or leave all five fields empty for an image without objects"
)
MAX_COORDINATE = 1e9  # pixels; more is a slip, and squares of it would leave float64's precision
_HEADER_NOTICE = "line 1: a header was found; the columns are taken by their names"
SMALL_PIECE = 1 << 15  # bytes; how much is read row by row where a piece is not plain


def read_samples(path, classes, left_out=None, sizes=None):
    """Return the Samples of an annotation file, or raise AnnotationError.

    Args:
        path: the annotation file.
        classes: {name: id}.
        left_out: see `parse_annotations`.
        sizes: a list that gets the heights and widths [pictures, 2] that the file states, if it
            has columns for them; 0 where it does not.
    """
    with located(path):
        rows = _parse_content(read_checked(path), classes, left_out)
        samples, notices = rows.samples()
        if not samples.paths:
            raise AnnotationError(f"line 1: there are no annotations. The format is {ROW_FORMAT}")
    if sizes is not None and len(rows.sizes):
        sizes.append(np.reshape(rows.sizes, (-1, 2)))
    for notice in notices if left_out is None else ():
        warnings.warn(f"{path}: {notice}", AnnotationWarning, stacklevel=3)
    return samples


def parse_annotations(reader, classes, left_out=None):
    """Return (Samples, notices: what was accepted but should be known) of a csv reader.

    Args:
        reader: csv.reader, whose rows may start with a header.
        classes: {name: id}.
        left_out: a LeftOut that gets what is left out; without it, boxes without an area and
            unknown names are refused.
    """
    rows = _Rows(classes, left_out)
    rows.read(reader)
    return rows.samples()


def _parse_content(content, classes, left_out):
    """Return the _Rows of the bytes of a file, plain pieces of it read by array operations.

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
    return rows


class _Rows:
    """The rows of an annotation file, as they come in.

    Attributes:
        columns: places of path, x1, y1, x2, y2, class, and of height and width where a header
            has them; None until the first row is read.
        sizes: height, width of each picture where its first row states them, else 0; flat.
        line: number of the next line.
    """

    def __init__(self, classes, left_out=None):
        self.classes, self._table, self.left_out = classes, class_table(classes), left_out
        self.notices, self._indices, self._parts, self.sizes = [], {}, [], array("q")
        self.columns, self.line = None, 1

    def read_piece(self, content):
        """Read whole lines, given as bytes without quotes."""
        plain = self.columns and plain_rows(content, self.columns, self._table, MAX_COORDINATE)
        if plain:
            places = list(map(self._picture, plain.names, plain.sizes or repeat(())))
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
                named = columns_of_header(line, row)
                self.columns = named or list(range(len(COLUMNS)))
                if named:
                    self.notices.append(_HEADER_NOTICE)
                    continue
            fields = pick(line, row, self.columns)
            index = self._picture(fields[0], size_fields(row, self.columns))
            if any(fields[1:]):
                box = _coordinates(line, fields[1:5])
                if self.left_out is None:
                    _refuse_flat(line, box, fields[1:5])
                    _refuse_unknown(line, fields[5], self.classes)
                label = self.classes.get(fields[5])
                if self._leave_out(index, box, label, fields[5], line):
                    continue
                pictures.append(index)
                boxes.extend(box)
                labels.append(label)
        self._parts.append((pictures, np.reshape(boxes, (-1, 4)), labels))
        self.line += reader.line_num

    def _leave_out(self, picture, box, label, name, line):
        """Return whether a box cannot be used, and note it."""
        if label is None:
            self.left_out.unknown.add(name, f"line {line}")
        elif box[2] <= box[0] or box[3] <= box[1]:
            self.left_out.flat.append(FlatBox(picture, tuple(box), label, f"line {line}"))
        else:
            return False
        return True

    def _picture(self, name, size):
        """Return the place of a picture; of a new one, keep what its first row says of its size."""
        index = self._indices.setdefault(name, len(self._indices))
        if 2 * index == len(self.sizes):
            self.sizes.extend(sides(size))
        return index

    def samples(self):
        """Return (Samples, notices)."""
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        samples, repeated = Samples.from_rows(self._indices, *columns).split_duplicates()
        dropped = len(repeated.labels)
        more = [f"{dropped} duplicate rows are left out"] if dropped else []
        if self.left_out is not None:
            self.left_out.repeated = repeated
        return samples, self.notices + more


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


def _refuse_unknown(line, name, classes):
    """Raise AnnotationError where a name is no class."""
    if name in classes:
        return
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
