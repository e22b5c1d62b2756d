"""Out of memory in a run, and --plan: by the command on the drawn pictures."""

import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_retinanet.bin import train, train_callbacks, train_memory, train_plan
from keras_retinanet.bin.train_plan import Measured
from keras_retinanet.models import load_model
from keras_retinanet.models.snapshot import read_facts
from tests import sketch
from tests.backends import out_of_memory

TINY = (
    *("--no-weights", "--backbone", sketch.NAME, "--pyramid-features", "16"),
    *("--head-features", "16", "--head-layers", "1", "--image-min-side", "96"),
    *("--image-max-side", "128", "--seed", "1", "--no-doctor", "--no-evaluation"),
)


def command(drawn, *more):
    return [
        *("csv", str(drawn / "train.csv"), str(drawn / "classes.csv")),
        *("--config", str(drawn / "anchors.ini"), *TINY, *map(str, more)),
    ]


class Fails(keras.callbacks.Callback):
    """Raise the backend's own error at some steps of the run, another at the step `dies`."""

    def __init__(self, at, dies):
        super().__init__()
        self.at, self.dies, self.step = at, dies, 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step in self.at:
            raise out_of_memory()
        if self.step == self.dies:
            raise RuntimeError("the program dies")


@pytest.fixture
def failing(monkeypatch):
    """Return f(steps, dies): let a run fail at these steps, counted over all of them."""
    made = train_callbacks.create_callbacks

    def fail_at(*steps, dies=None):
        fails = Fails(steps, dies)
        monkeypatch.setattr(
            train_callbacks, "create_callbacks", lambda *args: [fails, *made(*args)]
        )

    return fail_at


def test_a_run_goes_on_with_half_the_batch_from_the_start_of_the_epoch(
    drawn, tmp_path, capsys, failing
):
    failing(3)  # the first of two steps of the second epoch
    words = command(drawn, "--batch-size", 4, "--epochs", 3, "--snapshot-path", tmp_path)
    history = train.main([*words, "--run-name", "run"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "out of memory" in line]
    assert lines == [
        "out of memory with 4 pictures a step: epoch 2 begins again with 2, 2 steps to an update"
    ]
    assert history.epoch == [0, 1, 2] and len(history.history["loss"]) == 3
    assert np.isfinite(history.history["loss"]).all()
    # updates: 2 of the first epoch are 4 steps of 2, and 3 steps in each of two epochs
    assert read_facts(tmp_path / "run" / "last.keras")["iterations"] == 5
    rows = (tmp_path / "run" / "history.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


def test_the_epochs_without_gain_are_counted_on(drawn, tmp_path, failing):
    """A rate of nearly nothing: all epochs measure the same, so two without gain are 2 and 3."""
    failing(5)  # the first step of the third epoch
    words = command(drawn, "--val-annotations", drawn / "val.csv", "--early-stopping", 2)
    words = [word for word in words if word != "--no-evaluation"]
    more = ("--batch-size", 4, "--epochs", 6, "--lr", 1e-12, "--snapshot-path", tmp_path)
    history = train.main([*words, *map(str, more)])
    assert history.epoch == [0, 1, 2]


def test_a_run_that_halved_its_batch_goes_on_as_if_it_had_not_died(drawn, tmp_path, failing):
    """To the bit: it died inside the epoch that had begun again, between two updates."""
    words = command(drawn, "--batch-size", 4, "--epochs", 3, "--save-every", 1, "--deterministic")
    words += ["--ema", "0.9", "--snapshot-path", str(tmp_path), "--run-name"]
    failing(3)
    train.main([*words, "whole"])
    failing(3, dies=5)
    with pytest.raises(RuntimeError, match="the program dies"):
        train.main([*words, "died"])
    history = train.main(["--resume", str(tmp_path / "died")])
    assert history.epoch == [1, 2]
    for name in ("last.keras", "history.csv"):
        assert (tmp_path / "died" / name).is_file()
    pair = [load_model(tmp_path / run / "last.keras").weights for run in ("whole", "died")]
    for one, other in zip(*pair, strict=True):
        one, other = map(keras.ops.convert_to_numpy, (one, other))
        np.testing.assert_array_equal(one, other, strict=True)


def test_two_pictures_then_one_then_advice(drawn, failing, outcome):
    failing(1, 2)
    words = command(drawn, "--batch-size", 2, "--epochs", 1, "--no-snapshots")
    code, error = outcome(train, words)
    assert code == 2 and error.count("\n") == 1
    assert "out of memory with one picture a step" in error and "--remat" in error


def test_a_remembered_batch_keeps_the_pictures_of_an_update():
    args = SimpleNamespace(batch_size=5, accumulate=1, warmup_steps=10, steps=None, devices=1)
    train_memory.halve(args)
    assert (args.batch_size, args.accumulate, args.warmup_steps) == (2, 3, 25)


def test_the_batch_that_fits_follows_the_recipe(drawn, capsys, monkeypatch):
    from keras_retinanet.models import batch_memory

    monkeypatch.setattr(batch_memory, "largest_batch", lambda *args: (3, "as told"))
    words = ("--batch-size", "auto", "--recipe", "paper-1x", "--epochs", 1, "--no-snapshots")
    train.main(command(drawn, *words, "--remat"))
    out = capsys.readouterr().out
    assert "--batch-size auto: 3, 6 steps to an update; as told" in out
    assert "2 steps of 3 an epoch" in out
    assert "lr 0.01125;" in out.replace("\n ", "")  # 0.01 for 16, here 18


def test_a_plan_says_what_a_training_takes_and_trains_nothing(drawn, tmp_path, capsys):
    words = command(drawn, "--batch-size", 2, "--epochs", 4, "--plan")
    assert train.main([*words, "--snapshot-path", str(tmp_path / "runs")]) is None
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("plan: ")]
    forms = (
        r"plan: [\d,]+ parameters, [\d,]+ of them train",
        r"plan: [\d,.]+ GFLOP a step of 2 pictures of 128x(96|128), [\d.]+ TFLOP/s",
        r"plan: [\d.]+ GiB of memory of the (process|device) at most",
        r"plan: [\d.]+ s a step, [\d.]+ s to make its pictures by one thread, \d+ s to compile",
        r"plan: [\d.]+ (s|min|h|days) an epoch of 3 steps, [\d.]+ (s|min|h|days) for 4, .*",
    )
    assert len(lines) == len(forms)
    for line, form in zip(lines, forms, strict=True):
        assert re.fullmatch(form, line), line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("device", "step", "load", "seconds"),
    [(True, 0.2, 0.1, 20.0), (True, 0.2, 0.6, 30.0), (False, 0.2, 0.6, 50.0)],
)
def test_a_device_waits_for_the_slower_of_step_and_pictures(
    device, step, load, seconds, monkeypatch
):
    monkeypatch.setattr(train_plan.os, "cpu_count", lambda: 2)
    measured = Measured(step, load, 0.0, (1, 1), 0, device)
    assert measured.epoch(100, workers=4) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (119, "119.0 s"), (120, "2.0 min"), (7200, "2.0 h"), (172800, "2.0 days")],
)
def test_times_have_a_unit_that_suits_them(seconds, text):
    assert train_plan.shown_seconds(seconds) == text
