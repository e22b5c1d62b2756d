"""examples/ray_train.py: its options; Ray itself is tried by hand."""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "examples" / "ray_train.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("ray_train", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_words_behind_the_dashes_are_those_of_the_training(example):
    options = example.parse(
        ["--workers", "2", "--gpus", "0", "--", "--run-name=a", "csv", "a.csv", "b.csv"]
    )
    assert (options.workers, options.gpus) == (2, 0)
    assert options.words == ["--run-name=a", "csv", "a.csv", "b.csv"]


def test_a_run_without_a_name_is_refused(example, capsys):
    with pytest.raises(SystemExit) as ended:
        example.parse(["--workers", "2", "--", "csv", "a.csv", "b.csv"])
    assert ended.value.code == 2
    assert "needs a --run-name" in capsys.readouterr().err


def test_without_ray_the_extra_is_named(example, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit, match=r"pip install 'keras-retinanet\[ray\]'"):
        example.main(["--workers", "2", "--", "--run-name", "a", "csv", "a", "b"])
