"""Picture files: their size from the header, whether they are whole, and their pixels.

Pictures come upright. A camera that was turned writes the stored rows as the sensor had them and
an EXIF tag (274, 1 to 8) that says how to turn them; browsers and Qt's auto-transform obey it, so
people draw boxes on the upright picture. `exif=False` ignores the tag, as keras-retinanet 1.0 did.
"""

import io
import struct

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from keras_retinanet.utils.tar_files import TarError, open_binary

DEFAULT_MAX_PIXELS = 178_956_970  # 512 MiB of RGB; Pillow's own limit against bombs

_OPENCV_LIMIT = 2**30  # pixels; what OpenCV refuses is not worth Pillow's time either
_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_SCAN_START = 0xDA
_LEFT_OUT = "Copy it again from its source, or leave it out."
_TAIL = 65536  # bytes; a PNG's EXIF chunk behind its pixels is looked for there
_COLOR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

_REDUCED = {  # share of the sides: OpenCV's flag
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


class ImageError(ValueError):
    """A picture file cannot be used. The message is one line: path, fault, remedy."""


class ImageTooLarge(ImageError):
    """A picture has more pixels than are allowed."""


def read_image_bgr(path, exif=True, shrink=1):
    """Read a picture of any common format and depth.

    Transparency is dropped, palettes and grey become colour, 16-bit levels are divided by 256.

    Args:
        path: of the file.
        exif: whether the picture is turned upright as its EXIF tag says.
        shrink: 1, 2, 4 or 8, by which the sides of a JPEG picture are divided and rounded up;
            pictures of other formats come whole.

    Returns:
        uint8 [H, W, 3], blue first, writable.

    Raises:
        ImageError: the file is missing, empty, cut off or no picture.
    """
    with _opened(path) as file:
        return decode_image_bgr(file.read(), path, exif, shrink)


def decode_image_bgr(content, name, exif=True, shrink=1):
    """Return a picture as `read_image_bgr` does, from the bytes of its file; errors name `name`."""
    _refuse_cut(io.BytesIO(content), name)
    # OpenCV reads AVIF without the turn that the format itself prescribes
    image = None if content[4:12] == b"ftypavif" else _decode(content, exif, shrink)
    return _decode_with_pillow(content, name, exif) if image is None else image


def read_thumbnail(path, size, side, exif=True):
    """Return a picture shrunk to a small square, float32 [side, side, 3], blue first.

    Args:
        path: of the file.
        size: (height, width) of the picture; a large JPEG is decoded at a half to an eighth.
        side: pixels; the average over equal parts of the picture.

    Raises:
        ImageError: see `read_image_bgr`.
    """
    with _opened(path) as file:
        content = file.read()
    flags = cv2.IMREAD_COLOR
    if content.startswith(_JPEG_START):  # of other formats OpenCV would just drop pixels
        # a reduced picture ends with a whole block of the larger one: hence 8 of its pixels a part
        fitting = (flag for parts, flag in _REDUCED.items() if min(size) >= 8 * parts * side)
        flags = next(fitting, flags)
    image = cv2.imdecode(
        np.frombuffer(content, np.uint8), flags if exif else flags | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if image is None:
        image = read_image_bgr(path, exif)
    return cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)


def read_image_size(path, exif=True):
    """Return (height, width) of the picture that `read_image_bgr` gives, from the header only.

    Raises:
        ImageError: the file is missing, empty or no picture.
    """
    with _opened(path) as file:
        return _header_size(file, path, exif)


def check_image(path, max_pixels=DEFAULT_MAX_PIXELS, exif=True):
    """Return (height, width) like `read_image_size`, having looked for the file's end, too.

    Raises:
        ImageError: the file is missing, empty, cut off, no picture, or has over `max_pixels`.
    """
    with _opened(path) as file:
        return check_image_file(file, path, max_pixels, exif)


def check_image_file(file, name, max_pixels=DEFAULT_MAX_PIXELS, exif=True):
    """Return (height, width) like `check_image`, of an open file; errors name `name`."""
    height, width = _header_size(file, name, exif)
    _refuse_large(name, width, height, max_pixels)
    _refuse_cut(file, name)
    return height, width


def _opened(path):
    """Open a file that is not empty."""
    try:
        file = open_binary(path)
    except TarError as error:
        raise ImageError(str(error)) from None
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: this is a folder. Name a picture file.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be opened ({reason}). Check its permissions.") from None
    if not file.seek(0, io.SEEK_END):
        file.close()
        raise ImageError(f"{path}: the file is empty. {_LEFT_OUT}")
    file.seek(0)
    return file


def _refuse_large(path, width, height, limit):
    if height * width > limit:
        raise ImageTooLarge(
            f"{path}: {width} x {height} is {width * height} pixels, over the limit of {limit}. "
            "Make the picture smaller or, if you trust it, raise the limit (--max-pixels)."
        )


def _refuse_unknown(file, path):
    _refuse_cut(file, path)
    file.seek(0)
    raise ImageError(
        f"{path}: not a picture of a known format (it begins with {file.read(16)!r}). "
        "Convert it to JPEG or PNG, or leave it out."
    )


def _header_size(file, path, exif):
    image = _identify(file)
    if image is None:
        _refuse_unknown(file, path)
    width, height = image.size
    # Pillow, and OpenCV whatever it is told, give TIFF files upright already
    if exif and image.format != "TIFF" and _orientation(_exif_of(image, file)) >= 5:
        return width, height
    return height, width


class _JpegHeader(JpegImageFile):
    """Pillow's reader of JPEG, less the resolution: looking for it warns of broken EXIF blocks."""

    def _read_dpi_from_exif(self):
        pass


def _identify(file):
    """Return a Pillow image that has read its header, or None.

    `Image.open` is not used: it warns or raises at its own pixel limit, whatever ours is.
    """
    prefix = file.read(16)
    if prefix.startswith(_JPEG_START):
        return _started(_JpegHeader, file)
    for load_formats in (Image.preinit, Image.init):
        load_formats()
        for name in Image.ID:
            factory, accept = Image.OPEN[name]
            verdict = accept(prefix) if accept else True
            if verdict and not isinstance(verdict, str):  # a str says what is not installed
                image = _started(factory, file)
                if image is not None:
                    return image
    return None


def _started(factory, file):
    file.seek(0)
    try:
        return factory(file, "")
    except Exception:  # whatever a format's reader raises on garbage: not its format
        return None


def _exif_of(image, file):
    """Return the EXIF block (without its "Exif" mark) or b""."""
    block = image.info.get("exif", b"")
    if not block and image.format == "PNG":  # Pillow finds a late chunk only by decoding all
        tail = _last(file, _TAIL)
        start = tail.rfind(b"eXIf")
        block = tail[start + 4 :] if start >= 0 else b""
    return block.removeprefix(b"Exif\0\0")


def _orientation(block):
    """Return tag 274 of an EXIF block, 1 (upright) where there is none or the block is broken."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        start = struct.unpack_from(f"{order}I", block, 4)[0]
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", block, entry)[0] == 274:
                value = struct.unpack_from(f"{order}H", block, entry + 8)[0]
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _refuse_cut(file, path):
    """Raise ImageError if the file stops before the picture's end."""
    file.seek(0)
    start = file.read(4)
    size = file.seek(0, io.SEEK_END)
    for mark, is_cut, name in _CUT_TESTS:
        if start.startswith(mark) and is_cut(file, size):
            raise ImageError(
                f"{path}: the {name} picture is cut off after {size} bytes (its end is missing). "
                f"{_LEFT_OUT}"
            )


def _last(file, count):
    """Return the last `count` bytes."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - count))
    return file.read()


def _jpeg_is_cut(file, size):
    """Say whether no end marker follows the start of the first scan.

    Bytes behind the end are common (padding, the film of a "motion photo"), and an embedded
    thumbnail has an end of its own before the scan: so segments are walked.
    """
    if _last(file, 2) == _JPEG_END:
        return False
    content = _last(file, size)
    at = 2
    while at + 4 <= size and content[at] == 0xFF:
        if content[at + 1] == _SCAN_START:
            return content.find(_JPEG_END, at) < 0
        is_padding = content[at + 1] == 0xFF
        at += 1 if is_padding else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content.rfind(_JPEG_END) < 0


def _png_is_cut(file, size):
    return all(b"IEND" not in _last(file, count) for count in (12, size))  # 12: a last chunk


def _riff_is_cut(file, size):
    file.seek(4)
    return 8 + int.from_bytes(file.read(4), "little") > size + 1  # + 1: optional padding


def _bmp_is_cut(file, size):
    """Say whether the file is shorter than its header states; some writers state 0."""
    file.seek(2)
    return int.from_bytes(file.read(4), "little") > size


def _gif_is_cut(file, size):
    """Say whether the trailer is missing; zeros behind it are common."""
    return not _last(file, 1024).rstrip(b"\0").endswith(b";")


_CUT_TESTS = (
    (_JPEG_START, _jpeg_is_cut, "JPEG"),
    (b"\x89PNG", _png_is_cut, "PNG"),
    (b"RIFF", _riff_is_cut, "WebP"),
    (b"BM", _bmp_is_cut, "BMP"),
    (b"GIF8", _gif_is_cut, "GIF"),
)


def _decode(content, exif, shrink):
    """Return the picture as OpenCV reads it, or None."""
    flags = _COLOR[shrink if content.startswith(_JPEG_START) else 1]
    flags = flags if exif else flags | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        return None


def _decode_with_pillow(content, path, exif):
    """Read a format that OpenCV has not (TGA, ICO, PCX, AVIF), or say what is wrong."""
    file = io.BytesIO(content)
    image = _identify(file)
    if image is None:
        _refuse_unknown(file, path)
    _refuse_large(path, *image.size, _OPENCV_LIMIT)
    try:
        upright = ImageOps.exif_transpose(image) if exif else image
        rgb = np.asarray(upright.convert("RGB"))
    except Exception as error:  # readers raise many kinds on broken pixels
        reason = " ".join(str(error).split())
        raise ImageError(f"{path}: its pixels cannot be read ({reason}). {_LEFT_OUT}") from error
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
