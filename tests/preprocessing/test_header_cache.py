"""Headers are read once: what is kept of them, when it counts, and that it never disturbs."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing import header_cache, pictures
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.pictures import check_files_once
from keras_retinanet.utils.image import ImageError

SIZES = [(40, 60), (30, 20), (50, 50)]
LIMIT = 10**6


def save(path, size, orientation=1):
    """Write a JPEG whose file was changed a minute ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", size[::-1]).save(path, exif=exif)
    os.utime(path, ns=(path.stat().st_mtime_ns - 60 * 10**9,) * 2)
    return str(path)


@pytest.fixture(autouse=True)
def small_sets_count_too(monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "CACHED_FROM", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path):
    return [
        save(tmp_path / "set" / f"{index % 2}" / f"{index}.jpg", size)
        for index, size in enumerate(SIZES)
    ]


@pytest.fixture
def read(monkeypatch):
    """Return the list of the files whose headers are read from now on."""
    names, check = [], pictures.check_image
    monkeypatch.setattr(
        pictures,
        "check_image",
        lambda path, *args, **kwargs: names.append(Path(path).name) or check(path, *args, **kwargs),
    )
    return names


def beside(tmp_path):
    return tmp_path / "set" / ".retinanet-headers"


def test_a_second_start_reads_no_header(files, read, tmp_path):
    for expected in (["0.jpg", "1.jpg", "2.jpg"], []):
        sizes, broken = check_files_once(files, LIMIT)
        assert sizes.dtype == np.int64
        assert sizes.tolist() == [list(size) for size in SIZES]
        assert broken == {}
        assert sorted(read) == expected
        read.clear()
    assert beside(tmp_path).exists()
    assert not (tmp_path / "cache").exists()
    assert beside(tmp_path).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "set").iterdir() if path.is_file()] == [
        ".retinanet-headers"
    ]


def test_only_the_header_of_a_changed_file_is_read_again(files, read):
    check_files_once(files, LIMIT)
    read.clear()
    save(Path(files[1]), (33, 44))
    sizes, _ = check_files_once(files, LIMIT)
    assert read == ["1.jpg"]
    assert sizes.tolist() == [[40, 60], [33, 44], [50, 50]]


def test_a_file_of_the_same_length_counts_as_changed_by_its_time(files, read):
    check_files_once(files, LIMIT)
    read.clear()
    os.utime(files[2], ns=(5 * 10**9, 5 * 10**9))
    check_files_once(files, LIMIT)
    assert read == ["2.jpg"]


def test_a_file_changed_a_moment_ago_is_read_each_time(files, read):
    os.utime(files[0])
    check_files_once(files, LIMIT)
    read.clear()
    check_files_once(files, LIMIT)
    assert read == ["0.jpg"]


def test_missing_broken_and_large_pictures_are_named_each_time(files):
    Path(files[0]).unlink()
    Path(files[1]).write_bytes(b"")
    for _ in range(2):
        sizes, broken = check_files_once(files, 2499)
        assert sizes.tolist() == [[0, 0]] * 3
        assert list(broken) == [0, 1, 2]
        assert "there is no such file" in broken[0]
        assert "the file is empty" in broken[1]
        assert "over the limit of 2499" in broken[2]
    check_files_once(files, 2500)
    _, broken = check_files_once(files, 2499)  # now the large one is known
    assert "over the limit of 2499" in broken[2]
    Path(files[2]).unlink()
    _, broken = check_files_once(files, 2500)
    assert list(broken) == [0, 1, 2]


def test_two_sets_of_one_folder_share_a_cache(files, read):
    check_files_once(files[:2], LIMIT)
    check_files_once(files, LIMIT)
    assert sorted(read) == ["0.jpg", "1.jpg", "2.jpg"]
    read.clear()
    for part in (files[:2], files[1:], files[::-1]):
        sizes, _ = check_files_once(part, LIMIT)
        assert sizes.tolist() == [list(SIZES[files.index(path)]) for path in part]


def test_entries_of_files_that_are_gone_are_forgotten(files, read, tmp_path):
    extra = save(tmp_path / "set" / "0" / "9.jpg", (10, 10))
    check_files_once([extra, files[1]], LIMIT)
    assert b"9.jpg" in beside(tmp_path).read_bytes()
    Path(extra).unlink()
    check_files_once([files[0], files[1]], LIMIT)
    assert b"9.jpg" not in beside(tmp_path).read_bytes()


def test_upright_and_stored_sizes_are_kept_apart(tmp_path, read):
    paths = [save(tmp_path / "set" / "turned.jpg", (40, 60), orientation=6)]
    for _ in range(2):
        assert check_files_once(paths, LIMIT, exif=True)[0].tolist() == [[60, 40]]
        assert check_files_once(paths, LIMIT, exif=False)[0].tolist() == [[40, 60]]
    assert len(read) == 2


def test_a_damaged_cache_is_as_good_as_none(files, read, tmp_path):
    check_files_once(files, LIMIT)
    whole = beside(tmp_path).read_bytes()
    damaged = [whole[:cut] for cut in range(0, len(whole), 19)]
    damaged += [
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 5)
    ]
    damaged += [b"[]\n", b"{}\n", b'{"format": 1}\n', b"\xff\n", whole + b"x", b"[" * 999_999]
    for content in damaged:
        beside(tmp_path).write_bytes(content)
        read.clear()
        sizes, _ = check_files_once(files, LIMIT)
        assert sizes.tolist() == [list(size) for size in SIZES]
        assert len(read) == 3
        assert beside(tmp_path).read_bytes() == whole


def test_a_folder_that_cannot_be_written_has_its_cache_at_home(files, read, monkeypatch, tmp_path):
    write = header_cache._write

    def refused(path, content):
        if path == beside(tmp_path):
            raise PermissionError
        write(path, content)

    monkeypatch.setattr(header_cache, "_write", refused)
    for _ in range(2):
        check_files_once(files, LIMIT)
    assert len(read) == 3
    (kept,) = (tmp_path / "cache" / "keras-retinanet").iterdir()
    assert kept.name.endswith(".retinanet-headers")


def test_where_nothing_can_be_written_nothing_is_said(files, read, monkeypatch):
    def refused(path, content):
        raise OSError("no space left")

    monkeypatch.setattr(header_cache, "_write", refused)
    for _ in range(2):
        check_files_once(files, LIMIT)
    assert len(read) == 6


def test_nothing_is_written_into_the_root_of_a_disk():
    root = Path(Path.cwd().anchor)
    places = header_cache._places(root, ".retinanet-headers")
    assert root / ".retinanet-headers" not in places
    assert header_cache._places(root / "a", ".retinanet-headers")[0].parent == root / "a"


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_the_way_a_folder_is_named_does_not_matter(files, read, monkeypatch, tmp_path, relative):
    check_files_once(files, LIMIT)
    read.clear()
    monkeypatch.chdir(tmp_path / "set")
    paths = [str(Path(path).relative_to(Path.cwd())) for path in files] if relative else files
    sizes, _ = check_files_once(paths, LIMIT)
    assert read == []
    assert sizes.tolist() == [list(size) for size in SIZES]


@pytest.mark.parametrize("name", ["a\0.jpg", "\udcff.jpg"], ids=["nul", "not UTF-8"])
def test_odd_names_do_no_harm(files, name):
    for _ in range(2):
        sizes, broken = check_files_once([*files, name], LIMIT)
        assert sizes.tolist() == [*(list(size) for size in SIZES), [0, 0]]
        assert list(broken) == [3]


def test_small_sets_leave_no_file(files, monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "CACHED_FROM", 4)
    check_files_once(files, LIMIT)
    assert not beside(tmp_path).exists()


def test_a_generator_starts_again_without_opening_pictures(csv_files, read, tmp_path):
    annotations, classes = csv_files([(40, 60), (60, 40)])
    for index in range(2):
        os.utime(tmp_path / f"{index}.png", ns=(10**18, 10**18))
    for expected in (2, 0):
        read.clear()
        generator = CSVGenerator(annotations, classes)
        assert generator.image_sizes.tolist() == [[40, 60], [60, 40]]
        assert len(read) == expected
    (tmp_path / "1.png").unlink()
    with pytest.raises(ImageError, match=r"1.png: there is no such file"):
        CSVGenerator(annotations, classes)
