"""Pictures of any channels and depth come as they were written."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_retinanet.utils.image import ImageError, read_image_bgr
from keras_retinanet.utils.image_channels import (
    as_shown,
    check_image_channels,
    read_image_channels,
)


def levels(shape, dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def check(path, expected, channels=None):
    """Assert that a file gives these levels, and its header this size."""
    channels = channels or expected.shape[2]
    image = read_image_channels(path, channels)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    assert check_image_channels(path, channels) == expected.shape[:2]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_what_opencv_writes_comes_back_as_it_was(channels, dtype, suffix, tmp_path):
    image = levels((7, 9, channels), dtype)
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), image)
    check(path, image)


TIFFS = {  # shape and options of a file, and how its axes become [H, W, C]
    "grey": ((7, 9), {}, lambda image: image[..., None]),
    "bands of a pixel": ((7, 9, 5), {"planarconfig": "contig"}, lambda image: image),
    "two bands": ((7, 9, 2), {"planarconfig": "contig"}, lambda image: image),
    "bands in planes": ((5, 7, 9), {"planarconfig": "separate"}, lambda i: i.transpose(1, 2, 0)),
    "pages": ((6, 7, 9), {}, lambda image: image.transpose(1, 2, 0)),
    "deflated tiles": (
        (40, 50, 5),
        {"planarconfig": "contig", "compression": "zlib", "tile": (16, 16), "predictor": True},
        lambda image: image,
    ),
    "BigTIFF, most significant byte first": (
        (7, 9, 6),
        {"planarconfig": "contig", "bigtiff": True, "byteorder": ">"},
        lambda image: image,
    ),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize(("shape", "options", "arranged"), TIFFS.values(), ids=TIFFS)
def test_tiffs_of_bands_and_pages_come_as_they_were(shape, options, arranged, dtype, tmp_path):
    image = levels(shape, dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", **options)
    check(tmp_path / "a.tif", arranged(image))


def test_colours_of_a_tiff_come_blue_first(tmp_path):
    image = levels((7, 9, 4), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["unassalpha"])
    check(tmp_path / "a.tif", image[..., [2, 1, 0, 3]])
    check(tmp_path / "a.tif", image[..., [2, 1, 0]])


def test_a_compression_that_tifffile_lacks_is_left_to_opencv(tmp_path):
    image = levels((7, 9), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.tif", compression="tiff_lzw")
    check(tmp_path / "a.tif", image[..., None])


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 12)], ids=["grey", "bands"])
def test_arrays_of_numpy_are_pictures(shape, tmp_path):
    image = levels(shape, np.uint16)
    for dtype in ("<u2", ">u2"):
        np.save(tmp_path / "a.npy", image.astype(dtype))
        check(tmp_path / "a.npy", image.reshape(7, 9, -1))


def test_three_channels_come_from_a_grey_file_and_from_one_with_transparency(tmp_path):
    grey, four = levels((7, 9), np.uint16), levels((7, 9, 4), np.uint16)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "four.png"), four)
    check(tmp_path / "grey.png", np.stack([grey] * 3, axis=2))
    check(tmp_path / "four.png", four[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_upright_as_the_usual_reader_gives_them(orientation, tmp_path):
    exif = Image.Exif()
    exif[274] = orientation
    colours = levels((6, 10, 3))
    Image.fromarray(colours).save(tmp_path / "a.png", exif=exif)
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", extratags=tags)
    check(tmp_path / "a.png", read_image_bgr(tmp_path / "a.png"))
    check(tmp_path / "a.tif", read_image_bgr(tmp_path / "a.png"))
    for name in ("a.png", "a.tif"):
        stored = read_image_channels(tmp_path / name, 3, exif=False)
        np.testing.assert_array_equal(stored, colours[..., ::-1])
        assert check_image_channels(tmp_path / name, 3, exif=False) == (6, 10)


def write_bad_files(folder):
    cv2.imwrite(str(folder / "four.png"), levels((7, 9, 4)))
    cv2.imwrite(str(folder / "colour.png"), levels((7, 9, 3)))
    tifffile.imwrite(folder / "float.tif", np.ones((7, 9), np.float32))
    tifffile.imwrite(
        folder / "time.tif", levels((2, 3, 7, 9)), metadata={"axes": "TCYX"}, imagej=True
    )
    np.save(folder / "five.npy", levels((2, 7, 9, 3)))
    np.save(folder / "line.npy", np.zeros(5, np.uint8))
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    (folder / "text.png").write_text("no picture")
    whole = (folder / "float.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[:100])
    (folder / "empty.tif").write_bytes(b"")


BAD = {
    "four.png": (1, "four.png: it has 3 channels, not 1. Convert it"),
    "colour.png": (5, "colour.png: it has 3 channels, not 5. Convert it"),
    "float.tif": (1, "its levels are float32. Save them as whole numbers of 8 or 16 bits"),
    "time.tif": (3, r"this is \[2, 3, 7, 9\]. Write one picture to a file"),
    "five.npy": (3, r"this is \[2, 7, 9, 3\]. Write one picture to a file"),
    "line.npy": (3, r"this is \[5\]. Write one picture to a file"),
    "objects.npy": (1, "its pixels cannot be read"),
    "text.png": (3, "not a picture of a known format"),
    "cut.tif": (1, "its pixels cannot be read"),
    "empty.tif": (1, "the file is empty"),
    "nowhere.tif": (1, "there is no such file"),
}


@pytest.mark.parametrize(("name", "channels", "message"), [(k, *v) for k, v in BAD.items()])
def test_what_cannot_be_read_without_loss_is_refused_in_one_line(name, channels, message, tmp_path):
    write_bad_files(tmp_path)
    with pytest.raises(ImageError, match=message) as caught:
        read_image_channels(tmp_path / name, channels)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_the_header_of_an_array_that_is_no_picture_is_refused(tmp_path):
    write_bad_files(tmp_path)
    for name in ("line.npy", "objects.npy", "five.npy"):
        with pytest.raises(ImageError, match=name):
            check_image_channels(tmp_path / name, 1)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_large_pictures_are_refused_by_their_header(name, tmp_path):
    image = levels((30, 40), np.uint16)
    if name == "a.npy":
        np.save(tmp_path / name, image)
    else:
        cv2.imwrite(str(tmp_path / name), image)
    with pytest.raises(ImageError, match="40 x 30 is 1200 pixels, over the limit of 1000"):
        check_image_channels(tmp_path / name, 1, max_pixels=1000)


def test_a_picture_is_shown_by_its_first_channels_within_8_bits():
    image = np.zeros((2, 2, 5), np.uint16)
    image[0, 0] = [4095, 16, 2048, 9, 9]
    assert as_shown(image)[0, 0].tolist() == [255, 1, 128]
    assert as_shown(image[..., :1])[0, 0].tolist() == [255, 255, 255]
    assert as_shown(np.full((1, 1, 2), 7, np.uint8))[0, 0].tolist() == [7, 7, 7]
    assert as_shown(np.zeros((0, 3, 1), np.uint16)).shape == (0, 3, 3)
