"""The page at the end of a training."""

import json
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_retinanet.bin import train
from keras_retinanet.bin.train_report import FOLDER
from keras_retinanet.callbacks.best_detections import BestDetections
from keras_retinanet.utils.image import ImageError
from tests.bin.conftest import TINY

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="what is written is the same on every backend"
)


def words(drawn, folder, *more):
    files = [drawn / "train.csv", drawn / "classes.csv", "--val-annotations", drawn / "val.csv"]
    options = ["--config", drawn / "anchors.ini", "--snapshot-path", folder, *TINY]
    return [str(word) for word in (*options, *more, "csv", *files)]


def test_a_run_ends_with_the_page_of_its_best_epoch(trained, drawn):
    page = (trained.folder / FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.search(r"<title>Evaluation: tiny, epoch \d+</title>", page)
    assert "losses and precision by epoch" in page
    seen = re.findall(r"<figcaption>(train_\d\.png): \d boxes</figcaption>", page)
    assert len(seen) == len(set(seen)) == 6  # all of them, in batches of three
    facts = re.search(r'<script id="facts"[^>]*>(.*?)</script>', page).group(1)
    assert json.loads(facts)["names"] == ["disc", "square"]


def test_no_page_where_none_is_wanted(drawn, tmp_path):
    train.main(words(drawn, tmp_path, "--no-report", "--run-name", "none"))
    assert (tmp_path / "none" / "best.keras").is_file()
    assert not (tmp_path / "none" / FOLDER).exists()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), "not written: No space left on device"),
        (ImageError("a.png: cannot be read"), "not written: a.png: cannot be read"),
    ],
    ids=["disk", "picture"],
)
def test_a_page_that_cannot_be_written_is_a_line(trained, error, line, monkeypatch):
    """The run is done, and hours of it must not end as a failure."""
    from keras_retinanet.bin import train_report

    def fail(*given):
        raise error

    monkeypatch.setattr(train_report, "_write", fail)
    kept = BestDetections(None, None)
    kept.detections, lines = [], []
    args = SimpleNamespace(folder=trained.folder, report=True)
    train_report.write_page(args, [kept], None, lines.append)
    assert lines == [f"{trained.folder / FOLDER}: {line}"]


class Kept:
    """What `Evaluate` and `KeepBest` say after an epoch."""

    def __init__(self):
        self.detections, self.best, self.generator = None, None, "pictures"


@pytest.mark.parametrize(
    ("before", "values", "kept"),
    [
        (None, [0.1, 0.3, 0.2], 2),
        (None, [np.nan, np.nan], 1),
        ((0.5, 3), [0.1, 0.2], 5),  # the best was before this process: the last epoch's
        ((0.5, 3), [0.1, 0.7, 0.2], 5),
    ],
)
def test_detections_of_the_best_epoch_are_kept(before, values, kept):
    state = Kept()
    state.best = before
    callback = BestDetections(state, state)
    first = 0 if before is None else before[1]
    for epoch, value in enumerate(values, first):
        number = -np.inf if np.isnan(value) else value
        if state.best is None or number > state.best[0]:
            state.best = number, epoch + 1
        state.detections = f"of epoch {epoch + 1}"
        callback.on_epoch_end(epoch)
    assert (callback.epoch, callback.detections) == (kept, f"of epoch {kept}")
    assert callback.generator == "pictures"
