"""Tests of the evaluation callbacks within a real `fit`, with detectors that need no network."""

import io
import math

import keras
import numpy as np
import pytest

from keras_retinanet.callbacks import CocoEval, Evaluate, RedirectModel, common
from keras_retinanet.callbacks.common import ScalarWriter
from keras_retinanet.callbacks.progress import moving_line
from tests.evaluation.fakes import (
    FakeDetector,
    FakeGenerator,
    FakeGeneratorWithRegion,
    FakeNetwork,
    detections,
    truths,
)

# Keras 3.15's variables do not know the copy argument with which NumPy 2 reads them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LEFT = (0, 0, 10, 10)
RIGHT = (20, 0, 30, 10)
LARGE = (0, 0, 100, 100)


@pytest.fixture
def trained():
    """Return a model with one weight w and a function that fits it for some epochs."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(keras.optimizers.SGD(0.1), loss="mse")

    def fit(callbacks, epochs=1):
        x = np.ones((4, 1), np.float32)
        return model.fit(
            x, 0 * x, batch_size=2, epochs=epochs, callbacks=callbacks, verbose=0
        ).history

    return model, fit


def two_classes():
    """Return a dataset of two classes, 3 and 1 objects, and what is found: AP 1/3 and 1."""
    true = [truths((0, *LEFT), (0, *RIGHT)), truths((0, *LEFT), (2, *RIGHT))]
    found = [detections((0, 0.9, *LEFT)), detections((2, 0.8, *RIGHT))]
    return FakeGenerator(true, {0: "cat", 2: "dog"}), FakeDetector(found)


def test_evaluate_puts_the_mean_ap_into_history_and_reports_each_class(trained):
    generator, detector = two_classes()
    lines = []
    evaluate = Evaluate(generator, report=lines.append)
    history = trained[1]([RedirectModel(evaluate, detector)])
    assert history["mAP"] == [pytest.approx(2 / 3)]
    assert evaluate.mean_ap == pytest.approx(2 / 3)
    assert evaluate.average_precisions == {0: (pytest.approx(1 / 3), 3), 2: (1.0, 1)}
    assert lines == [
        "3 instances of class cat with average precision: 0.3333",
        "1 instances of class dog with average precision: 1.0000",
        "mAP: 0.6667",
    ]


def test_evaluate_leaves_out_what_is_found_in_regions_to_ignore(trained):
    generator = FakeGeneratorWithRegion([truths((0, *RIGHT))], {0: "cat"})
    found = [detections((0, 0.9, *LEFT), (0, 0.7, *RIGHT))]
    evaluate = Evaluate(generator, coco=True, verbose=0)
    history = trained[1]([RedirectModel(evaluate, FakeDetector(found))])
    assert history["mAP"] == [1.0]
    assert history["AP50"] == [pytest.approx(1.0)]


def test_evaluate_weights_classes_and_adds_coco_numbers_on_request(trained):
    generator, detector = two_classes()
    evaluate = Evaluate(generator, weighted_average=True, verbose=0, coco=True, report=None)
    history = trained[1]([RedirectModel(evaluate, detector)])
    assert history["mAP"] == [pytest.approx(0.5)]
    # pycocotools: precision 1 at 34 of 101 recalls for the first class, at all for the second.
    assert history["AP"] + history["AP50"] == pytest.approx([(34 / 101 + 1) / 2] * 2)


def test_evaluate_prints_as_1_0_unless_told_otherwise(trained, capsys):
    generator, detector = two_classes()
    trained[1]([RedirectModel(Evaluate(generator), detector)])
    assert capsys.readouterr().out.splitlines()[-1] == "mAP: 0.6667"
    trained[1]([RedirectModel(Evaluate(generator, verbose=0), detector)])
    assert capsys.readouterr().out == ""


def test_evaluate_without_objects_says_so_and_logs_nan(trained):
    lines = []
    evaluate = Evaluate(FakeGenerator([truths()], {0: "cat"}), report=lines.append)
    history = trained[1]([RedirectModel(evaluate, FakeDetector([detections()]))])
    assert math.isnan(history["mAP"][0])
    assert lines[-1] == "No test instances found."


def test_early_stopping_and_checkpoints_that_follow_see_the_mean_ap(trained, tmp_path):
    generator, detector = two_classes()
    callbacks = [
        RedirectModel(Evaluate(generator, verbose=0), detector),
        keras.callbacks.EarlyStopping("mAP", mode="max", patience=2, min_delta=0.01),
        RedirectModel(
            keras.callbacks.ModelCheckpoint(
                str(tmp_path / "{epoch}_{mAP:.2f}.keras"), "mAP", save_best_only=True, mode="max"
            ),
            trained[0],
        ),
    ]
    history = trained[1](callbacks, epochs=9)
    assert len(history["mAP"]) == 3  # the first and two without a gain
    assert [path.name for path in tmp_path.iterdir()] == ["1_0.67.keras"]


def test_evaluate_refuses_a_bare_network_before_the_first_epoch(trained):
    generator, _ = two_classes()
    x = keras.Input((None, None, 3))
    outputs = [keras.layers.Conv2D(4, 1, name=n)(x) for n in ("regression", "classification")]
    epochs = []
    counter = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(0))
    for callback in (Evaluate(generator), CocoEval(generator)):
        redirected = RedirectModel(callback, keras.Model(x, outputs))
        with pytest.raises(ValueError, match=r"received a model with outputs regression, class"):
            trained[1]([redirected, counter])
    assert epochs == []
    with pytest.raises(ValueError, match=r"needs a detector.*RedirectModel"):
        trained[1]([RedirectModel(Evaluate(generator), FakeNetwork())])


def test_coco_eval_logs_the_names_of_1_0_and_the_mean_ap(trained, tmp_path):
    generator = FakeGenerator([truths((5, *LARGE))], {5: "cat"})
    generator.set_name = "val"
    lines = []
    callback = CocoEval(generator, folder=tmp_path, report=lines.append)
    history = trained[1]([RedirectModel(callback, FakeDetector([detections((5, 0.9, *LARGE))]))])
    assert history["mAP"] == history["AP @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]"]
    assert history["mAP"] == [pytest.approx(1)]
    assert history["AR @[ IoU=0.50:0.95 | area= small | maxDets=100 ]"] == [-1]
    assert sum(name.startswith(("AP @[", "AR @[")) for name in history) == 12
    assert lines[0] == (
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000"
    )
    assert (tmp_path / "val_bbox_results.json").exists()


@pytest.mark.parametrize(
    ("true", "expected"),
    [
        pytest.param(truths(), math.nan, id="no objects"),
        pytest.param(truths((0, *LARGE)), 0.0, id="nothing found"),
    ],
)
def test_coco_eval_has_numbers_where_nothing_is_detected(trained, true, expected):
    callback = CocoEval(FakeGenerator([true], {0: "cat"}), report=lambda line: None)
    history = trained[1]([RedirectModel(callback, FakeDetector([detections()]))])
    assert history["mAP"] == pytest.approx([expected], nan_ok=True)


class WeightReader(keras.callbacks.Callback):
    """Note w and what `fit` was called with; see batches only as `batches`."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((self.params["epochs"], float(self.model.get_weights()[0][0, 0])))


class BatchReader(WeightReader):
    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        self.last = float(self.model.get_weights()[0][0, 0])


@pytest.mark.parametrize("reader", [WeightReader(), BatchReader()])
def test_redirected_callbacks_see_the_weights_of_the_moment_through_the_other_model(
    trained, reader
):
    model, fit = trained
    other = keras.Sequential([keras.Input((1,)), model.layers[-1]])
    fit([RedirectModel(reader, other)], epochs=2)
    assert reader.model is other
    # w falls by the factor 1 - 2 * 0.1 with each of two batches an epoch.
    assert reader.seen == [(2, pytest.approx(0.8**2)), (2, pytest.approx(0.8**4))]
    if isinstance(reader, BatchReader):
        assert reader.batches == 4
        assert reader.last == pytest.approx(0.8**4)


class SummaryModule:
    """Stands for `tensorflow.summary`."""

    def __init__(self):
        self.folders, self.scalars = [], []

    def create_file_writer(self, folder):
        self.folders.append(folder)
        return self

    def as_default(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def flush(self):
        pass

    def scalar(self, name, value, step):
        self.scalars.append((name, value, step))


def test_tensorboard_gets_the_mean_ap_of_each_epoch(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(common, "find_spec", lambda name: True)
    generator, detector = two_classes()
    board = keras.callbacks.TensorBoard(str(tmp_path))
    board._summary_module = SummaryModule()
    evaluate = Evaluate(generator, tensorboard=board, verbose=0)
    trained[1]([RedirectModel(evaluate, detector)], epochs=2)
    assert board.summary.folders == [str(tmp_path)]
    assert board.summary.scalars == [
        ("mAP", pytest.approx(2 / 3), 0),
        ("mAP", pytest.approx(2 / 3), 1),
    ]


def test_what_is_no_tensorboard_is_ignored():
    ScalarWriter(None).write({"mAP": 1.0}, 0)
    ScalarWriter(object()).write({"mAP": 1.0}, 0)


@pytest.mark.parametrize("missing", ["tensorflow", "tensorboard"])
def test_a_tensorboard_that_cannot_write_is_ignored(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(common, "find_spec", lambda name: name != missing)
    ScalarWriter(keras.callbacks.TensorBoard(str(tmp_path))).write({"mAP": 1.0}, 0)
    assert list(tmp_path.iterdir()) == []


def test_the_moving_line_is_on_stderr_as_it_is_now(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    moving_line()("halfway")
    assert "halfway" in terminal.getvalue()
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert moving_line() is None
