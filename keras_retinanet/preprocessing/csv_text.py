"""From the bytes of a CSV file to numbered rows of stripped fields; nothing of their meaning."""

import csv
import io
from contextlib import contextmanager
from pathlib import Path

from keras_retinanet.preprocessing.samples import AnnotationError


def read_text(path):
    """Return the text of a UTF-8 file with or without BOM, or raise AnnotationError."""
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
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        guess = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "Latin-1 or Windows-1252"
        raise AnnotationError(
            f"line {line}: wrong encoding: byte 0x{content[error.start]:02x} is not UTF-8 "
            f"(the file looks like {guess}). Save it as UTF-8"
        ) from None
    if not text.strip(" \t\r\n,"):
        raise AnnotationError("the file holds nothing but blank lines. Write one row a line")
    return text


def csv_rows(text):
    """Return a csv reader over text."""
    return csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)


@contextmanager
def located(path):
    """Put the file's name in front of an AnnotationError."""
    try:
        yield
    except AnnotationError as error:
        mark = ", " if str(error).startswith("line ") else ": "
        raise AnnotationError(f"{path}{mark}{error}") from None


def numbered_rows(reader):
    """Yield (line number, stripped fields) of the rows that are not blank."""
    line = 1
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
        line = reader.line_num + 1


def shown(text):
    """Return text quoted, on one line, shortened."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
