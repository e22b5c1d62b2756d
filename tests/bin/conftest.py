"""A drawn dataset and a tiny network trained on it, shared by the tests of the commands."""

import importlib.util
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from keras_retinanet.bin import console, train

ROOT = Path(__file__).parents[2]
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
    *("--no-weights", "--backbone", "mobilenet128_0.25", "--pyramid-features", "16"),
    *("--head-features", "16", "--head-layers", "1", "--batch-size", "3", "--epochs", "2"),
    *("--image-min-side", "96", "--image-max-side", "128", "--seed", "1"),
)


def load_example(name):
    """Return the module of a script in examples/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Return a folder with train.csv (6 pictures), val.csv (4), classes.csv and anchors.ini."""
    import sys

    folder = tmp_path_factory.mktemp("drawn")
    module = sys.modules.setdefault("draw_shapes", load_example("draw_shapes"))
    module.draw_dataset(folder, train=6, val=4, test=0, seed=2)
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


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))
