"""retinanet-debug: what is drawn where, and where pictures go."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.bin import debug, debug_output

RED, GREEN, CYAN, GREY = (0, 0, 255), (0, 255, 0), (255, 255, 0), (90, 90, 90)
BIG, TINY = (40, 24, 104, 88), (2, 2, 7, 6)  # 64 x 64 has anchors, 5 x 4 has none


@pytest.fixture
def pictures(tmp_path):
    """Return the words for a dataset of grey PNG files: big and tiny box, no box, 200 x 100."""
    for name, size in (("boxes", (128, 96)), ("none", (128, 96)), ("wide", (200, 100))):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", size, GREY).save(path)
    rows = [f"boxes.png,{','.join(map(str, box))},thing" for box in (BIG, TINY)]
    rows += ["none.png,,,,,", "wide.png,10,20,74,84,thing"]
    (tmp_path / "data" / "a.csv").write_text("\n".join(rows))
    (tmp_path / "data" / "c.csv").write_text("thing,0")
    return ["csv", str(tmp_path / "data" / "a.csv"), str(tmp_path / "data" / "c.csv")]


def run(pictures, tmp_path, *words):
    """Return {file stem: picture} of a run that writes files."""
    out = tmp_path / "out"
    sides = () if "--no-resize" in words else ("--image-min-side", "96", "--image-max-side", "160")
    own = ["--no-gui", "--flatten-output", "--output-dir", str(out)]
    written = debug.main([*own, *sides, *words, *pictures])
    assert sorted(written) == sorted(str(path) for path in out.iterdir())
    return {Path(path).stem: cv2.imread(path) for path in written}


def pixels(image, color):
    return (image == color).all(axis=-1)


def test_a_box_with_anchors_is_green_and_one_without_is_red(pictures, tmp_path, capsys):
    image = run(pictures, tmp_path)["boxes_debug"]
    x1, y1, x2, y2 = BIG
    edges = [image[y1, x1:x2], image[y2, x1:x2], image[y1:y2, x1], image[y1:y2, x2]]
    assert all(pixels(edge, GREEN).all() for edge in edges)
    x1, y1, x2, y2 = TINY
    assert pixels(image, RED)[y2 - 1 : y2 + 2, x1 : x2 + 1].any()
    assert not pixels(image, GREEN)[: y2 + 3, : x2 + 3].any()
    assert "3 pictures written; 2 of 3 boxes have anchors" in capsys.readouterr().out


def test_a_picture_without_boxes_is_resized_like_the_others_and_stays_plain(pictures, tmp_path):
    images = run(pictures, tmp_path, "--image-min-side", "48")
    assert images["none_debug"].shape == images["boxes_debug"].shape == (48, 64, 3)
    assert pixels(images["none_debug"], GREY).all()


def test_sizes_stay_without_resizing(pictures, tmp_path):
    images = run(pictures, tmp_path, "--no-resize")
    assert [images[name].shape[:2] for name in ("boxes_debug", "wide_debug")] == [
        (96, 128),
        (100, 200),
    ]


def test_a_long_picture_keeps_to_the_larger_side_and_its_box_goes_with_it(pictures, tmp_path):
    image = run(pictures, tmp_path)["wide_debug"]
    assert image.shape == (80, 160, 3)
    assert pixels(image[round(20 * 0.8), 9:58], GREEN).all()  # y1 = 20, x from 10 to 74


def test_nothing_is_drawn_where_nothing_is_asked_for(pictures, tmp_path):
    images = run(pictures, tmp_path, "--no-show-annotations")
    assert all(pixels(image, GREY).all() for image in images.values())


def test_anchors_are_drawn_where_objects_have_them(pictures, tmp_path):
    images = run(pictures, tmp_path, "--no-show-annotations", "--anchors")
    assert not pixels(images["none_debug"], CYAN).any()
    drawn = pixels(images["boxes_debug"], CYAN)
    assert drawn.any() and not drawn[: TINY[3] + 2, : TINY[2] + 2].any()
    # the anchor of level 4 (64 x 64, cells of 16 pixels) centred on (72, 56) is the box itself
    x1, y1, x2, y2 = BIG
    assert drawn[y1, x1:x2].all() and drawn[y1:y2, x1].all()


def test_other_anchors_come_from_the_configuration(pictures, tmp_path):
    config = tmp_path / "small.ini"
    config.write_text(
        "[anchor_parameters]\nsizes = 4\nstrides = 2\nratios = 1\nscales = 1\n"
        "[pyramid_levels]\nlevels = 3 4 5\n"
    )
    with pytest.raises(ValueError, match="1 anchor sizes for 3 pyramid levels"):
        run(pictures, tmp_path, "--config", str(config))
    config.write_text(
        "[anchor_parameters]\nsizes = 4 8 16\nstrides = 8 16 32\nratios = 1\nscales = 1\n"
        "[pyramid_levels]\nlevels = 3 4 5\n"
    )
    image = run(pictures, tmp_path, "--config", str(config))["boxes_debug"]
    x1, y1, x2, _ = BIG  # 64 x 64 is too large now, 5 x 4 has the anchor of (2, 2) to (6, 6)
    assert pixels(image[y1, x1:x2], RED).all()
    assert pixels(image[TINY[1], TINY[0] : TINY[2]], GREEN).all()


def test_the_seed_repeats_the_augmentation(pictures, tmp_path):
    first, again, other = (
        run(pictures, tmp_path, "--random-transform", "--seed", seed)["boxes_debug"].copy()
        for seed in ("3", "3", "4")
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert not pixels(first, GREY).all()


@pytest.mark.parametrize("name", ["large-scale-jitter", "crop", "mosaic", "colours"])
def test_every_augmentation_is_shown(name, pictures, tmp_path):
    images = run(pictures, tmp_path, "--augmentation", name, "--seed", "1")
    assert images["boxes_debug"].shape == (96, 128, 3)
    plain = run(pictures, tmp_path)
    assert any((images[stem] != plain[stem]).any() for stem in plain)


def test_pictures_of_other_channels_are_shown_by_their_first_three(pictures, tmp_path, outcome):
    for name in ("boxes", "none", "wide"):
        path = tmp_path / "data" / f"{name}.png"
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 11
        cv2.imwrite(str(path), cv2.merge([grey, grey * 2, grey * 4, grey * 3]))
    images = run(pictures, tmp_path, "--channels", "4", "--no-show-annotations")
    assert pixels(images["none_debug"], (61, 123, 247)).all()  # 990, 1980, 3960, over 16
    code, message = outcome(debug, ["--channels", "2", "--output-dir", "x", *pictures])
    assert code == 2 and message.count("\n") == 1
    assert "boxes.png: it has 3 channels, not 2. Convert it" in message


def test_a_function_of_ones_own_is_shown_and_its_faults_are_one_line(
    pictures, tmp_path, monkeypatch, outcome
):
    (tmp_path / "shown_changes.py").write_text(
        "def blue(image, boxes, labels):\n    image[..., 0] = 255\n"
        "    return image, boxes, labels\n"
        "def lost(image, boxes, labels):\n    return image, boxes, labels[:-1]\n"
    )
    monkeypatch.chdir(tmp_path)
    images = run(pictures, tmp_path, "--augment-with", "shown_changes:blue")
    assert pixels(images["none_debug"], (255, *GREY[1:])).all()
    words = ["--no-gui", "--output-dir", "x", "--augment-with"]
    code, message = outcome(debug, [*words, "shown_changes:lost", *pictures])
    assert code == 2 and message.count("\n") == 1
    assert "lost, on " in message and "boxes.png: labels must be [2], one a box" in message
    code, message = outcome(debug, [*words, "no_changes:lost", *pictures])
    assert code == 2 and "there is no module no_changes" in message


def test_the_name_is_written_at_the_bottom(pictures, tmp_path):
    image = run(pictures, tmp_path, "--display-name", "--no-show-annotations")["none_debug"]
    assert pixels(image[:60], GREY).all()
    assert pixels(image[60:], (255, 255, 255)).any()


def test_where_there_are_no_windows_files_are_written_and_it_says_so(
    pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(debug_output.sys, "platform", "linux")
    out = tmp_path / "files"
    written = debug.main([*pictures, "--output-dir", str(out)])
    assert len(written) == 3 and all(Path(path).is_file() for path in written)
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == f"there are no windows here, so writing 3 pictures to {out}"


# --- paths


@pytest.mark.parametrize(
    ("path", "flatten", "expected"),
    [
        ("a.jpg", False, "out/a_debug.jpg"),
        ("data/a.jpg", False, "out/data/a_debug.jpg"),
        ("/data/a.jpg", False, "out/data/a_debug.jpg"),
        ("/data/a.jpg", True, "out/a_debug.jpg"),
        ("../a.jpg", False, "out/a_debug.jpg"),
        ("x/../../../etc/a.jpg", False, "out/etc/a_debug.jpg"),
        ("/../a.jpg", False, "out/a_debug.jpg"),
        ("//host/a.tar.png", True, "out/a.tar_debug.png"),
        ("a", False, "out/a_debug"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")
def test_the_output_lies_in_its_folder_whatever_the_picture_is_called(path, flatten, expected):
    assert debug.make_output_path("out", path, flatten) == expected


def test_pictures_of_one_name_do_not_overwrite_each_other():
    paths = debug_output.OutputPaths("out", flatten=True)
    given = [str(paths.path(path)) for path in ("/a/x.png", "/b/x.png", "/c/x.png", "/c/y.png")]
    assert given == ["out/x_debug.png", "out/x_debug_2.png", "out/x_debug_3.png", "out/y_debug.png"]


@pytest.mark.parametrize("name", ["x_debug", "x_debug.psd"])
def test_a_file_type_that_cannot_be_written_becomes_png(tmp_path, name):
    image = np.full((4, 5, 3), (1, 2, 3), np.uint8)
    path = debug_output.write_picture(tmp_path / name, image)
    assert path == str(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(cv2.imread(path), image)


# --- the window


class FakeWindow:
    """Stands for OpenCV's functions of a window: answers keys, keeps what is shown."""

    def __init__(self, monkeypatch, keys):
        self.keys, self.shown = list(keys), []
        monkeypatch.setenv("DISPLAY", ":0")
        for name in ("namedWindow", "imshow", "waitKeyEx", "getWindowProperty"):
            monkeypatch.setattr(cv2, name, getattr(self, name))
        monkeypatch.setattr(cv2, "destroyAllWindows", lambda: self.shown.append("gone"))

    def namedWindow(self, title, flags):
        pass

    def imshow(self, title, image):
        self.shown.append(image.shape[:2])

    def waitKeyEx(self, delay):
        return self.keys.pop(0)

    def getWindowProperty(self, title, what):
        return 1.0 if self.keys else 0.0


SIZES = [(96, 128), (96, 128), (100, 200)]


@pytest.mark.parametrize(
    ("keys", "indices"),
    [
        (["q"], [0]),
        ([27], [0]),
        (["m", "m", "n", "q"], [0, 1, 2, 1]),
        ([83, 65363, 2555904, "q"], [0, 1, 2, 0]),
        ([81, 65361, 2424832, "q"], [0, 2, 1, 0]),
        ([-1, "x", "m", "q"], [0, 1]),
        ([-1], [0]),  # the window is closed
    ],
)
def test_keys_go_through_the_pictures(pictures, tmp_path, monkeypatch, keys, indices):
    codes = [ord(key) if isinstance(key, str) else key for key in keys]
    window = FakeWindow(monkeypatch, codes)
    monkeypatch.chdir(tmp_path)
    assert debug.main([*pictures, "--no-resize"]) == []
    assert window.shown == [*(SIZES[index] for index in indices), "gone"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # no files
