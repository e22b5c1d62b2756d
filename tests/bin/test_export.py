"""retinanet-convert-model to files of other runtimes, and what may go wrong."""

import json

import keras
import numpy as np
import pytest

from keras_retinanet.bin import convert_model
from keras_retinanet.predict import Detector

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files are written by way of TensorFlow"
)


@pytest.fixture(scope="module")
def written(trained, drawn, tmp_path_factory):
    """Return the ONNX file of the trained snapshot, proven on two real pictures."""
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    path = tmp_path_factory.mktemp("onnx") / "o.onnx"
    pictures = [str(drawn / f"val_{number}.png") for number in (1, 2)]
    convert_model.main([str(trained.snapshot), str(path), "--pictures", *pictures])
    return path


def test_the_command_writes_a_file_and_its_report(written, trained, drawn):
    report = json.loads((written.parent / "o.report.json").read_text())
    assert report["passed"] and report["rows"] > 0 and report["format"] == "ONNX"
    assert [case["size"] for case in report["cases"]] == [[96, 128]] * 4
    picture = drawn / "val_1.png"
    mine, other = (
        Detector(path, threshold=0.06).predict(picture)[0] for path in (trained.snapshot, written)
    )
    np.testing.assert_allclose(other.boxes, mine.boxes, atol=0.1)
    assert other.classes == ("disc", "square")


def test_a_rejected_file_ends_in_3(trained, drawn, tmp_path, outcome, monkeypatch):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    from keras_retinanet.export import gate

    for name in ("BOX_TOLERANCE", "SCORE_TOLERANCE"):
        monkeypatch.setattr(gate, name, -1.0)
    words = [trained.snapshot, tmp_path / "o.onnx", "--pictures", drawn / "val_1.png"]
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
        ValueError, match=r"onnx is not installed: pip install keras-retinanet\[onnx\]"
    ):
        libraries.library("onnx.compose", "onnx")


def test_the_kinds_of_files_are_those_that_can_be_written():
    from keras_retinanet.export.proven import FORMATS
    from keras_retinanet.export.runtimes import FILES

    assert set(convert_model.EXPORTS) == set(FORMATS) == set(FILES)
