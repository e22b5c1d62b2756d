"""Pictures inside tar files: the same as outside, from any thread; faults in one line."""

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from keras_retinanet.utils import tar_files
from keras_retinanet.utils.image_channels import check_image_channels, read_image_channels
from keras_retinanet.utils.image_files import ImageError, check_image, read_image_bgr

LONG = "very/" * 30 + "deep ü.png"  # longer than the 100 bytes of a header


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """Know nothing of tar files read before, and keep nothing at the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def forget():
        for known in (tar_files._archive_stamp, tar_files._places_of, tar_files._descriptor):
            known.cache_clear()

    forget()
    yield forget
    forget()


def encoded(image, ending=".png"):
    return cv2.imencode(ending, image)[1].tobytes()


def write(path, members, mode="w", form=tarfile.PAX_FORMAT):
    with tarfile.open(path, mode, format=form) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    names = ("a.png", "./b.png", "sub/c.jpg", LONG)
    return {
        name: rng.integers(0, 256, (20 + 5 * i, 30, 3), np.uint8) for i, name in enumerate(names)
    }


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_pictures_are_those_of_plain_files(form, tmp_path, pictures):
    contents = {name: encoded(image, name[-4:]) for name, image in pictures.items()}
    write(tmp_path / "x.tar", {"folder.txt": b"", **contents}, form=form)
    for name, content in contents.items():
        plain = tmp_path / f"plain{name[-4:]}"
        plain.write_bytes(content)
        path = f"{tmp_path}/x.tar/{name.removeprefix('./')}"
        np.testing.assert_array_equal(read_image_bgr(path), read_image_bgr(plain))
        assert check_image(path) == pictures[name].shape[:2]
        assert tar_files.size_of(path) == plain.stat().st_size
        with tar_files.open_binary(path) as file:
            assert file.read() == content
            assert file.seek(-3, os.SEEK_END) == len(content) - 3 and file.read() == content[-3:]
            assert file.seek(2) == 2 and file.read(4) == content[2:6]


def test_pictures_of_any_channels_are_read(tmp_path):
    import tifffile

    image = np.arange(20 * 16 * 5, dtype=np.uint16).reshape(20, 16, 5)
    tiff, array = io.BytesIO(), io.BytesIO()
    tifffile.imwrite(tiff, image, planarconfig="contig", photometric="minisblack")
    np.save(array, image)
    write(tmp_path / "x.tar", {"a.tif": tiff.getvalue(), "a.npy": array.getvalue()})
    for name in ("a.tif", "a.npy"):
        np.testing.assert_array_equal(read_image_channels(f"{tmp_path}/x.tar/{name}", 5), image)
        assert check_image_channels(f"{tmp_path}/x.tar/{name}", 5) == (20, 16)
    four = np.arange(20 * 16 * 4, dtype=np.uint8).reshape(20, 16, 4)
    write(tmp_path / "y.tar", {"b.png": encoded(four)})
    np.testing.assert_array_equal(read_image_channels(f"{tmp_path}/y.tar/b.png", 4), four)


def test_many_threads_read_one_tar_file(tmp_path):
    contents = {f"{i}.bin": bytes([i]) * (1000 + i) for i in range(200)}
    write(tmp_path / "x.tar", contents)

    def read(name):
        with tar_files.open_binary(f"{tmp_path}/x.tar/{name}") as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, contents)) == list(contents.values())


def test_places_are_kept_beside_the_tar_file_until_it_changes(tmp_path, fresh, monkeypatch):
    archive = tmp_path / "x.tar"
    write(archive, {"a": b"one", "b": b"two"})

    def read(name):
        fresh()  # as another process
        with tar_files.open_binary(archive / name) as file:
            return file.read()

    assert read("b") == b"two"
    kept = tmp_path / ".x.tar.places.npy"
    assert kept.is_file()
    with monkeypatch.context() as patched:
        patched.setattr(tar_files, "_look_through", lambda archive: pytest.fail("looked again"))
        assert read("a") == b"one"
    write(archive, {"b": b"more", "c": b"3"}, mode="a")
    assert read("b") == b"more" and read("c") == b"3" and read("a") == b"one"
    kept.write_bytes(b"damaged")
    assert read("c") == b"3"


def test_where_nothing_can_be_written_it_works_all_the_same(tmp_path, monkeypatch):
    def refuse(path, content):
        raise OSError("read-only")

    monkeypatch.setattr(tar_files, "_write", refuse)
    write(tmp_path / "x.tar", {"a": b"one"})
    with tar_files.open_binary(tmp_path / "x.tar" / "a") as file:
        assert file.read() == b"one"


def compressed(path):
    write(path, {"a.png": b"x"}, mode="w:gz")


def garbage(path):
    path.write_bytes(b"no tar file at all" * 100)


def cut(path):
    write(path, {"a.png": b"x" * 5000, "b.png": b"y" * 5000})
    path.write_bytes(path.read_bytes()[:4000])


@pytest.mark.parametrize("make", [compressed, garbage, cut])
def test_what_cannot_be_read_is_one_line(make, tmp_path):
    make(tmp_path / "x.tar")
    with pytest.raises(ImageError, match=r"x\.tar: (cannot be read as a tar file|is cut off)") as e:
        read_image_bgr(tmp_path / "x.tar" / "a.png")
    assert "\n" not in str(e.value)


def test_a_missing_member_is_a_missing_file(tmp_path):
    write(tmp_path / "x.tar", {"a.png": b"x"})
    with pytest.raises(ImageError, match=r"x\.tar/b\.png: there is no such file"):
        read_image_bgr(tmp_path / "x.tar" / "b.png")
    with pytest.raises(FileNotFoundError):
        tar_files.stamp(tmp_path / "none.tar" / "a.png")


def test_a_folder_with_such_a_name_is_a_folder(tmp_path):
    (tmp_path / "x.tar").mkdir()
    (tmp_path / "x.tar" / "a").write_bytes(b"plain")
    with tar_files.open_binary(tmp_path / "x.tar" / "a") as file:
        assert file.read() == b"plain"
