"""Annotation files of any format, read whole; nothing in them is trusted.

Every fault is an `AnnotationError` of one line that begins with the file and, where there are
lines, names the line.
"""

import json
import os
import re
import stat
from pathlib import Path
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

from keras_retinanet.preprocessing.csv_reader import MAX_COORDINATE
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError

_SEPARATOR = re.compile(r"[/\\]")


def read_content(path):
    """Return the bytes of a file."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise AnnotationError(f"{path}: the file does not exist. Check the path") from None
    except IsADirectoryError:
        raise AnnotationError(f"{path}: this is a folder. Name a file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise AnnotationError(f"{path}: the file cannot be read ({error})") from None


def decoded(content, path):
    """Return the text of a file's bytes, UTF-8 with or without BOM."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise AnnotationError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8. "
            "Save the file as UTF-8"
        ) from None


def read_lines(path):
    """Return [(line number, stripped text)] of a UTF-8 file, less blank lines."""
    text = decoded(read_content(path), path)
    lines = enumerate(text.split("\n"), start=1)  # as editors count; splitlines knows more marks
    return [(number, line.strip()) for number, line in lines if line.strip()]


def read_json(path):
    """Return what a JSON file holds."""
    content = read_content(path)
    if not content.strip():
        raise AnnotationError(f"{path}: the file is empty. Export the annotations again")
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{path}, line {error.lineno}: not JSON: {error.msg} at column {error.colno}. "
            "Export the annotations again"
        ) from None
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: byte 0x{error.object[error.start]:02x} at {error.start} is not "
            f"{error.encoding}. Save the file as UTF-8"
        ) from None
    except RecursionError:
        raise AnnotationError(f"{path}: nested too deeply. Export the annotations again") from None
    except ValueError as error:  # a number of thousands of digits
        raise AnnotationError(f"{path}: not usable JSON: {error}") from None


def read_xml(path):
    """Return the root Element of an XML file.

    A document type is refused: it is what entities are declared in, whose expansion fills the
    memory or reads other files, and no annotation needs one.
    """

    def refuse(*declaration):
        line = parser.CurrentLineNumber
        raise AnnotationError(f"{path}, line {line}: a DOCTYPE is not accepted. Take it out")

    content = read_content(path)
    if not content.strip():
        raise AnnotationError(f"{path}: the file is empty. Export the annotations again")
    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
    except AnnotationError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two: encodings
        line = parser.CurrentLineNumber
        raise AnnotationError(
            f"{path}, line {line}: not XML: {error}. Export the annotations again"
        ) from None
    return builder.close()


def check_name(name, folder, place):
    """Return a picture's name if it lies in `folder`, else raise AnnotationError.

    Symbolic links are not looked into: who can lay them can copy files, too.

    Args:
        name: as the annotations have it; an absolute path may lie in the folder, too.
        folder: None for anywhere.
        place: file and place of the name, for the message.
    """
    if not isinstance(name, str) or not name.strip() or min(name) < " ":  # a control character
        raise AnnotationError(f"{place}: {shown(str(name))} is not the name of a picture")
    if folder is not None and _leads_out(name, folder):
        raise AnnotationError(
            f"{place}: {shown(name)} leads out of the folder of the pictures, {folder}. Put the "
            "picture there and name it relative to that folder, or allow it (--allow-outside)"
        )
    return name


def _leads_out(name, folder):
    parts = _SEPARATOR.split(name)
    if ".." in parts:
        return True
    if parts[0] in ("", ".") or ":" in name:  # absolute, or maybe the folder itself
        return not _is_below(folder, Path(folder) / name)
    return False


def kind_of(path):
    """Return "file" or "folder", None where a path leads to nothing or is no path at all."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return None
    return "folder" if stat.S_ISDIR(mode) else "file"


def lies_in(folder, path):
    """Return whether a path is `folder` or below it; nothing has to exist."""
    return _plain(folder) == _plain(path) or _is_below(folder, path)


def _is_below(folder, path):
    return _plain(path).startswith(_plain(folder).rstrip(os.sep) + os.sep)


def _plain(path):
    """Return the one spelling of a path, as text: objects of paths take ten times as long."""
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def pixels(text, place):
    """Return a coordinate, or raise AnnotationError where `text` is no finite number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= MAX_COORDINATE or "_" in text:
        raise AnnotationError(f"{place} {shown(text)} is not a finite number of pixels. Mend it")
    return value
