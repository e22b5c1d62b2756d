"""Runs that die and go on: the final weights are those of a run that was left alone, to the bit."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from keras_retinanet.models.checkpoint import checkpoints
from tests import sketch

ROOT = Path(__file__).parents[2]
TINY = (
    *("--no-weights", "--backbone", sketch.NAME, "--pyramid-features", "16"),
    *("--head-features", "16", "--head-layers", "1", "--batch-size", "2"),
    *("--image-min-side", "96", "--image-max-side", "128", "--seed", "1", "--deterministic"),
    *("--ema", "0.9", "--no-doctor"),
)
MINUTES = 20 * 60


def command(drawn, runs, name, *more):
    """Return a command line of a run on the drawn pictures."""
    return [
        *("csv", str(drawn / "train.csv"), str(drawn / "classes.csv"), "--val-annotations"),
        *(str(drawn / "val.csv"), "--config", str(drawn / "anchors.ini"), *TINY),
        *("--snapshot-path", str(runs), "--run-name", name, *map(str, more)),
    ]


def start(moment, words, **options):
    """Start a run that is killed at `moment`, as a program."""
    program = [sys.executable, "-m", "tests.bin.killed_training", moment, *words]
    return subprocess.Popen(
        program,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        **options,
    )


def run(moment, words):
    """Return (exit code, output) of a run."""
    process = start(moment, words)
    output, _ = process.communicate(timeout=MINUTES)
    return process.returncode, output


def content(path):
    """Return {member: bytes or arrays} of a snapshot: weights, and what a checkpoint has more."""
    import h5py

    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                found[name] = archive.read(name)
        with archive.open("model.weights.h5") as stream, h5py.File(stream) as weights:
            weights.visititems(
                lambda name, item: (
                    found.update({name: np.array(item).tobytes()})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return found


def assert_equal_runs(one, other):
    """Assert that two runs ended with the same weights, optimizer, averages and history."""
    ends = [checkpoints(folder / "checkpoints")[0] for folder in (one, other)]
    assert ends[0].name == ends[1].name
    for pair in (ends, [folder / "last.keras" for folder in (one, other)]):
        first, second = map(content, pair)
        assert first.keys() == second.keys() and len(first) > 40
        assert [name for name in first if first[name] != second[name]] == []
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()


@pytest.fixture(scope="module")
def whole(drawn, tmp_path_factory):
    """Return the folder of a run of three epochs that was left alone."""
    runs = tmp_path_factory.mktemp("whole")
    code, output = run("never", command(drawn, runs, "whole", "--epochs", 3))
    assert code == 0, output
    return runs / "whole"


@pytest.mark.heavy
def test_a_run_terminated_and_killed_ends_as_one_left_alone(drawn, whole, tmp_path):
    """SIGTERM inside an epoch, then SIGKILL while a checkpoint is written."""
    folder = tmp_path / "ended"
    process = start("never", command(drawn, tmp_path, "ended", "--epochs", 3, "--save-every", 2))
    for line in process.stdout:
        if line.startswith("epoch 1/3"):
            break
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    output, _ = process.communicate(timeout=MINUTES)
    assert process.returncode == 143, output
    assert time.monotonic() - asked < 30
    assert f"go on with --resume {folder}" in output
    code, output = run("save:20", ["--resume", str(folder)])
    assert code == -signal.SIGKILL, output
    assert list((folder / "checkpoints").glob(".step-*"))  # the half of a file
    code, output = run("never", ["--resume", str(folder)])
    assert code == 0, output
    assert not list((folder / "checkpoints").glob(".step-*"))
    assert_equal_runs(whole, folder)


@pytest.mark.heavy
def test_a_run_killed_at_ten_random_moments_ends_as_one_left_alone(drawn, tmp_path):
    """A checkpoint after every step, so that many of the kills come while one is written."""
    more = ("--epochs", 12, "--save-every", 1)
    code, output = run("never", command(drawn, tmp_path, "whole", *more))
    assert code == 0, output
    folder, rng, halves = tmp_path / "killed", np.random.default_rng(0), 0
    words = command(drawn, tmp_path, "killed", *more)
    for _ in range(10):
        begun = checkpoints(folder / "checkpoints")[:1]
        process = start("never", words)
        while checkpoints(folder / "checkpoints")[:1] == begun and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1.0))
        process.kill()
        process.communicate()
        halves += len(list((folder / "checkpoints").glob(".step-*")))
        words = ["--resume", str(folder)]
    code, output = run("never", words)
    assert code == 0, output
    print(f"{halves} of 10 kills came while a checkpoint was written")
    assert_equal_runs(tmp_path / "whole", folder)
