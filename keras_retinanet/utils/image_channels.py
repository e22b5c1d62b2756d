"""Picture files read without loss: any number of channels, 8 or 16 bits a level.

A picture is uint8 or uint16 [H, W, C], as its file has it. Three channels of colour come blue
first, four with their transparency or infrared last; any others keep the order of the file.
Files: what OpenCV reads; TIFF with bands or pages, by tifffile; and NumPy's `.npy`.
"""

import cv2
import numpy as np

from keras_retinanet.utils.image_files import DEFAULT_MAX_PIXELS, ImageError, check_image
from keras_retinanet.utils.tar_files import open_binary, open_member

DTYPES = (np.uint8, np.uint16)
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # both byte orders, TIFF and BigTIFF
OWN_COMPRESSIONS = (1, 8, 32946)  # none, deflate: what tifffile decodes without imagecodecs
NPY_START = b"\x93NUMPY"


def read_image_channels(path, channels, exif=True):
    """Return the picture, uint8 or uint16 [H, W, channels].

    A grey file serves for three channels, and of a file with transparency three can be had;
    nothing else is converted. `exif` turns pictures of up to three channels upright.

    Raises:
        ImageError: the file cannot be read, or has other channels or levels.
    """
    start = file_start(path)
    if start.startswith(NPY_START):
        array = open_npy(path)
        image = np.array(array, array.dtype.newbyteorder("="))
    elif start.startswith(TIFF_STARTS):
        image = _read_tiff(path, exif)
    else:
        check_image(path, exif=exif)  # says what is wrong with a broken file
        image = _read_with_opencv(path, channels, exif)
    return fitted(image, channels, path)


def check_image_channels(path, channels, max_pixels=DEFAULT_MAX_PIXELS, exif=True):
    """Return (height, width) of what `read_image_channels` gives, from the header.

    Raises:
        ImageError: the header cannot be read, or there are more than `max_pixels`.
    """
    start = file_start(path)
    if start.startswith(NPY_START):
        height, width = _size_of(open_npy(path), path)
    elif start.startswith(TIFF_STARTS):
        height, width = _tiff_size(path, exif)
    else:
        return check_image(path, max_pixels, exif=exif and channels <= 3)
    if height * width > max_pixels:
        raise ImageError(
            f"{path}: {width} x {height} is {width * height} pixels, over the limit of "
            f"{max_pixels}. Make the picture smaller or, if you trust it, raise the limit "
            "(--max-pixels)."
        )
    return height, width


def as_shown(image):
    """Return uint8 [H, W, 3] to look at: the first three channels, or the first as grey.

    16-bit levels are divided so that the brightest stays within 255.
    """
    if image.dtype != np.uint8:
        image = (image // (int(image.max(initial=0)) // 256 + 1)).astype(np.uint8)
    shown = image[..., :3] if image.shape[2] >= 3 else image[..., :1].repeat(3, axis=2)
    return np.ascontiguousarray(shown)


def file_start(path):
    """Return the first bytes of a file, which tell its format."""
    try:
        with open_binary(path) as file:
            return file.read(8)
    except OSError:
        check_image(path)  # says it in one line
        raise


def _with_channels(image):
    return image[..., None] if image.ndim == 2 else image


def open_npy(path):
    """Return the array of a .npy file, whose levels are read from it when they are used."""
    try:
        file = open_member(path)
        if file is not None:
            return _with_channels(np.load(file, allow_pickle=False))
        return _with_channels(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError as error:
        raise unreadable(path, error) from error


def unreadable(path, error):
    """Return the ImageError of a file whose pixels cannot be had."""
    reason = " ".join(str(error).split())
    return ImageError(
        f"{path}: its pixels cannot be read ({reason}). Write it again, or leave it out."
    )


def _read_with_opencv(path, channels, exif):
    flags = cv2.IMREAD_UNCHANGED if channels > 3 else cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    flags |= 0 if exif or channels > 3 else cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with open_binary(path) as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), flags)
    except cv2.error as error:
        raise unreadable(path, error) from error
    if image is None:
        raise unreadable(path, "OpenCV does not know it")
    return _with_channels(image)


def _size_of(image, path):
    """Return (height, width), or raise ImageError for what is no picture."""
    if image.ndim != 3 or not image.size:
        raise ImageError(
            f"{path}: a picture is [height, width, channels]; this is {list(image.shape)}. "
            "Write one picture to a file."
        )
    return image.shape[:2]


def fitted(image, channels, path):
    """Return a picture with `channels` as `read_image_channels` does, or raise ImageError."""
    _size_of(image, path)
    if image.dtype not in DTYPES:
        raise ImageError(
            f"{path}: its levels are {image.dtype}. Save them as whole numbers of 8 or 16 bits."
        )
    own = image.shape[2]
    if own == 1 and channels == 3:
        return image.repeat(3, axis=2)
    if own == 4 and channels == 3:
        return np.ascontiguousarray(image[..., :3])
    if own != channels:
        raise ImageError(
            f"{path}: it has {own} channel{'s' if own > 1 else ''}, not {channels}. "
            "Convert it, or give the number that all pictures have."
        )
    return np.ascontiguousarray(image)


# TIFF


def _tiff_size(path, exif):
    """Return (height, width) of a TIFF file, upright if `exif`."""
    import tifffile

    try:
        with tifffile.TiffFile(open_member(path) or path) as file:
            page = file.pages.first
            size = (page.imagelength, page.imagewidth)
            return size[::-1] if exif and orientation_of(page) >= 5 else size
    except Exception as error:  # broken files raise many kinds
        raise unreadable(path, error) from error


def orientation_of(page):
    """Return the orientation of a TIFF page, 1 (upright) to 8."""
    tag = page.tags.get(274)
    return tag.value if tag is not None and 1 <= int(tag.value) <= 8 else 1


def _read_tiff(path, exif):
    """Return [H, W, C] of the first series of a TIFF file: its bands, or its pages of grey."""
    import tifffile

    try:
        with tifffile.TiffFile(open_member(path) or path) as file:
            series, page = file.series[0], file.pages.first
            if page.compression not in OWN_COMPRESSIONS:
                return _read_with_opencv(path, page.samplesperpixel, exif)
            image = _channels_last(series.asarray(), series.axes)
            if page.photometric == tifffile.PHOTOMETRIC.RGB:
                image[..., :3] = image[..., 2::-1].copy()
            return _turned(image, orientation_of(page) if exif else 1)
    except ImageError:
        raise
    except Exception as error:  # broken files raise many kinds
        raise unreadable(path, error) from error


def _channels_last(image, axes):
    """Return [H, W, C] of an array whose axes are named, such as "SYX" or "YX"."""
    others = [place for place, name in enumerate(axes) if name not in "YX"]
    if not {"Y", "X"} <= set(axes) or len(others) > 1:
        return image  # refused for its shape
    order = [axes.index("Y"), axes.index("X"), *others]
    return _with_channels(image.transpose(order))


def _turned(image, orientation):
    """Return the picture upright; orientations as in EXIF, 1 to 8."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
