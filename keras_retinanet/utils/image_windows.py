"""A part of a picture file, read without the rest where the format allows.

It does in TIFF, where tiles and strips are stored by themselves, uncompressed or deflated, and in
NumPy's `.npy`. JPEG and PNG are one stream: no part can be had without what is above it.
"""

import numpy as np

from keras_retinanet.utils.image_channels import (
    NPY_START,
    OWN_COMPRESSIONS,
    TIFF_STARTS,
    file_start,
    fitted,
    open_npy,
    orientation_of,
    unreadable,
)
from keras_retinanet.utils.tar_files import open_member


def reads_windows(path, channels=None):
    """Return whether `read_window` can read a part of this file by itself."""
    start = file_start(path)
    if start.startswith(NPY_START):
        return channels is not None
    return start.startswith(TIFF_STARTS) and _has_plain_parts(path)


def read_window(path, window, channels=None):
    """Return the pixels within a window of a file for which `reads_windows` holds.

    Args:
        path: of the file.
        window: (x1, y1, x2, y2), whole pixels inside the picture.
        channels: as of `read_image_channels`; None for 8 bits of blue, green and red, as
            `read_image_bgr` gives them.

    Raises:
        ImageError: the file cannot be read.
    """
    x1, y1, x2, y2 = (int(side) for side in window)
    if file_start(path).startswith(NPY_START):
        part = open_npy(path)[y1:y2, x1:x2]
        return fitted(np.array(part, part.dtype.newbyteorder("=")), channels, path)
    part = _tiff_window(path, (x1, y1, x2, y2))
    if channels is not None:
        return fitted(part, channels, path)
    part = (part >> 8).astype(np.uint8) if part.dtype == np.uint16 else part
    return fitted(part[..., :1] if part.shape[2] == 2 else part, 3, path)


def _has_plain_parts(path):
    """Return whether a TIFF file is one page whose tiles or strips tifffile decodes."""
    import tifffile

    try:
        with tifffile.TiffFile(open_member(path) or path) as file:
            page = file.pages.first
            return (
                len(file.pages) == 1
                and page.compression in OWN_COMPRESSIONS
                and page.planarconfig == 1
                and page.dtype in (np.uint8, np.uint16)
                and page.imagedepth == 1
                and orientation_of(page) == 1
                and page.photometric in (1, 2)  # dark is 0; red, green, blue
            )
    except Exception:  # broken files raise many kinds; reading says which
        return False


def _tiff_window(path, window):
    """Return [h, w, C] of a TIFF file, colours blue first."""
    import tifffile

    x1, y1, x2, y2 = window
    try:
        with tifffile.TiffFile(open_member(path) or path) as file:
            page = file.pages.first
            part = np.zeros((y2 - y1, x2 - x1, page.samplesperpixel), page.dtype)
            for top, left, segment in _segments(file.filehandle, page, window):
                bottom, right = top + segment.shape[0], left + segment.shape[1]
                rows, columns = (max(top, y1), min(bottom, y2)), (max(left, x1), min(right, x2))
                part[rows[0] - y1 : rows[1] - y1, columns[0] - x1 : columns[1] - x1] = segment[
                    rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left
                ]
            if page.photometric == 2:
                part[..., :3] = part[..., 2::-1].copy()
            return part
    except Exception as error:  # broken files raise many kinds
        raise unreadable(path, error) from error


def _segments(file, page, window):
    """Yield (top, left, pixels [h, w, C]) of the stored parts that a window touches."""
    x1, y1, x2, y2 = window
    height, width = page.rowsperstrip, page.imagewidth
    if page.is_tiled:
        height, width = page.tilelength, page.tilewidth
    across = -(-page.imagewidth // width)
    for row in range(y1 // height, -(-y2 // height)):
        for column in range(x1 // width, -(-x2 // width)):
            index = row * across + column
            file.seek(page.dataoffsets[index])
            stored = file.read(page.databytecounts[index])
            segment, _, shape = page.decode(stored, index)
            if segment is not None:  # an empty part is 0
                yield row * height, column * width, segment[0, : shape[1], : shape[2]]
