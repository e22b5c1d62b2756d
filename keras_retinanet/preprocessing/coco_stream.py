"""The content of a sound COCO file, in arrays, without making objects of what boxes don't need.

msgspec reads JSON into declared fields and passes over all others (masks are 19/20 of COCO's own
files) without making a Python object of them; and annotations are read some megabytes at a time,
so that a file of gigabytes takes little more memory than its text. `stream` answers None to a
file with any fault, which `coco_file` then reads with Python's own `json`: it knows what is to be
said.
"""

import codecs
import re
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np

PIECE = 1 << 22  # bytes of annotations that are objects at a time
_PLACE = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")  # what msgspec says
_MARK = 4  # bytes in which UTF-16, UTF-32 and a byte order mark show
_BETWEEN = re.compile(rb"\}\s*,\s*(?=\{)")  # where an annotation may end and another begin


class _Image(msgspec.Struct, gc=False):
    id: int | str
    file_name: str
    height: object = 0
    width: object = 0


class _Annotation(msgspec.Struct, gc=False):
    image_id: int | str
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float | None = None
    iscrowd: object = 0


class _File(msgspec.Struct):
    images: list[_Image]
    categories: list[dict]
    annotations: msgspec.Raw


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        images: [(id, file name, height, width)].
        categories: as in the file.
        pictures: [T] int64, place of each annotation's picture, -1 where it is not in the file.
        category_ids: [T] int64.
        values: [T, 5] float64: x, y, width, height, area.
        crowd: [T] bool.
    """

    images: list
    categories: list
    pictures: np.ndarray
    category_ids: np.ndarray
    values: np.ndarray
    crowd: np.ndarray


def stream(content):
    """Return the Content of the bytes of a file, or None if anything about it is unusual."""
    try:
        _check_utf_8(content)
        file = msgspec.json.decode(content, type=_File)
        images = [(i.id, i.file_name, i.height, i.width) for i in file.images]
        places = {key: place for place, (key, *_) in enumerate(images)}
        parts = [_columns(part, places) for part in _annotations(memoryview(file.annotations))]
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError):
        return None
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Content(images, file.categories, *columns)


def damage(content):
    """Return (byte, what is wrong there) of bytes that are surely no JSON, else None.

    What `json` may accept is left to it: a mark of the encoding, NaN, half a surrogate pair.
    """
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        found = _PLACE.fullmatch(str(error))
        if not found:
            ended = not content.rstrip().endswith((b"}", b"]"))
            return (len(content), "the file is cut off here") if ended else None
        place = int(found[2])
        around = content[max(place - 1, 0) : place + 1]
        return None if place < _MARK or around.strip(b"-NIa") != around else (place, found[1])
    except RecursionError:
        return None
    return None


def _check_utf_8(content):
    """Raise UnicodeDecodeError for what `json` would refuse: msgspec does not look at all."""
    if content.isascii():
        return
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(content)
    for start in range(0, len(view), PIECE):
        decoder.decode(view[start : start + PIECE])
    decoder.decode(b"", final=True)


def _annotations(array):
    """Yield lists of _Annotation of a JSON array.

    A cut at the wrong place (in a string, in a list of objects) leaves brackets or quotes open,
    so what can be decoded was cut rightly.
    """
    decoder = msgspec.json.Decoder(list[_Annotation])
    if array[:1] != b"[":
        raise msgspec.ValidationError("the annotations are no list")
    start, end = 1, len(array) - 1
    while start >= 0:
        found, after = _next(decoder, array, start, end)
        yield found
        start = after


def _next(decoder, array, start, end):
    """Return (annotations of the next piece, where the piece after it begins or -1)."""
    at = start + PIECE
    while match := _BETWEEN.search(array, at, end):
        try:
            return decoder.decode(b"[%b]" % array[start : match.start() + 1]), match.end()
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            at = match.end()
    return decoder.decode(b"[%b]" % array[start:end]), -1


def _columns(annotations, places):
    """Return the columns of `Content` of some annotations."""
    count = len(annotations)
    pictures = [places.get(annotation.image_id, -1) for annotation in annotations]
    kinds = np.fromiter((annotation.category_id for annotation in annotations), np.int64, count)
    boxes = (annotation.bbox for annotation in annotations)
    values = np.empty((count, 5))
    values[:, :4] = np.fromiter(chain.from_iterable(boxes), float, 4 * count).reshape(count, 4)
    areas = [annotation.area for annotation in annotations]
    values[:, 4] = np.array(areas, float)  # None becomes NaN, which no JSON has
    values[:, 4] = np.where(np.isnan(values[:, 4]), values[:, 2] * values[:, 3], values[:, 4])
    crowd = [annotation.iscrowd in (1, True) for annotation in annotations]
    return np.array(pictures, np.int64), kinds, values, np.array(crowd, bool)
