"""retinanet-predict --benchmark."""

import shutil

import pytest

from keras_retinanet.bin import evaluate, predict, predict_benchmark
from keras_retinanet.bin.benchmark_accuracy import words_of
from keras_retinanet.bin.benchmark_table import lines_of, megabytes, row
from keras_retinanet.bin.console import Unfinished
from keras_retinanet.bin.predict_benchmark import Answering, files_of, variants_of


def test_a_model_and_the_files_beside_it_answer_in_turn(
    trained, drawn, tmp_path, monkeypatch, capsys
):
    """One of the files is none: it is named, and the command ends with 1.

    Average precision is that of retinanet-evaluate, of each precision its own.
    """
    shutil.copy(trained.snapshot, tmp_path / "o.keras")
    (tmp_path / "o.h5").write_bytes(b"no model")
    monkeypatch.setattr(predict_benchmark, "BATCHES", (3,))
    monkeypatch.setattr(predict_benchmark, "ROUNDS", 2)
    dataset = f"csv {drawn / 'val.csv'} {drawn / 'classes.csv'}"
    more = ["--bfloat16", "--measure-on", dataset]
    words = ["--benchmark", *more, tmp_path / "o.keras", drawn / "val_0.png", drawn / "val_1.png"]
    with pytest.raises(Unfinished):
        predict.main([str(word) for word in words])
    lines = capsys.readouterr().out.splitlines()
    lines = [line for line in lines if not line.startswith("--bfloat16: this processor")]
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:4] == ["o.keras", "Keras, tensorflow", "float32", "3"]
    assert all(float(cell) > 0 for cell in cells[4:-1])
    other = [cell.strip() for cell in lines[3].strip("|").split("|")]
    assert other[:4] == ["o.keras", "Keras, tensorflow", "bfloat16", "3"]
    asked = ["--draws", "0", *dataset.split(), str(tmp_path / "o.keras")]
    for row_of_file, flag in ((cells, []), (other, ["--bfloat16"])):
        assert float(row_of_file[-1]) == round(evaluate.main(flag + asked)["coco"]["AP"], 4)
    assert lines[4].startswith("for each of 2 pictures, decoded already; medians of 2 answers")
    assert lines[5].startswith(f"left out: {tmp_path}/o.h5: ") and len(lines) == 6
    assert not (tmp_path / "detections").exists()


def test_files_of_the_same_name_are_found(tmp_path):
    for name in ("a.onnx", "a.xml", "a.bin", "a.txt", "b.keras"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    assert [path.name for path in files_of(tmp_path / "a.onnx")] == ["a.onnx", "a.xml"]
    assert megabytes(tmp_path / "a.xml") == pytest.approx(0.002)
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"x" * 3000)
    assert files_of(tmp_path / "b.keras") == [tmp_path / "b.keras", folder]
    assert megabytes(folder) == pytest.approx(0.003)


def test_bfloat16_is_measured_beside_where_it_goes(tmp_path):
    for name in ("a.keras", "a.onnx", "a.xml", "a.bin"):
        (tmp_path / name).write_bytes(b"x")
    args = predict.parse_args(["--benchmark", "--bfloat16", str(tmp_path / "a.keras"), "p.png"])
    found = [(path.name, low) for path, low in variants_of(args)]
    exact = [(name, False) for name in ("a.keras", "a.onnx", "a.xml")]
    assert found == [*exact, ("a.keras", True), ("a.xml", True)]


def test_accuracy_is_asked_for_with_the_options_of_the_model():
    words = ["--benchmark", "--measure-on", "csv 'my val.csv' c.csv", "--family", "odtk"]
    args = predict.parse_args([*words, "a.keras", "p.png"])
    asked = words_of(args, "b.onnx", True)
    given = ["--family", "odtk", "--draws", "0", "--bfloat16", "csv", "my val.csv", "c.csv"]
    assert asked == [*given, "b.onnx"]


def test_a_row_has_medians_for_one_picture(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x" * 2_000_000)
    times = [(0.4, 0.8), (9.0, 9.0), (0.2, 0.6)]
    facts = {"runtime": "onnxruntime 1", "precision": "int8", "memory": 700.4}
    one = Answering(tmp_path / "a.onnx", False, None, None, times, facts)
    cells = row(one, 4, 0.61125)
    numbers = ("4", "100.0", "200.0", "10.0", "2.0", "700")
    assert cells == ("a.onnx", "onnxruntime 1", "int8", *numbers, "0.6112")
    assert row(one, 4) == cells[:-1]
    assert [len(line) for line in lines_of([cells])] == [len(lines_of([cells])[0])] * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "json"], "--benchmark writes nothing and serves nobody; leave --format out"),
        (["--serve", "8000"], "leave --serve out"),
        (["--measure-on", "csv a.csv"], '--measure-on "csv a.csv": '),
    ],
)
def test_what_does_not_go_with_it_is_refused(words, message, outcome):
    pictures = [] if "--serve" in words else ["a.png"]
    code, error = outcome(predict, ["--benchmark", *words, "a.keras", *pictures])
    assert code == 2 and message in error


def test_it_needs_a_picture(tmp_path, outcome):
    (tmp_path / "a.mp4").write_bytes(b"x")
    code, error = outcome(predict, ["--benchmark", "a.keras", tmp_path / "a.mp4"])
    assert code == 2 and "--benchmark needs a picture among its inputs" in error
