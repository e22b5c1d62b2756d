"""--devices: what is refused before anything begins, and how a batch shrinks."""

import pytest

from keras_retinanet.bin import train
from keras_retinanet.bin.train_devices import halved

REFUSED = {
    "uneven": ("tensorflow", ("--devices", 2, "--batch-size", 3), "multiple of 2; give 2 or 4"),
    "too few": ("jax", ("--devices", 4, "--batch-size", 2), "multiple of 4; give 4"),
    "default": ("tensorflow", ("--devices", 2), "--batch-size 1 counts the pictures of a step"),
    "auto": ("jax", ("--devices", 2, "--batch-size", "auto"), "auto is tried on one device"),
    "torch": ("torch", ("--devices", 2, "--batch-size", 2), "on torch one device trains"),
    "plan": ("jax", ("--devices", 2, "--batch-size", 2, "--plan"), "--plan measures one device"),
    "accumulate": (
        "tensorflow",
        ("--devices", 2, "--batch-size", 2, "--accumulate", 2),
        "--accumulate 2: on TensorFlow with --devices",
    ),
    "none": ("tensorflow", ("--devices", 0), "--devices"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(case, drawn, outcome, monkeypatch):
    backend, words, message = REFUSED[case]
    monkeypatch.setenv("KERAS_BACKEND", backend)
    line = ["csv", drawn / "train.csv", drawn / "classes.csv", "--no-weights", *words]
    code, error = outcome(train, line)
    assert code == 2 and message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("batch", "devices", "half"),
    [(8, 1, 4), (5, 1, 2), (1, 1, 0), (8, 2, 4), (6, 2, 2), (4, 2, 2), (2, 2, 0), (9, 3, 3)],
)
def test_half_a_batch_is_shared_out_evenly(batch, devices, half):
    assert halved(batch, devices) == half
