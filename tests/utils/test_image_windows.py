"""A window of a file is what the whole picture has there, and little more of the file is read."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_retinanet.utils.image import ImageError, read_image_bgr
from keras_retinanet.utils.image_channels import read_image_channels
from keras_retinanet.utils.image_windows import read_window, reads_windows

WINDOWS = [(0, 0, 70, 50), (0, 0, 1, 1), (69, 49, 70, 50), (15, 16, 33, 48), (3, 40, 64, 50)]
FILES = {
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "tiles": {"tile": (16, 32)},
    "deflated tiles": {"tile": (32, 16), "compression": "zlib", "predictor": True},
    "deflated strips of 16 bits": {"rowsperstrip": 9, "compression": "zlib", "bits": 16},
    "16 bits, most significant byte first": {"tile": (16, 16), "byteorder": ">", "bits": 16},
    "BigTIFF": {"tile": (16, 16), "bigtiff": True},
}


def levels(shape, bits=8):
    return np.random.default_rng(1).integers(0, 2**bits, shape, f"u{bits // 8}")


@pytest.mark.parametrize("options", FILES.values(), ids=FILES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_windows_of_a_tiff_are_those_of_the_whole_picture(channels, options, tmp_path):
    options = dict(options)
    image = levels((50, 70, channels), options.pop("bits", 8)).squeeze()
    kind = "minisblack" if channels == 1 else "rgb"
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image, photometric=kind, **extra, **options)
    assert reads_windows(path)
    lossless = read_image_channels(path, channels)
    whole = lossless[..., :3] if channels > 1 else lossless.repeat(3, axis=2)
    whole = (whole // (256 if whole.dtype == np.uint16 else 1)).astype(np.uint8)
    if channels < 4 and lossless.dtype == np.uint8:
        np.testing.assert_array_equal(whole, read_image_bgr(path))
    for x1, y1, x2, y2 in WINDOWS:
        np.testing.assert_array_equal(read_window(path, (x1, y1, x2, y2)), whole[y1:y2, x1:x2])
        part = read_window(path, (x1, y1, x2, y2), channels)
        np.testing.assert_array_equal(part, lossless[y1:y2, x1:x2])


def test_windows_of_arrays_are_read_where_their_channels_are_asked_for(tmp_path):
    image = levels((50, 70, 6), 16)
    np.save(tmp_path / "a.npy", image)
    assert reads_windows(tmp_path / "a.npy", 6) and not reads_windows(tmp_path / "a.npy")
    for x1, y1, x2, y2 in WINDOWS:
        part = read_window(tmp_path / "a.npy", (x1, y1, x2, y2), 6)
        np.testing.assert_array_equal(part, image[y1:y2, x1:x2])


def test_only_the_tiles_of_a_window_are_read(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", levels((160, 160)), tile=(16, 16))
    decoded = []

    def counted(file, page, window, segments=read_window.__globals__["_segments"]):
        for segment in segments(file, page, window):
            decoded.append(segment[:2])
            yield segment

    monkeypatch.setitem(read_window.__globals__, "_segments", counted)
    read_window(tmp_path / "a.tif", (20, 40, 33, 49))
    assert decoded == [(32, 16), (32, 32), (48, 16), (48, 32)]


def test_other_files_are_read_whole(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), levels((5, 5)))
    cv2.imwrite(str(tmp_path / "a.jpg"), levels((5, 5)))
    Image.fromarray(levels((5, 5))).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    tifffile.imwrite(tmp_path / "pages.tif", levels((3, 5, 5)), photometric="minisblack")
    tifffile.imwrite(tmp_path / "float.tif", np.ones((5, 5), np.float32))
    turned = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "turned.tif", levels((5, 5)), extratags=turned)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "pages.tif").read_bytes()[:20])
    assert not any(reads_windows(path) for path in tmp_path.iterdir())


def test_a_file_that_breaks_off_is_named(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, levels((64, 64)), tile=(16, 16), compression="zlib")
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(ImageError, match=r"a\.tif: its pixels cannot be read"):
        read_window(path, (0, 0, 64, 64))
