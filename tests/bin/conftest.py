"""A drawn dataset and a tiny network trained on it, shared by the tests of the commands."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from keras_retinanet.bin import console, train
from tests import sketch

ANCHORS = """\
[anchor_parameters]
sizes = 16 32 64
strides = 8 16 32
ratios = 0.5 1 2
scales = 1 1.5
[pyramid_levels]
levels = 3 4 5
"""
TINY = (
    *("--no-weights", "--backbone", sketch.NAME, "--pyramid-features", "16"),
    *("--head-features", "16", "--head-layers", "1", "--batch-size", "3", "--epochs", "2"),
    *("--image-min-side", "96", "--image-max-side", "128", "--seed", "1"),
)


@pytest.fixture(scope="session", autouse=True)
def small_backbone():
    """Let the commands know `sketch.NAME`, which `TINY` trains."""
    with sketch.known():
        yield


def draw_picture(path, rng, count):
    """Write a noisy picture of 128 x 96 with `count` objects; return their CSV rows."""
    image = Image.fromarray(rng.integers(60, 120, (96, 128, 3), np.uint8))
    pen, rows = ImageDraw.Draw(image), []
    for place in range(count):
        side = int(rng.integers(24, 40))
        x = 42 * place + int(rng.integers(0, 42 - side))
        y = int(rng.integers(0, 96 - side))
        name = ("disc", "square")[rng.integers(2)]
        draw = {"disc": pen.ellipse, "square": pen.rectangle}[name]
        draw((x, y, x + side - 1, y + side - 1), fill=(250, 40 * place, 20))
        rows.append(f"{path.name},{x},{y},{x + side},{y + side},{name}")
    image.save(path)
    return rows or [f"{path.name},,,,,"]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Return a folder with train.csv (6 pictures), val.csv (4), classes.csv and anchors.ini.

    val_0.png has no object, the others one to three each.
    """
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(2)
    for split, counts in (("train", (3, 2, 3, 1, 3, 2)), ("val", (0, 3, 2, 3))):
        rows = [
            row
            for number, count in enumerate(counts)
            for row in draw_picture(folder / f"{split}_{number}.png", rng, count)
        ]
        (folder / f"{split}.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "classes.csv").write_text("disc,0\nsquare,1\n", encoding="utf-8")
    (folder / "anchors.ini").write_text(ANCHORS, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def trained(drawn, tmp_path_factory):
    """Return the History, the folder and the last snapshot of a run of retinanet-train."""
    folder = tmp_path_factory.mktemp("runs")
    history = train.main(
        [
            *("--config", str(drawn / "anchors.ini"), "--snapshot-path", str(folder)),
            *("csv", str(drawn / "train.csv"), str(drawn / "classes.csv")),
            *("--val-annotations", str(drawn / "val.csv"), "--run-name", "tiny", *TINY),
        ]
    )
    run = folder / "tiny"
    return SimpleNamespace(history=history, folder=run, snapshot=run / "last.keras")


@pytest.fixture
def outcome(capsys):
    """Return f(command module, words) -> (exit code, stderr) of a command as a program."""

    def run(module, words):
        words = [str(word) for word in words]
        try:
            code = console.run(partial(module.main, words), module.PROG)
        except SystemExit as stopped:
            code = stopped.code
        return code, capsys.readouterr().err

    return run
