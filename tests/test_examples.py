"""The examples: a drawn dataset is what its CSV files say, and the demo stops when a step fails."""

import csv
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def draw_shapes(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import draw_shapes

    return draw_shapes


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import demo

    return demo


def slow_bounds(coverage):
    """Return the bounds of the pixels covered by a half, one pixel after the other."""
    inside = [(x, y) for (y, x), value in np.ndenumerate(coverage) if value >= 128]
    columns, rows = zip(*inside, strict=True)
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# --- boxes


def test_the_box_of_an_upright_square_is_the_square(draw_shapes):
    coverage = draw_shapes.coverage_of("square", (120, 100), (50, 60), 40, angle=math.pi / 4)
    assert draw_shapes.bounds(coverage) == (30, 40, 70, 80)
    assert np.count_nonzero(coverage >= 128) == 40 * 40


def test_the_box_of_a_circle_is_its_diameter(draw_shapes):
    coverage = draw_shapes.coverage_of("circle", (100, 100), (50, 40), 30)
    assert draw_shapes.bounds(coverage) == (35, 25, 65, 55)
    assert np.count_nonzero(coverage >= 128) == pytest.approx(math.pi * 15**2, rel=0.05)


@pytest.mark.parametrize("seed", range(40))
def test_boxes_are_the_bounds_of_the_shape(draw_shapes, seed):
    shape = draw_shapes.random_shape(np.random.default_rng(seed), (256, 320))
    assert shape.box == slow_bounds(shape.coverage)
    x1, y1, x2, y2 = shape.box
    assert 0 <= x1 < x2 <= 320 and 0 <= y1 < y2 <= 256
    assert 27 <= max(x2 - x1, y2 - y1) <= 129


@pytest.mark.parametrize("seed", range(10))
def test_painting_changes_the_picture_within_the_box_and_its_soft_edge(draw_shapes, seed):
    rng = np.random.default_rng(seed)
    plain = np.full((256, 256, 3), 128, np.float32)
    shape = draw_shapes.random_shape(rng, (256, 256))
    painted = draw_shapes.paint(rng, plain, shape)
    changed = np.abs(painted - plain).max(axis=-1) > 20
    assert slow_bounds(changed * 255) == pytest.approx(shape.box, abs=1)
    assert np.all(plain == 128)


@pytest.mark.parametrize("seed", range(10))
def test_at_least_half_of_every_shape_is_visible(draw_shapes, seed):
    shapes = draw_shapes.arrange(np.random.default_rng(seed), (240, 240), 12)
    assert len(shapes) >= 2
    owner = np.full((240, 240), -1)
    for place, shape in enumerate(shapes):
        owner[shape.coverage >= 128] = place
    for place, shape in enumerate(shapes):
        assert np.sum(owner == place) >= 0.5 * np.sum(shape.coverage >= 128)


# --- files


def test_a_dataset_reads_back_as_it_was_drawn(draw_shapes, tmp_path):
    objects = draw_shapes.draw_dataset(tmp_path, train=13, val=2, test=1, seed=5)
    assert rows_of(tmp_path / "classes.csv") == [
        ["circle", "0"],
        ["square", "1"],
        ["triangle", "2"],
    ]
    rows = rows_of(tmp_path / "train.csv")
    assert len({row[0] for row in rows}) == 13
    assert [row for row in rows if row[5] == ""] == [["images/train_0011.jpg", "", "", "", "", ""]]
    assert sum(row[5] != "" for row in rows) == objects["train"]
    for row in rows:
        height, width = cv2.imread(str(tmp_path / row[0])).shape[:2]
        if row[5]:
            x1, y1, x2, y2 = map(int, row[1:5])
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            assert row[5] in draw_shapes.CLASSES


def test_pictures_are_jpeg_files_and_unseen_ones_have_no_annotations(draw_shapes, tmp_path):
    draw_shapes.draw_dataset(tmp_path, train=1, val=1, test=2)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    pictures = {"images/train_0000.jpg", "images/val_0000.jpg"}
    pictures |= {"unseen/test_0000.jpg", "unseen/test_0001.jpg"}
    assert files == pictures | {"train.csv", "val.csv", "classes.csv"}
    assert all((tmp_path / path).read_bytes()[:3] == b"\xff\xd8\xff" for path in pictures)


def test_equal_seeds_give_equal_files_and_more_pictures_leave_the_others(draw_shapes, tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    draw_shapes.draw_dataset(folders[0], train=2, val=1, test=0, seed=3)
    draw_shapes.draw_dataset(folders[1], train=4, val=1, test=0, seed=3)
    draw_shapes.draw_dataset(folders[2], train=2, val=1, test=0, seed=4)
    a, b, c = ((folder / "images/train_0001.jpg").read_bytes() for folder in folders)
    assert a == b != c
    rows = [rows_of(folder / "train.csv") for folder in folders]
    assert rows[0] == rows[1][: len(rows[0])]


@pytest.mark.parametrize("text", ["-1", "many", "1.5"])
def test_a_count_that_is_none_is_refused(draw_shapes, tmp_path, text, capsys):
    with pytest.raises(SystemExit) as stopped:
        draw_shapes.main([str(tmp_path / "shapes"), f"--train={text}"])
    assert stopped.value.code == 2
    assert f"'{text}' is not a whole number" in capsys.readouterr().err
    assert not (tmp_path / "shapes").exists()


# --- the demo


def install(folder, monkeypatch, script):
    """Put a script in the place of the package's training command."""
    command = folder / "retinanet-train"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(folder / "python"))


def test_the_demo_replaces_only_its_own_folder(demo, tmp_path):
    demo.fresh_folder(tmp_path / "demo")
    (tmp_path / "demo" / "old.txt").touch()
    demo.fresh_folder(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [demo.MARKER]
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(demo.DemoError, match="not the demo's"):
        demo.fresh_folder(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in command is a shell script")
def test_a_command_is_printed_before_it_runs(demo, tmp_path, monkeypatch, capfd):
    install(tmp_path, monkeypatch, 'echo "got $#"')
    demo.run("retinanet-train", "csv", Path("my pictures") / "a.csv", "--epochs", 3)
    assert capfd.readouterr().out == (
        "\n$ retinanet-train csv 'my pictures/a.csv' --epochs 3\ngot 4\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="the stand-in command is a shell script")
def test_the_demo_stops_when_a_command_fails(demo, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "exit 3")
    monkeypatch.setitem(demo.SIZES, "smallest", demo.Size(1, 1, 1, epochs=1, bar=0))
    with pytest.raises(SystemExit) as stopped:
        demo.main(["--size", "smallest", "--output", str(tmp_path / "demo")])
    assert str(stopped.value.code).startswith("demo: exit code 3 from: retinanet-train csv")


def test_a_missing_command_says_what_to_install(demo, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(demo.DemoError, match="Install the project first"):
        demo.run("retinanet-train")


@pytest.mark.parametrize("reached", [0.79, 0.8])
def test_the_demo_fails_only_under_its_bar(demo, tmp_path, monkeypatch, capsys, reached):
    monkeypatch.setattr(demo, "run", lambda *command: None)
    monkeypatch.setattr(demo, "evaluate", lambda folder, model: {"mAP": reached})
    monkeypatch.setattr(demo, "detect", lambda detector, pictures, output: 7)
    size = demo.Size(train=1, val=1, unseen=1, epochs=1, bar=0.8)
    if reached < size.bar:
        with pytest.raises(demo.DemoError, match="mAP@0.5 0.7900 is under the bar of 0.8"):
            demo.demo(tmp_path / "demo", size)
    else:
        demo.demo(tmp_path / "demo", size)
    assert f"mAP@0.5 {reached:.4f}" in capsys.readouterr().out


def test_options_are_words_and_switches(demo):
    table = {"--no-weights": None, "--lr": 1e-3, "--config": Path("a.ini")}
    assert demo.options(table) == ["--no-weights", "--lr", "0.001", "--config", "a.ini"]


def test_a_contact_sheet_shows_every_picture_in_rows(demo):
    images = [np.full((10 + value, 20, 3), value, np.uint8) for value in range(5)]
    sheet = demo.contact_sheet(images)
    gap, cell = demo.GAP, 14 + demo.GAP
    assert sheet.shape == (2 * cell + gap, 4 * (20 + gap) + gap, 3)
    np.testing.assert_array_equal(sheet[gap : gap + 13, 3 * (20 + gap) + gap :][:, :20], images[3])
    np.testing.assert_array_equal(sheet[cell + gap : cell + gap + 14, gap : gap + 20], images[4])
    assert np.all(sheet[:gap] == 255)
