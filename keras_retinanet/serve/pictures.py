"""Picture files that were sent: looked at before they are decoded, then decoded."""

import io

from keras_retinanet.serve.limits import Refused
from keras_retinanet.utils.image import ImageError
from keras_retinanet.utils.image_files import ImageTooLarge, check_image_file, decode_image_bgr

SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n"}
NAME = "the picture"  # in messages


def check_file(content, max_pixels):
    """Return (height, width) of a picture, upright, from its file's header.

    Raises:
        Refused: 413 too many pixels, 415 neither JPEG nor PNG, 422 cut off or broken.
    """
    if not content.startswith(tuple(SIGNATURES.values())):
        known = " or ".join(SIGNATURES)
        raise Refused(415, f"the file is not {known} (it begins with {content[:8]!r}); convert it")
    try:
        return check_image_file(io.BytesIO(content), NAME, max_pixels)
    except ImageTooLarge as error:
        raise Refused(413, str(error)) from error
    except ImageError as error:
        raise Refused(422, str(error)) from error


def decode_file(content):
    """Return the pixels of a picture uint8 [H, W, 3], upright, blue first.

    Raises:
        Refused: 422 broken.
    """
    try:
        return decode_image_bgr(content, NAME)
    except ImageError as error:
        raise Refused(422, str(error)) from error
