"""Runs that start from something: a snapshot, weights by name; and runs that are cut short."""

import csv
import math
import shutil

import keras
import numpy as np
import pytest

from keras_retinanet.bin import train
from keras_retinanet.callbacks.snapshots import KeepBest, KeepLast
from keras_retinanet.models import load_model, optimizer
from keras_retinanet.models.snapshot import read_facts
from tests import sketch

SHORT = (
    *("--pyramid-features", "16", "--head-features", "16", "--head-layers", "1"),
    *("--batch-size", "3", "--image-min-side", "96", "--image-max-side", "128", "--seed", "1"),
)


def words(drawn, runs, name, *more):
    """Return a command line of retinanet-train on the drawn pictures."""
    return [
        *("csv", str(drawn / "train.csv"), str(drawn / "classes.csv")),
        *("--config", str(drawn / "anchors.ini"), "--backbone", sketch.NAME),
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


def test_a_finished_snapshot_asks_for_more_epochs(drawn, trained, tmp_path, outcome):
    line = words(drawn, tmp_path, "on", "--snapshot", trained.snapshot, "--epochs", 2)
    code, error = outcome(train, line)
    assert code == 2
    assert "has 2 epochs" in error and "give more than 2" in error
    assert not (tmp_path / "on").exists()


def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(drawn, tmp_path, capsys, monkeypatch):
    ended = KeepLast.on_epoch_end

    def end_then_interrupt(self, epoch, logs=None):
        ended(self, epoch, logs)
        raise KeyboardInterrupt

    monkeypatch.setattr(KeepLast, "on_epoch_end", end_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.main(words(drawn, tmp_path, "cut", *SHORT, "--no-weights", "--epochs", 3))
    snapshot = tmp_path / "cut" / "last.keras"
    assert read_facts(snapshot)["epoch"] == 1
    assert f"kept: epoch 1; go on with --resume {tmp_path / 'cut'}" in capsys.readouterr().out


def test_history_has_a_row_an_epoch(trained):
    with (trained.folder / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert float(rows[1]["mAP"]) == pytest.approx(trained.history.history["mAP"][1])


def going_on(drawn, runs, snapshot, *more):
    """Train one epoch more from `snapshot`; return the facts of the new last.keras."""
    train.main(words(drawn, runs, "on", "--snapshot", snapshot, "--epochs", 3, *more))
    return read_facts(runs / "on" / "last.keras")


def test_going_on_keeps_how_the_run_trained(drawn, tmp_path, capsys):
    how = ("--optimizer", "adamw", "--lr", "1e-4", "--lr-schedule", "constant")
    how += ("--classification-loss", "ohem", "--optimizer-clipnorm", "0.5")
    train.main(words(drawn, tmp_path, "half", *SHORT, "--no-weights", "--epochs", 2, *how))
    snapshot = tmp_path / "half" / "last.keras"
    before = read_facts(snapshot)["training"]
    assert before["optimizer"] == "adamw" and before["lr"] == 1e-4
    facts = going_on(drawn, tmp_path, snapshot, *SHORT[6:8])
    assert facts["training"] == before
    assert facts["iterations"] == 6  # three epochs of two steps
    assert "afresh" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "changed", "said"),
    [
        (
            ("--lr", "2e-4", "--lr-schedule", "constant"),
            {"lr": 2e-4, "lr_schedule": "constant"},
            "",
        ),
        (("--optimizer", "sgd"), {"optimizer": "sgd"}, "another than the snapshot's"),
    ],
    ids=["rate and schedule", "optimizer"],
)
def test_an_explicit_option_counts_when_going_on(
    drawn, trained, tmp_path, capsys, more, changed, said
):
    before = read_facts(trained.snapshot)["training"]
    facts = going_on(drawn, tmp_path, trained.folder / "last.keras", *more)
    assert facts["training"] == before | {"lr": facts["training"]["lr"]} | changed
    assert (facts["profile"].image_min_side, facts["profile"].image_max_side) == (96, 128)
    printed = capsys.readouterr().out
    assert (said in printed) if said else ("afresh" not in printed)


def test_a_state_of_another_step_is_not_taken(drawn, trained, tmp_path, capsys):
    kept = tmp_path / "kept"
    shutil.copytree(trained.folder, kept)
    with np.load(kept / "last.optimizer.npz") as stored:
        arrays = [stored[name] for name in stored.files]
    np.savez(kept / "last.optimizer.npz", arrays[0] + 1, *arrays[1:])
    going_on(drawn, tmp_path, kept / "last.keras")
    assert "of another step than the snapshot" in capsys.readouterr().out


CONTRADICTIONS = {
    "backbone": (("--backbone", "resnet50"), "--backbone resnet50 cannot change the network"),
    "width": (("--head-features", "32"), "--head-features 32 cannot change"),
    "grid": (("--config", "other.ini"), "its anchors cannot change"),
    "no file": (("--config", "missing.ini"), "missing.ini: no such configuration file"),
    "prior": (("--prior-probability", "0.5"), "starts a new network"),
    "precision": (("--dtype", "mixed_bfloat16"), "computes in float32"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_snapshots_network_cannot_be_changed(
    case, drawn, trained, tmp_path, outcome, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = (drawn / "anchors.ini").read_text().replace("sizes = 16", "sizes = 20")
    (tmp_path / "other.ini").write_text(text)
    options, message = CONTRADICTIONS[case]
    line = ["csv", drawn / "train.csv", drawn / "classes.csv", "--snapshot", trained.snapshot]
    code, error = outcome(train, [*map(str, line), "--epochs", "3", *options])
    assert code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "snapshots").exists()


@pytest.mark.parametrize("start", ["new", "snapshot"])
def test_a_frozen_backbone_keeps_its_weights(start, drawn, trained, tmp_path, capsys):
    named = {"new": ("--weights", *SHORT), "snapshot": ("--snapshot",)}[start]
    line = [named[0], trained.snapshot, *named[1:], "--epochs", 3, "--freeze-backbone"]
    train.main(words(drawn, tmp_path, "frozen", *line))
    assert start == "snapshot" or "0 left as they were" in capsys.readouterr().out
    before, after = load_model(trained.snapshot), load_model(tmp_path / "frozen" / "last.keras")
    one, other = (
        {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.variables}
        for model in (before, after)
    )
    changed = {path.split("/")[0] for path in one if not np.array_equal(one[path], other[path])}
    assert "P3" in changed and "pyramid_classification" in " ".join(changed)
    assert not [name for name in changed if name.startswith("conv")]


def test_a_full_disk_keeps_snapshot_and_state_of_one_epoch(drawn, tmp_path, outcome, monkeypatch):
    write, calls = optimizer.write_state, []

    def write_once(own, path):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        write(own, path)

    monkeypatch.setattr("keras_retinanet.callbacks.snapshots.write_state", write_once)
    line = words(drawn, tmp_path, "full", *SHORT, "--no-weights", "--epochs", 3)
    code, error = outcome(train, line)
    assert code == 2 and "last.optimizer.npz: No space left on device. Make room" in error
    folder = tmp_path / "full"
    assert read_facts(folder / "last.keras")["epoch"] == 1
    assert optimizer.steps_in_state(folder / "last.optimizer.npz") == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.keras",
        "checkpoints",
        "config.json",
        "curves.png",
        "history.csv",
        "last.keras",
        "last.optimizer.npz",
    ]


def test_a_broken_picture_to_measure_on_is_left_out_and_the_epoch_kept(
    drawn, tmp_path, outcome, capsys
):
    pictures = tmp_path / "pictures"
    shutil.copytree(drawn, pictures)
    whole = (pictures / "val_1.png").read_bytes()
    middle = len(whole) // 2
    (pictures / "val_1.png").write_bytes(whole[:middle] + bytes(60) + whole[middle + 60 :])
    line = words(pictures, tmp_path, "one", *SHORT, "--no-weights", "--epochs", 1)
    line += ["--val-annotations", str(pictures / "val.csv")]
    code, error = outcome(train, line)
    assert code == 2 and "val_1.png" in error
    assert read_facts(tmp_path / "one" / "last.keras")["epoch"] == 1
    line[line.index("one")] = "two"
    history = train.main([*line, "--skip-broken"])
    assert np.isfinite(history.history["mAP"][0])
    assert "val_1.png" in capsys.readouterr().out


def test_a_training_that_diverges_keeps_the_best_of_before(tmp_path):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best = KeepBest(network, tmp_path)
    best.set_model(network)
    for epoch, loss in enumerate([math.nan, 2.0, 1.0, math.nan]):
        best.on_epoch_end(epoch, {"loss": loss})
    assert best.best == (-1.0, 3)
    assert read_facts(tmp_path / "best.keras")["epoch"] == 3
