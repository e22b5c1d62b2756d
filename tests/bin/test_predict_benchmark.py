"""retinanet-predict --benchmark."""

import shutil

import pytest

from keras_retinanet.bin import predict, predict_benchmark
from keras_retinanet.bin.console import Unfinished
from keras_retinanet.bin.predict_benchmark import Answering, files_of, lines_of, megabytes, row


def test_a_model_and_the_files_beside_it_answer_in_turn(
    trained, drawn, tmp_path, monkeypatch, capsys
):
    """One of the files is none: it is named, and the command ends with 1."""
    shutil.copy(trained.snapshot, tmp_path / "o.keras")
    (tmp_path / "o.h5").write_bytes(b"no model")
    monkeypatch.setattr(predict_benchmark, "BATCHES", (3,))
    monkeypatch.setattr(predict_benchmark, "ROUNDS", 2)
    words = ["--benchmark", tmp_path / "o.keras", drawn / "val_0.png", drawn / "val_1.png"]
    with pytest.raises(Unfinished):
        predict.main([str(word) for word in words])
    lines = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:3] == ["o.keras", "Keras, tensorflow", "3"]
    assert all(float(cell) > 0 for cell in cells[3:])
    assert lines[3].startswith("for each of 2 pictures, decoded already; medians of 2 answers")
    assert lines[4].startswith(f"left out: {tmp_path}/o.h5: ") and len(lines) == 5
    assert not (tmp_path / "detections").exists()


def test_files_of_the_same_name_are_found(tmp_path):
    for name in ("a.onnx", "a.xml", "a.bin", "a.txt", "b.keras"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    assert [path.name for path in files_of(tmp_path / "a.onnx")] == ["a.onnx", "a.xml"]
    assert megabytes(tmp_path / "a.xml") == pytest.approx(0.002)


def test_a_row_has_medians_for_one_picture(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x" * 2_000_000)
    times = [(0.4, 0.8), (9.0, 9.0), (0.2, 0.6)]
    facts = {"runtime": "onnxruntime 1", "memory": 700.4}
    cells = row(Answering(tmp_path / "a.onnx", None, None, times, facts), batch=4)
    assert cells == ("a.onnx", "onnxruntime 1", "4", "100.0", "200.0", "10.0", "2.0", "700")
    assert [len(line) for line in lines_of([cells])] == [len(lines_of([cells])[0])] * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "json"], "--benchmark writes nothing and serves nobody; leave --format out"),
        (["--serve", "8000"], "leave --serve out"),
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
