"""Reading picture files and their headers: every format, orientation and fault we know of."""

import io
import struct
import time
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_retinanet.utils.image import (
    DEFAULT_MAX_PIXELS,
    ImageError,
    check_image,
    read_image_bgr,
    read_image_size,
)
from keras_retinanet.utils.image_files import read_thumbnail

HEIGHT, WIDTH = 40, 64
EXTENSIONS = ["jpg", "png", "bmp", "gif", "webp", "tiff", "ppm", "jp2", "tga", "pcx", "avif"]


def smooth(height=HEIGHT, width=WIDTH):
    """Return a picture without sharp edges, all four corners different."""
    y, x = np.mgrid[0:height, 0:width]
    levels = np.stack([x * 255 // width, y * 255 // height, (x + y) * 2], axis=-1)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def by_pillow(path, turn=lambda image: image):
    """Return Pillow's pixels, blue first, as signed integers."""
    with Image.open(path) as image:
        return np.asarray(turn(image).convert("RGB"))[..., ::-1].astype(int)


def tag(orientation):
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[274] = orientation
    return exif.tobytes()


def fault(path, call=check_image, **options):
    """Return the one line with which `call` refuses `path`."""
    with pytest.raises(ImageError) as caught:
        call(path, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_format_reads_as_pillow_reads_it(tmp_path, extension):
    path = tmp_path / f"Bild mit Größe 図.{extension}"
    smooth().save(path)
    found = read_image_bgr(path)
    assert found.dtype == np.uint8
    assert np.abs(found - by_pillow(path)).max() <= 1
    assert read_image_size(path) == check_image(str(path)) == (HEIGHT, WIDTH)


def test_a_read_picture_can_be_written_to(tmp_path):
    for name in ("a.jpg", "a.tga"):
        smooth().save(tmp_path / name)
        picture = read_image_bgr(tmp_path / name)
        picture[0, 0] = 1
        assert picture.flags.c_contiguous


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK"])
def test_every_kind_of_pixel_becomes_blue_green_red(tmp_path, mode):
    image = smooth().convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    found = read_image_bgr(path)
    assert np.abs(found - by_pillow(path)).max() <= 1
    assert found.shape == (HEIGHT, WIDTH, 3)


def test_transparency_is_dropped(tmp_path):
    levels = np.zeros((2, 2, 4), np.uint8)
    levels[:] = (10, 20, 30, 0)
    Image.fromarray(levels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image_bgr(tmp_path / "a.png"), [[[30, 20, 10]] * 2] * 2)


@pytest.mark.parametrize("extension", ["png", "tiff"])
def test_sixteen_bit_levels_are_scaled_not_clipped(tmp_path, extension):
    levels = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    path = tmp_path / f"a.{extension}"
    Image.fromarray(levels).save(path)
    np.testing.assert_allclose(
        read_image_bgr(path), np.repeat(levels[..., None] / 257, 3, axis=2), atol=1
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tiff", "avif"])
def test_pictures_come_upright_as_pillow_turns_them(tmp_path, extension, orientation):
    path = tmp_path / f"a.{extension}"
    options = {"tiffinfo": {274: orientation}} if extension == "tiff" else {}
    smooth().save(path, exif=tag(orientation), **options)
    upright = by_pillow(path, ImageOps.exif_transpose)
    found = read_image_bgr(path)
    assert found.shape == ((WIDTH, HEIGHT, 3) if orientation >= 5 else (HEIGHT, WIDTH, 3))
    assert np.abs(found - upright).max() <= 1
    assert read_image_size(path) == check_image(path) == found.shape[:2]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif"])
def test_the_orientation_can_be_ignored(tmp_path, extension, orientation):
    path = tmp_path / f"a.{extension}"
    smooth().save(path, exif=tag(orientation))
    found = read_image_bgr(path, exif=False)
    assert np.abs(found - by_pillow(path)).max() <= 1
    assert read_image_size(path, exif=False) == (HEIGHT, WIDTH)
    assert check_image(path, exif=False) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path, order):
    mark = b"II" if order == "<" else b"MM"
    block = mark + struct.pack(f"{order}HIHHHIHH", 42, 8, 1, 274, 3, 1, 6, 0)
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    buffer = io.BytesIO()
    smooth().save(buffer, "PNG")
    whole = buffer.getvalue()
    (tmp_path / "a.png").write_bytes(whole[:-12] + chunk + whole[-12:])
    assert read_image_bgr(tmp_path / "a.png").shape == (WIDTH, HEIGHT, 3)
    assert check_image(tmp_path / "a.png") == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"Exif\0\0", id="empty"),
        pytest.param(b"Exif\0\0no tiff header", id="text"),
        pytest.param(b"Exif\0\0II*\0\xff\xff\xff\x7f", id="offset beyond the end"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\x05\0\x0f\x01", id="cut off"),
        pytest.param(tag(9), id="orientation 9"),
        pytest.param(tag(0), id="orientation 0"),
    ],
)
def test_a_broken_exif_block_means_upright(tmp_path, block):
    path = tmp_path / "a.jpg"
    smooth().save(path, exif=block)
    assert read_image_bgr(path).shape == (HEIGHT, WIDTH, 3)
    assert check_image(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("call", [check_image, read_image_bgr, read_image_size])
def test_what_is_no_picture_file_is_refused_with_its_reason(tmp_path, call):
    empty, text, lfs = tmp_path / "empty.jpg", tmp_path / "page.jpg", tmp_path / "start.jpg"
    empty.touch()
    text.write_text("<!DOCTYPE html>\nnot found")
    lfs.write_bytes(b"\xff\xd8\xff\xe0 then nothing that fits")
    assert "there is no such file" in fault(tmp_path / "none.jpg", call)
    assert "this is a folder" in fault(tmp_path, call)
    assert "the file is empty" in fault(empty, call)
    assert "not a picture of a known format (it begins with b'<!DOCTYPE html" in fault(text, call)
    assert fault(lfs, call)
    assert "cannot be opened" in fault("a\0b", call)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "bmp", "gif"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("call", [check_image, read_image_bgr])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, extension, share, call):
    path = tmp_path / f"a.{extension}"
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    thumbnail = io.BytesIO()
    smooth(8, 8).save(thumbnail, "JPEG")  # has an end marker of its own, before the pixels
    options = {"comment": thumbnail.getvalue()} if extension == "jpg" else {}
    Image.fromarray(noise).save(path, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "picture is cut off after" in fault(path, call)


@pytest.mark.parametrize("extension", ["bmp", "gif", "tiff", "tga", "ppm"])
def test_pixels_that_end_early_are_refused_when_they_are_read(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    smooth().save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert fault(path, read_image_bgr)


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize("behind", [b"\0", b"\r\n", b"film" * 200_000, b"\xff\xd8\xff\xda"])
def test_bytes_behind_a_pictures_end_do_no_harm(tmp_path, extension, behind):
    path = tmp_path / f"a.{extension}"
    smooth().save(path)
    path.write_bytes(path.read_bytes() + behind)
    assert check_image(path) == (HEIGHT, WIDTH)
    assert read_image_bgr(path).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("progressive", [False, True])
def test_padding_between_segments_of_a_jpeg_does_no_harm(tmp_path, progressive):
    path = tmp_path / "a.jpg"
    smooth().save(path, progressive=progressive)
    whole = path.read_bytes()
    path.write_bytes(whole[:2] + b"\xff\xff" + whole[2:] + b"\0")
    assert check_image(path) == (HEIGHT, WIDTH)


def png_of(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    start += struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return start + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def test_a_picture_over_the_pixel_limit_is_refused_without_decoding_it(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(60_000, 50_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line = fault(path)
        assert read_image_size(path) == (50_000, 60_000)
        assert check_image(path, max_pixels=3_000_000_000) == (50_000, 60_000)
    assert "60000 x 50000 is 3000000000 pixels, over the limit of 178956970" in line
    assert "over the limit of 1073741824" in fault(path, read_image_bgr)
    assert DEFAULT_MAX_PIXELS == 178_956_970


def test_the_pixel_limit_is_the_largest_allowed_count(tmp_path):
    smooth().save(tmp_path / "a.png")
    assert check_image(tmp_path / "a.png", max_pixels=HEIGHT * WIDTH) == (HEIGHT, WIDTH)
    assert "over the limit of 2559" in fault(tmp_path / "a.png", max_pixels=HEIGHT * WIDTH - 1)


def test_checking_a_header_takes_a_fraction_of_a_millisecond(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for extension in ("jpg", "png"):
        path = tmp_path / f"a.{extension}"
        Image.fromarray(noise).save(path, exif=tag(6))
        check_image(path)
        start = time.process_time()
        for _ in range(50):
            check_image(path)
        assert (time.process_time() - start) / 50 < 0.001  # seen: 0.06 ms; decoding: 5 ms


@pytest.mark.parametrize("size", [(40, 60), (100, 150), (300, 520), (1100, 1500)])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_thumbnail_is_the_mean_of_each_part(tmp_path, size, kind):
    smooth = np.random.default_rng(1).integers(0, 256, (5, 6, 3), np.uint8)
    image = cv2.resize(smooth, size[::-1], interpolation=cv2.INTER_LINEAR)
    path = tmp_path / f"picture.{kind}"
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    found = read_thumbnail(path, size, 4)
    expected = cv2.resize(image.astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
    assert found.shape == (4, 4, 3) and found.dtype == np.float32
    # JPEG blurs colours; a reduced picture ends with a whole block
    np.testing.assert_allclose(found, expected, atol=1e-3 if kind == "png" else 6)


def test_a_thumbnail_of_no_picture_is_an_image_error(tmp_path):
    (tmp_path / "text.jpg").write_bytes(b"text")
    with pytest.raises(ImageError, match="not a picture of a known format"):
        read_thumbnail(tmp_path / "text.jpg", (10, 10), 4)
