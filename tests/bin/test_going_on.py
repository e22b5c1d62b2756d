"""Runs that start from something: a snapshot, weights by name; and runs that are cut short."""

import csv

import keras
import numpy as np
import pytest

from keras_retinanet.bin import train
from keras_retinanet.callbacks.snapshots import Snapshots
from keras_retinanet.models import load_model
from keras_retinanet.models.snapshot import read_facts

SHORT = (
    *("--pyramid-features", "16", "--head-features", "16", "--head-layers", "1"),
    *("--batch-size", "3", "--image-min-side", "96", "--image-max-side", "128", "--seed", "1"),
)


def words(drawn, runs, name, *more):
    """Return a command line of retinanet-train on the drawn pictures."""
    return [
        *("csv", str(drawn / "train.csv"), str(drawn / "classes.csv")),
        *("--config", str(drawn / "anchors.ini"), "--backbone", "mobilenet128_0.25"),
        *("--snapshot-path", str(runs), "--run-name", name, *map(str, more)),
    ]


def weights_of(path):
    return [keras.ops.convert_to_numpy(weight) for weight in load_model(path).weights]


def test_going_on_from_a_snapshot_equals_never_having_stopped(drawn, tmp_path):
    """Two epochs of four, then two more, as 4 epochs in one go: same batches, same Adam."""
    common = (*SHORT, "--no-weights", "--lr-schedule", "constant")
    train.main(words(drawn, tmp_path, "half", *common, "--epochs", 2))
    snapshot = tmp_path / "half" / "last.keras"
    assert read_facts(snapshot)["epoch"] == 2
    more = (*SHORT[6:], "--lr-schedule", "constant", "--epochs", 4)
    history = train.main(words(drawn, tmp_path, "rest", *more, "--snapshot", snapshot))
    assert history.epoch == [2, 3]
    train.main(words(drawn, tmp_path, "whole", *common, "--epochs", 4))
    pairs = zip(
        weights_of(tmp_path / "rest" / "last.keras"),
        weights_of(tmp_path / "whole" / "last.keras"),
        strict=True,
    )
    for continued, whole in pairs:
        np.testing.assert_allclose(continued, whole, atol=2e-3)


def test_a_snapshot_brings_its_sizes(drawn, trained, tmp_path):
    train.main(words(drawn, tmp_path, "on", "--snapshot", trained.snapshot, "--epochs", 3))
    profile = read_facts(tmp_path / "on" / "last.keras")["profile"]
    assert (profile.image_min_side, profile.image_max_side) == (96, 128)


def test_a_finished_snapshot_asks_for_more_epochs(drawn, trained, tmp_path, outcome):
    line = words(drawn, tmp_path, "on", "--snapshot", trained.snapshot, "--epochs", 2)
    code, error = outcome(train, line)
    assert code == 2
    assert "has 2 epochs" in error and "give more than 2" in error
    assert not (tmp_path / "on").exists()


def test_weights_by_name_are_reported(drawn, trained, tmp_path, capsys):
    line = (*SHORT, "--weights", trained.snapshot, "--epochs", 1)
    train.main(words(drawn, tmp_path, "named", *line))
    assert "0 left as they were" in capsys.readouterr().out


def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(drawn, tmp_path, capsys, monkeypatch):
    ended = Snapshots.on_epoch_end

    def end_then_interrupt(self, epoch, logs=None):
        ended(self, epoch, logs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Snapshots, "on_epoch_end", end_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.main(words(drawn, tmp_path, "cut", *SHORT, "--no-weights", "--epochs", 3))
    snapshot = tmp_path / "cut" / "last.keras"
    assert read_facts(snapshot)["epoch"] == 1
    assert f"go on with --snapshot {snapshot}" in capsys.readouterr().out


def test_history_has_a_row_an_epoch(trained):
    with (trained.folder / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert float(rows[1]["mAP"]) == pytest.approx(trained.history.history["mAP"][1])
