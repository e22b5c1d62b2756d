"""From the bytes of a CSV file to numbered rows of stripped fields; nothing of their meaning."""

import csv
import io
import re
from contextlib import contextmanager
from pathlib import Path

from keras_retinanet.preprocessing.samples import AnnotationError

BOM = b"\xef\xbb\xbf"
PIECE = 1 << 20  # bytes; a piece and what is made of it fit the processor's cache
_VISIBLE = re.compile(rb"[^ \t\r\n,]")


def read_text(path):
    """Return the text of a UTF-8 file with or without BOM, or raise AnnotationError."""
    return read_checked(path).decode("utf-8-sig")


def read_checked(path):
    """Return the bytes of a UTF-8 file that is not blank, or raise AnnotationError."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise AnnotationError("the file does not exist. Check the path") from None
    except IsADirectoryError:
        raise AnnotationError("this is a folder. Name the CSV file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise AnnotationError(f"the file cannot be read ({error})") from None
    if not content:
        raise AnnotationError("the file is empty. Write one row a line")
    _check_encoding(content)
    if not _VISIBLE.search(content, len(BOM) if content.startswith(BOM) else 0):
        raise AnnotationError("the file holds nothing but blank lines. Write one row a line")
    return content


def _check_encoding(content):
    """Raise AnnotationError at the first byte that is not UTF-8, decoding a piece at a time."""
    for start, end in pieces(content, 0, len(content), PIECE):
        try:
            content[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            at = start + error.start
            line = content.count(b"\n", 0, at) + 1
            is_utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
            guess = "UTF-16" if is_utf_16 else "Latin-1 or Windows-1252"
            raise AnnotationError(
                f"line {line}: wrong encoding: byte 0x{content[at]:02x} is not UTF-8 "
                f"(the file looks like {guess}). Save it as UTF-8"
            ) from None


def pieces(content, start, end, size):
    """Yield (start, end) of whole lines of `content` from `start` to `end`, each `size` or more."""
    while start < end:
        stop = content.find(b"\n", min(start + size, end) - 1, end) + 1 or end
        yield start, stop
        start = stop


def csv_rows(text):
    """Return a csv reader over text."""
    return csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)


def csv_rows_of_bytes(content):
    """Return a csv reader over UTF-8 bytes; a StringIO would take 4 bytes a letter."""
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    return csv.reader(lines, skipinitialspace=True)


@contextmanager
def located(path):
    """Put the file's name in front of an AnnotationError."""
    try:
        yield
    except AnnotationError as error:
        mark = ", " if str(error).startswith("line ") else ": "
        raise AnnotationError(f"{path}{mark}{error}") from None


def numbered_rows(reader, line=1):
    """Yield (line number, stripped fields) of the rows that are not blank.

    Args:
        reader: csv reader.
        line: number of its first line.
    """
    before = line
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise AnnotationError(f"line {line}: not CSV: {error}. Save it as plain text") from None
        if row is None:
            return
        if any("\n" in field or "\r" in field or "\0" in field for field in row):
            raise AnnotationError(
                f"line {line}: a field holds a line break or NUL byte. Close its quote, or save "
                "the file as plain text"
            )
        row = [field.strip() for field in row]
        if any(row):
            yield line, row
        line = before + reader.line_num


def _parse(value, function, fmt):
    """Return function(value); a ValueError becomes an AnnotationError fmt.format(error)."""
    try:
        return function(value)
    except ValueError as error:
        raise AnnotationError(fmt.format(error)) from None


def shown(text):
    """Return text quoted, on one line, shortened."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
