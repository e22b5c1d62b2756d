"""Callbacks of a run: bad batches, curves, history that goes on, pictures, states."""

import json
import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.callbacks.bad_batches import BadBatches
from keras_retinanet.callbacks.checkpoints import restore_states, states_of
from keras_retinanet.callbacks.curves import Curves
from keras_retinanet.callbacks.history import History, read_history
from keras_retinanet.callbacks.pictures import Pictures
from keras_retinanet.callbacks.snapshots import KeepBest
from keras_retinanet.evaluation.detect import Detections
from keras_retinanet.utils.curves import COLOURS, Panel, draw_panels, ticks


def bad_batches(skipped, lines, first_step=0):
    """Feed `skipped`, the running number of steps left out, to a `BadBatches`."""
    callback = BadBatches(lambda step: [f"{step}.png"], first_step, lines.append, "less")
    callback.on_epoch_begin(1)
    for batch, count in enumerate(skipped):
        callback.on_train_batch_end(batch, {"skipped": count})
    return callback


def test_the_pictures_of_a_bad_batch_are_named():
    lines = []
    bad_batches([0, 1, 1, 1], lines, first_step=10)
    assert len(lines) == 1
    assert lines[0].startswith("epoch 2: the loss of step 12 of the run is not finite")
    assert lines[0].endswith("its pictures: 11.png")


def test_two_in_a_row_and_two_more_go_on_and_three_in_a_row_stop():
    assert bad_batches([1, 2, 2, 3, 4], []).in_a_row == 2
    with pytest.raises(ValueError, match="3 steps in a row .* Try less"):
        bad_batches([0, 1, 2, 3], [])


def test_a_history_goes_on_behind_the_epochs_that_are_done(tmp_path):
    path = tmp_path / "history.csv"
    first = History(path)
    first.on_train_begin()
    for epoch in range(3):
        first.on_epoch_end(epoch, {"loss": 3.0 - epoch})
    path.write_text(path.read_text() + "4,0.")  # a line that a kill cut short
    second = History(path, done=2)
    second.on_train_begin()
    second.on_epoch_end(2, {"loss": 0.5})
    assert path.read_text().splitlines() == ["epoch,loss", "1,3.0", "2,2.0", "3,0.5"]


def test_a_history_without_a_file_is_empty(tmp_path):
    assert read_history(tmp_path / "history.csv") == ([], [])


def test_states_survive_json():
    stopping = keras.callbacks.EarlyStopping("mAP")
    stopping.on_train_begin()
    stopping.best, stopping.wait = np.float32(0.1), 2
    best = KeepBest(None, "folder")
    best.best, best.monitored = (-math.inf, 3), "loss"
    states = json.loads(json.dumps(states_of([stopping, best, keras.callbacks.Callback()])))
    others = [keras.callbacks.EarlyStopping("mAP"), KeepBest(None, "f"), keras.callbacks.Callback()]
    restore_states(others, states)
    assert others[0].best == np.float32(0.1) and others[0].wait == 2
    assert list(others[1].best) == [-math.inf, 3] and others[1].monitored == "loss"


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 1.0, False, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 4.3, False, [0, 1, 2, 3, 4]),
        (1, 2, True, [1, 2]),
        (1, 50, True, [10, 20, 30, 40, 50]),
    ],
)
def test_ticks_are_round_numbers(low, high, whole, expected):
    assert ticks(low, high, whole) == pytest.approx(expected)


def rows_of(picture, colour):
    """Return {column: mean row} of the pixels of a colour, below the legend."""
    rows, columns = np.nonzero((picture == colour).all(axis=-1))
    inside = rows > 60
    return {x: rows[inside][columns[inside] == x].mean() for x in set(columns[inside])}


def test_a_line_runs_through_its_values():
    """0 to 1 over a plot of 720 x 460 with its corner at (70, 412) and its height 348."""
    picture = draw_panels([Panel("t", {"a": [0.5, 0.5, 1.0]}, 1.0)], [1, 2, 3])
    assert picture.shape == (460, 720, 3)
    found = rows_of(picture, COLOURS[0])
    assert found[200] == pytest.approx(412 - 174, abs=1)
    assert found[540] == pytest.approx(412 - 348 * 0.75, abs=3)


@pytest.mark.parametrize(
    "line", [[math.nan], [math.nan, math.nan], [1.0], [0.0, 0.0], [1.0, math.nan, math.inf]]
)
def test_any_values_are_drawn(line):
    picture = draw_panels([Panel("t", {"a": line})], list(range(1, len(line) + 1)))
    assert picture.shape == (460, 720, 3)


def test_curves_are_drawn_from_the_history(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,mAP\n1,2.0,0.25\n2,1.0,nan\n")
    Curves(tmp_path / "history.csv").on_epoch_end(1, {})
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1440, 460)


def test_no_curves_without_a_history(tmp_path):
    Curves(tmp_path / "history.csv").on_epoch_end(0, {})
    assert list(tmp_path.iterdir()) == []


class OnePicture:
    """A generator of one grey picture with one object."""

    channels = None

    def load_image(self, index):
        return np.full((40, 60, 3), 90, np.uint8)

    def load_annotations(self, index):
        return {"bboxes": np.float32([[5, 5, 20, 20]]), "labels": np.array([0])}

    def label_to_name(self, label):
        return "disc"


def test_tensorboard_gets_pictures_with_true_and_found_boxes():
    found = Detections(np.float32([[30, 5, 50, 25]]), np.float32([0.9]), np.int32([0]))
    evaluate = SimpleNamespace(generator=OnePicture(), detections=[found])
    callback, written = Pictures(evaluate, None), {}
    callback._writer = SimpleNamespace(write_pictures=lambda items, step: written.update(items))
    callback.on_epoch_end(3)
    picture = written["held out 0"]
    assert picture.shape == (1, 40, 60, 3) and picture.dtype == np.uint8
    assert tuple(picture[0, 20, 12]) == (0, 255, 0)  # the true box's lower side
    assert tuple(picture[0, 15, 30]) != (90, 90, 90)  # the found one's left side
