"""The folder of a run: what --resume reads there, refuses, and falls back to."""

import errno
import json
import shutil

import numpy as np
import pytest

from keras_retinanet.bin import train
from keras_retinanet.bin.durations import duration, interval, is_due, seconds_of
from keras_retinanet.bin.train_options import parse_args, resumed
from keras_retinanet.callbacks.history import read_history
from keras_retinanet.models.checkpoint import checkpoints
from keras_retinanet.models.snapshot import read_facts
from tests import sketch
from tests.bin.conftest import TINY


@pytest.fixture
def kept(trained, tmp_path):
    """Return a copy of the folder of a finished run of two epochs of two steps."""
    folder = tmp_path / "kept"
    shutil.copytree(trained.folder, folder)
    return folder


def damage_file(path):
    """Change a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def test_a_run_writes_down_its_command_and_all_options(trained):
    config = json.loads((trained.folder / "config.json").read_text())
    assert config["command"][-1] == "1" and "--val-annotations" in config["command"]
    options = config["options"]
    assert (options["batch_size"], options["image_min_side"], options["seed"]) == (3, 96, 1)
    assert options["lr_schedule"] == "cosine" and options["backbone"] == sketch.NAME
    assert config["steps_per_epoch"] == 2


def test_two_checkpoints_are_kept(trained):
    names = [path.name for path in checkpoints(trained.folder / "checkpoints")]
    assert names == ["step-000000004.keras", "step-000000002.keras"]
    assert read_facts(trained.folder / "checkpoints" / names[0])["epoch"] == 2


def test_a_checkpoint_is_a_snapshot_that_opens(trained):
    from keras_retinanet.models import load_model

    path = checkpoints(trained.folder / "checkpoints")[0]
    for one, other in zip(
        load_model(path).get_weights(), load_model(trained.snapshot).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_finished_run_only_measures_its_last_epoch_again(trained, kept):
    before = (kept / "history.csv").read_text()
    history = train.main(["--resume", str(kept)])
    assert history.epoch == []
    assert (kept / "history.csv").read_text() == before


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(kept, capsys):
    last, before = checkpoints(kept / "checkpoints")
    damage_file(last)
    rows = read_history(kept / "history.csv")[1]
    history = train.main(["--resume", str(kept)])
    assert history.epoch == [1]
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(f"{last}: damaged (")]
    assert read_facts(last)["epoch"] == 2
    again = read_history(kept / "history.csv")[1]
    assert again[0] == rows[0] and len(again) == 2
    assert float(again[1]["loss"]) == pytest.approx(float(rows[1]["loss"]), rel=1e-3)


REFUSED = {
    "no folder": (lambda kept: shutil.rmtree(kept), (), "has no config.json"),
    "damaged config": (lambda kept: (kept / "config.json").write_text("{"), (), "damaged"),
    "no checkpoint": (lambda kept: shutil.rmtree(kept / "checkpoints"), (), "no whole checkpoint"),
    "another option": (lambda kept: None, ("--epochs", "9"), "--epochs 9: the run of"),
    "another start": (lambda kept: None, ("--snapshot", "x.keras"), "--snapshot x.keras: the run"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_go_on_is_refused_in_one_line(case, kept, outcome):
    change, more, message = REFUSED[case]
    change(kept)
    code, error = outcome(train, ["--resume", kept, *more])
    assert code == 2 and message in error and error.count("\n") == 1


def test_another_backend_is_refused(kept, outcome):
    config = json.loads((kept / "config.json").read_text())
    (kept / "config.json").write_text(json.dumps(config | {"backend": "other"}))
    code, error = outcome(train, ["--resume", kept])
    assert code == 2 and "the run began on other, this is " in error


def test_the_whole_command_may_be_repeated(kept):
    words = json.loads((kept / "config.json").read_text())["command"]
    args = resumed(parse_args([*words, "--resume", str(kept), "--workers", "3"]))
    assert args.workers == 3 and args.batch_size == 3
    with pytest.raises(ValueError, match="--batch-size 1: the run of .* began with 3"):
        resumed(parse_args([*words, "--resume", str(kept), "--batch-size", "1"]))


def command(drawn, runs, *more):
    return [
        *("csv", str(drawn / "train.csv"), str(drawn / "classes.csv"), "--config"),
        *(str(drawn / "anchors.ini"), "--snapshot-path", str(runs), "--run-name", "run"),
        *TINY,
        *map(str, more),
    ]


def test_a_full_disk_ends_the_run_and_leaves_what_was_there(drawn, tmp_path, outcome, monkeypatch):
    write, calls = np.lib.format.write_array, []

    def write_until_full(*args, **kwargs):
        calls.append(1)
        if len(calls) > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*args, **kwargs)

    monkeypatch.setattr(np.lib.format, "write_array", write_until_full)
    code, error = outcome(train, command(drawn, tmp_path, "--save-every", 1))
    assert code == 2 and "No space left on device. Make room" in error and "step-" in error
    left = checkpoints(tmp_path / "run" / "checkpoints")
    monkeypatch.undo()
    assert left and not list((tmp_path / "run" / "checkpoints").glob(".*"))
    train.main(["--resume", str(tmp_path / "run")])
    assert read_facts(tmp_path / "run" / "last.keras")["epoch"] == 2


def test_a_used_up_time_budget_ends_in_good_order_and_can_go_on(drawn, tmp_path, capsys):
    train.main(command(drawn, tmp_path, "--time-budget", "0.001s"))
    folder = tmp_path / "run"
    said = capsys.readouterr().out
    assert "the time budget of 0.001s is used up" in said
    assert f"kept: epoch 0, step 1 of 2 of the next; go on with --resume {folder}" in said
    history = train.main(["--resume", str(folder), "--time-budget", "1h"])
    assert history.epoch == [0, 1]
    assert read_facts(checkpoints(folder / "checkpoints")[0])["epoch"] == 2


def test_weights_that_are_lost_end_the_run_with_advice(drawn, tmp_path, outcome):
    more = ("--lr", "1e30", "--lr-schedule", "constant", "--optimizer", "sgd", "--epochs", 4)
    code, error = outcome(train, command(drawn, tmp_path, *more))
    assert code == 2 and "3 steps in a row are not finite" in error and "a lower --lr" in error


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1d", 86400)],
)
def test_times_are_read(text, seconds):
    assert duration(text) == text and seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0s", "2 h", "2w", "1h-3m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Exception, match="is no time"):
        duration(text)


def test_an_interval_is_steps_or_a_time():
    assert interval("500") == "500"
    with pytest.raises(Exception, match="neither a number of steps"):
        interval("0")
    assert [is_due("500")(steps, 9e9) for steps in (499, 500)] == [False, True]
    assert [is_due("1m")(10**9, seconds) for seconds in (59.9, 60.0)] == [False, True]
