"""A training in several processes gives the weights of one, on the backend that can."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_retinanet.bin.supervisor import free_port


def start(index, number, port, file):
    words = [sys.executable, "-m", "tests.models.in_processes", index, number, port, file]
    return subprocess.Popen(
        list(map(str, words)), stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


@pytest.mark.numerics
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="processes train together on JAX")
def test_two_processes_give_the_weights_and_the_detections_of_one(tmp_path):
    """After 20 steps of Adam with clipping and averages; objects lie in the second's part."""
    files, port = [tmp_path / "one.npz", tmp_path / "two.npz"], free_port()
    started = [
        start(0, 1, port, files[0]),
        start(0, 2, port, files[1]),
        start(1, 2, port, files[1]),
    ]
    for process in started:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors[-3000:]
    one, two = (list(np.load(file).values()) for file in files)
    np.testing.assert_array_equal(one[0], two[0])
    assert len(one[0]) > 40 and len(one) == len(two) > 50
    assert max(abs(a - b).max() for a, b in zip(one[1:], two[1:], strict=True)) < 1e-5
