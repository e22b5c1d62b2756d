"""Processes of a run that are killed: the others begin again with them, and nothing is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bin.test_resume import assert_equal_runs, command

ROOT = Path(__file__).parents[2]
MINUTES = 20 * 60


def start(drawn, runs, name):
    """Start a run of four epochs in two processes."""
    words = command(drawn, runs, name, "--epochs", 4, "--save-every", 1, "--processes", 2)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bin.supervised_training", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"},
    )


def children(process):
    """Return the ids of the processes that `process` has started."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in listed.split()]


def wait_for_checkpoint(folder, process, before):
    """Return the names of the checkpoints once one is there that is not in `before`."""
    limit = time.monotonic() + MINUTES
    while process.poll() is None and time.monotonic() < limit:
        names = {path.name for path in (folder / "checkpoints").glob("step-*.keras")}
        if names - before:
            return names
        time.sleep(0.01)
    raise AssertionError(process.communicate()[0])


def measured(drawn, runs, processes):
    """Return the numbers of retinanet-evaluate in so many processes."""
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", runs / "whole" / "last.keras"]
    words += ["--json", runs / f"{processes}.json", "--processes", processes]
    subprocess.run(
        [sys.executable, "-m", "keras_retinanet.bin.evaluate", *map(str, words)],
        cwd=ROOT,
        check=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        timeout=MINUTES,
    )
    numbers = json.loads((runs / f"{processes}.json").read_text())
    return {name: value for name, value in numbers.items() if name != "inference_seconds"}


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux' /proc")
def test_a_run_whose_processes_are_killed_ends_as_one_left_alone(drawn, tmp_path):
    """Each of the two is killed once, at a moment drawn from the seed."""
    whole = start(drawn, tmp_path, "whole")
    output, _ = whole.communicate(timeout=MINUTES)
    assert whole.returncode == 0, output
    rng, names = random.Random(3), set()
    process = start(drawn, tmp_path, "killed")
    for index in (1, 0):
        names = wait_for_checkpoint(tmp_path / "killed", process, names)
        time.sleep(rng.uniform(0, 0.5))
        os.kill(children(process)[index], signal.SIGKILL)
    output, _ = process.communicate(timeout=MINUTES)
    assert process.returncode == 0, output
    assert output.count("all begin again from step-") == 2, output
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")
    numbers = [measured(drawn, tmp_path, processes) for processes in (1, 2)]
    assert numbers[0] == numbers[1] and len(numbers[0]) > 10


@pytest.mark.heavy
def test_a_run_that_is_terminated_ends_in_good_order(drawn, tmp_path):
    process = start(drawn, tmp_path, "ended")
    wait_for_checkpoint(tmp_path / "ended", process, set())
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert "Traceback" not in output
