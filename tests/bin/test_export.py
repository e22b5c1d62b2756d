"""retinanet-convert-model to files of other runtimes, and what may go wrong."""

import json
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from keras_retinanet.bin import console, convert_export, convert_model, evaluate
from keras_retinanet.models.snapshot import read_facts, rewrite_profile
from keras_retinanet.predict import Detector

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files are written by way of TensorFlow"
)


@pytest.fixture(scope="module")
def snapshot(trained, tmp_path_factory):
    """Return the trained snapshot with a threshold that lets its low scores through."""
    path = tmp_path_factory.mktemp("low") / "low.keras"
    path.write_bytes(trained.snapshot.read_bytes())
    rewrite_profile(path, replace(read_facts(path)["profile"], score_threshold=0.01))
    return path


@pytest.fixture(scope="module")
def written(snapshot, drawn, tmp_path_factory):
    """Return the ONNX file of the snapshot, proven on two real pictures."""
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    path = tmp_path_factory.mktemp("onnx") / "o.onnx"
    pictures = [str(drawn / f"val_{number}.png") for number in (1, 2)]
    convert_model.main([str(snapshot), str(path), "--pictures", *pictures])
    return path


def test_the_command_writes_a_file_and_its_report(written, snapshot, drawn):
    report = json.loads((written.parent / "o.report.json").read_text())
    assert report["passed"] and report["rows"] > 0 and report["format"] == "ONNX"
    assert [case["size"] for case in report["cases"]] == [[96, 128]] * 4
    picture = drawn / "val_1.png"
    mine, other = (
        Detector(path, threshold=0.01).predict(picture)[0] for path in (snapshot, written)
    )
    assert len(mine) > 10
    np.testing.assert_allclose(other.scores, mine.scores, atol=1e-3)
    far = np.abs(other.boxes[None] - mine.boxes[:, None]).max(axis=2).min(axis=1)
    assert (far < 0.1).mean() > 0.9  # scores are nearly equal here: the last ones may be others
    assert other.classes == ("disc", "square")


@pytest.mark.parametrize("more", [[], ["--no-nms"]], ids=["detections", "no suppression"])
def test_a_saved_model_is_proven_and_does_what_a_snapshot_does(
    snapshot, drawn, tmp_path, more, capsys
):
    folder, picture = tmp_path / "saved" / "1", drawn / "val_1.png"
    folder.parent.mkdir()
    convert_model.main([str(snapshot), f"{folder}/", "--pictures", str(picture), *more])
    assert "detections compared, boxes within" in capsys.readouterr().out
    report = json.loads((folder.parent / "1.report.json").read_text())
    assert report["passed"] and report["rows"] > 0 and report["format"] == "SavedModel"
    assert report["runtime"].startswith("tensorflow ")
    assert {path.name for path in folder.parent.iterdir()} == {"1", "1.report.json"}
    if more:
        return
    mine, other = (
        Detector(path, threshold=0.01).predict(picture)[0] for path in (snapshot, folder)
    )
    assert len(mine) > 10 and len(other) == len(mine) and other.classes == mine.classes
    np.testing.assert_allclose(np.sort(other.scores), np.sort(mine.scores), atol=1e-4)
    words = ["--draws", "0", "csv", str(drawn / "val.csv"), str(drawn / "classes.csv")]
    own, file = (evaluate.main([*words, str(path)]) for path in (snapshot, folder))
    assert file["coco"] == pytest.approx(own["coco"], abs=1e-3)
    assert file["options"]["runtime"].startswith("tensorflow ")


def test_a_folder_of_another_program_is_one_line(tmp_path, drawn, outcome):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"nothing")
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", tmp_path / "saved"]
    code, error = outcome(evaluate, words)
    assert code == 2 and error.count("\n") == 1 and "name a SavedModel that" in error
    (tmp_path / "saved" / "keras_retinanet.json").write_text("{}")
    code, error = outcome(evaluate, words)
    assert code == 2 and error.count("\n") == 1 and "keras_retinanet.json: damaged" in error


def test_an_evaluation_gives_the_numbers_of_the_snapshot(written, snapshot, drawn, outcome):
    files = ["csv", drawn / "val.csv", drawn / "classes.csv"]
    words = [str(word) for word in ("--draws", 0, *files)]
    own, file = (evaluate.main([*words, str(path)]) for path in (snapshot, written))
    assert file["coco"] == pytest.approx(own["coco"], abs=1e-3)
    assert file["mAP"] == pytest.approx(own["mAP"], abs=1e-3)
    assert file["options"]["runtime"].startswith("onnxruntime")
    assert file["calibration"]["bins"][0]["count"] == own["calibration"]["bins"][0]["count"] > 10
    for option, message in (
        (["--misses", "m.json"], "--misses does not go with"),
        (["--score-threshold", 0.001], "gives no scores below 0.01"),
        (["--max-detections", 400], "gives at most 300"),
    ):
        code, error = outcome(evaluate, [*option, *files, written])
        assert code == 2 and message in error and error.count("\n") == 1


def test_half_precision_is_measured_on_a_dataset(snapshot, drawn, tmp_path, capsys):
    dataset = f"csv {drawn / 'val.csv'} {drawn / 'classes.csv'}"
    words = ["--half", "--measure-on", dataset, str(snapshot), str(tmp_path / "h.onnx")]
    convert_model.main(words)
    report = json.loads((tmp_path / "h.report.json").read_text())
    measured = report["average_precision"]
    assert measured["passed"] and measured["allowed_loss"] == 0.001
    line = f"AP {measured['before']:.4f} of the detector, {measured['after']:.4f} of the file"
    assert line in capsys.readouterr().out
    own = evaluate.main(["--draws", "0", *dataset.split(), str(snapshot)])["coco"]["AP"]
    assert measured["before"] == pytest.approx(own, abs=1e-3)


def test_int8_is_calibrated_on_one_dataset_and_measured_on_another(
    snapshot, drawn, tmp_path, capsys
):
    """A network trained for seconds may lose more than is allowed: then the file is set aside."""
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    train, val = (
        f"csv {drawn / f'{part}.csv'} {drawn / 'classes.csv'}" for part in ("train", "val")
    )
    out = tmp_path / "w.onnx"
    words = ["--int8", "--calibrate-on", train, "--measure-on", val, snapshot, out]
    code = console.run(partial(convert_model.main, [str(word) for word in words]), "convert")
    assert "calibrating on 6 pictures" in capsys.readouterr().out
    report = json.loads((tmp_path / "w.report.json").read_text())
    measured = report["average_precision"]
    assert report["precision"] == "int8" and measured["allowed_loss"] == 0.01
    assert measured["passed"] == (measured["before"] - measured["after"] <= 0.01)
    assert code == (0 if measured["passed"] else 3) and out.exists() == measured["passed"]


def test_a_rejected_saved_model_is_set_aside(snapshot, drawn, tmp_path, outcome, monkeypatch):
    from keras_retinanet.export import gate

    for name in ("BOX_TOLERANCE", "SCORE_TOLERANCE"):
        monkeypatch.setattr(gate, name, -1.0)
    earlier = tmp_path / "saved.rejected"
    earlier.mkdir()
    for name in ("saved_model.pb", "of_an_earlier_one"):
        (earlier / name).touch()
    words = [snapshot, tmp_path / "saved", "--pictures", drawn / "val_1.png"]
    code, error = outcome(convert_model, [str(word) for word in words])
    assert code == 3 and error.count("\n") == 1 and "saved.rejected" in error
    assert {path.name for path in tmp_path.iterdir()} == {"saved.rejected", "saved.report.json"}
    assert not (earlier / "of_an_earlier_one").exists()
    assert (earlier / "saved_model.pb").stat().st_size


def test_a_rejected_file_ends_in_3(snapshot, drawn, tmp_path, outcome, monkeypatch):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    from keras_retinanet.export import gate

    for name in ("BOX_TOLERANCE", "SCORE_TOLERANCE"):
        monkeypatch.setattr(gate, name, -1.0)
    words = [snapshot, tmp_path / "o.onnx", "--pictures", drawn / "val_1.png"]
    code, error = outcome(convert_model, [str(word) for word in words])
    assert code == 3 and error.count("\n") == 1 and "o.onnx.rejected" in error
    assert not (tmp_path / "o.onnx").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["o.keras", "--size", "64x64"], "--size is for .onnx, .xml and .tflite, not for o.keras"),
        (["o.onnx", "--size", "64"], "'64' is not HEIGHTxWIDTH in pixels"),
        (["o.xml", "--trt"], "--trt is for .onnx"),
        (["o.onnx", "--pictures", "no.png"], "--pictures: no.png: there is no such file"),
        (["o.onnx", "--trt", "--no-nms"], "leave one of them out"),
        (["o.onnx", "--half"], "--half needs --measure-on, such as --measure-on"),
        (["o.onnx", "--int8"], "--int8 needs --measure-on, such as --measure-on"),
        (
            ["o.onnx", "--int8", "--measure-on", "csv a b"],
            '--int8 needs --calibrate-on, such as --calibrate-on "csv train.csv classes.csv"',
        ),
        (["o.onnx", "--calibrate-on", "csv a b"], "--calibrate-on is for --int8; leave it out"),
        (
            ["o.xml", "--int8", "--measure-on", "csv a b", "--calibrate-on", "csv a"],
            '--calibrate-on "csv a": the following arguments',
        ),
        (["o.xml", "--int8", "--half", "--measure-on", "csv a b"], "not allowed with argument"),
        (["o.keras", "--half"], "--half is for .onnx, .xml and .tflite, not for o.keras"),
        (["o.onnx", "--measure-on", "csv a.csv"], '--measure-on "csv a.csv": the following arg'),
        (["o.onnx", "--measure-on", "csf a b"], '--measure-on "csf a b": argument'),
        (
            ["o.onnx", "--no-nms", "--measure-on", "csv a b"],
            "--measure-on needs detections; leave --trt and --no-nms out",
        ),
        (["saved/", "--half", "--measure-on", "csv a b"], "--half is for .onnx"),
        (["o.keras", "--pictures", "a.png"], "--pictures is for SavedModels, .onnx, .xml"),
        (["o.pb"], "unknown kind of file '.pb'; name a .keras, .h5, .onnx, .xml or .tflite file"),
    ],
)
def test_options_that_do_not_go_are_one_line(words, message, outcome):
    code, error = outcome(convert_model, ["in.keras", *words])
    assert code == 2 and message in error


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    from keras_retinanet.export import libraries

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(libraries.importlib, "import_module", missing)
    with pytest.raises(
        ValueError, match=r'onnx is not installed: pip install "keras-retinanet\[onnx\]"'
    ):
        libraries.library("onnx.compose", "onnx")


def test_the_kinds_of_files_are_those_that_can_be_written():
    from keras_retinanet.export.proven import FOLDER, FORMATS
    from keras_retinanet.export.runtimes import FILES, can_bfloat16

    assert set(convert_model.EXPORTS) == set(FORMATS) - {FOLDER} == set(FILES)
    able = {suffix for suffix in FILES if can_bfloat16(f"o{suffix}")}
    assert set(convert_export.COMPUTE_IN_BFLOAT16) == able
