"""Bad input: one line that names the thing, exit code 2, nothing half-written."""

import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.bin import convert_model, debug, evaluate, model_files, predict, train
from tests import sketch

SMALL = ["--image-min-side", "96", "--image-max-side", "128"]
RUN = ["--no-weights", "--backbone", sketch.NAME, *SMALL, "--epochs", "1"]


@pytest.fixture(scope="session")
def bad(tmp_path_factory, trained, drawn):
    """Return a folder of files that are not what they should be."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty.csv").write_text("")
    (folder / "blank.csv").write_text("\n  \n")
    (folder / "columns.csv").write_text("a.png,1,2\n")
    (folder / "unknown.csv").write_text("a.png,1,2,3,4,dragon\n")
    (folder / "missing.csv").write_text(f"{folder}/nothing.png,1,2,30,40,disc\n")
    (folder / "text.csv").write_text(f"{folder}/text.png,1,2,30,40,disc\n")
    (folder / "cut.csv").write_text(f"{folder}/cut.png,1,2,30,40,disc\n")
    (folder / "text.png").write_text("no picture")
    Image.effect_noise((300, 300), 50).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:5000])
    (folder / "two.csv").write_text("cat,0\ndog,1\n")
    (folder / "same.csv").write_text("cat,0\ncat,1\n")
    (folder / "text.keras").write_text("no model")
    (folder / "empty.keras").write_text("")
    (folder / "text.h5").write_text("no model")
    snapshot = trained.snapshot.read_bytes()
    (folder / "cut.keras").write_bytes(snapshot[: len(snapshot) // 2])
    with zipfile.ZipFile(folder / "zip.keras", "w") as archive:
        archive.writestr("readme.txt", "no model")
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(folder / "dense.keras")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("precious")
    (folder / "six.ini").write_text(
        "[anchor_parameters]\nsizes = 16 32 64\nstrides = 8 16 32\nratios = 1\nscales = 1\n"
        "[pyramid_levels]\nlevels = 3 4 5\n"
    )
    return folder


# command, words ({d}: good data, {b}: bad files, {m}: a good model, {t}: an empty folder), message
CASES = {
    "train: no annotation file": (train, "csv {d}/no.csv {d}/classes.csv", "no.csv"),
    "train: empty annotations": (train, "csv {b}/empty.csv {d}/classes.csv", "empty.csv"),
    "train: blank annotations": (train, "csv {b}/blank.csv {d}/classes.csv", "blank.csv"),
    "train: too few columns": (train, "csv {b}/columns.csv {d}/classes.csv", "line 1"),
    "train: an unknown class": (train, "csv {b}/unknown.csv {d}/classes.csv", "'dragon'"),
    "train: a class named twice": (train, "csv {d}/train.csv {b}/same.csv", "'cat'"),
    "train: a missing picture": (train, "csv {b}/missing.csv {d}/classes.csv", "csv, line 1: "),
    "train: a picture that is text": (train, "csv {b}/text.csv {d}/classes.csv", "text.png"),
    "train: half a picture": (train, "csv {b}/cut.csv {d}/classes.csv", "cut.png"),
    "train: a picture above the limit": (
        train,
        "csv {d}/train.csv {d}/classes.csv --max-pixels 100",
        "pixels",
    ),
    "train: an unknown backbone": (
        train,
        "csv {d}/train.csv {d}/classes.csv --backbone resnet51",
        "'resnet51'. Did you mean resnet50",
    ),
    "train: no configuration": (
        train,
        "csv {d}/train.csv {d}/classes.csv --config {b}/no.ini",
        "no.ini",
    ),
    "train: runs into a file": (
        train,
        "csv {d}/train.csv {d}/classes.csv --snapshot-path {b}/empty.csv",
        "empty.csv",
    ),
    "train: no snapshot": (
        train,
        "csv {d}/train.csv {d}/classes.csv --snapshot {b}/no.keras",
        "no.keras: no such",
    ),
    "train: a snapshot of other classes": (
        train,
        "csv {d}/train.csv {b}/two.csv --snapshot {m}",
        "unknown class",
    ),
    "evaluate: no model": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {b}/no.keras",
        "no.keras: no such model file",
    ),
    "evaluate: a text as model": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {b}/text.keras",
        "text.keras: not a model",
    ),
    "evaluate: an empty model": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {b}/empty.keras",
        "empty.keras: not a model",
    ),
    "evaluate: half a model": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {b}/cut.keras",
        "cut.keras",
    ),
    "evaluate: a zip file as model": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {b}/zip.keras",
        "zip.keras: not a Keras model",
    ),
    "evaluate: another kind of model": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {b}/dense.keras",
        "dense.keras: neither a network nor a detector",
    ),
    "evaluate: no annotation file": (evaluate, "csv {d}/no.csv {d}/classes.csv {m}", "no.csv"),
    "evaluate: a missing picture": (
        evaluate,
        "csv {b}/missing.csv {d}/classes.csv {m}",
        "nothing.png",
    ),
    "evaluate: an unknown backbone": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {m} --backbone vgg17",
        "'vgg17'. Did you mean vgg1",
    ),
    "evaluate: pictures into a file": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {m} --save-path {b}/empty.csv/x",
        "empty.csv is a file",
    ),
    "evaluate: results into no folder": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {m} --json {t}/no/r.json",
        "there is no folder",
    ),
    "evaluate: other anchors": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {m} --config {b}/six.ini",
        "six.ini: 1 anchors a cell",
    ),
    "evaluate: a side above the model's": (
        evaluate,
        "csv {d}/val.csv {d}/classes.csv {m} --image-min-side 500",
        "make 500 and 128",
    ),
    "convert: no model": (convert_model, "{b}/no.keras {t}/o.keras", "no.keras: no such"),
    "convert: a text as model": (convert_model, "{b}/text.h5 {t}/o.keras", "text.h5: not a model"),
    "convert: another kind of model": (
        convert_model,
        "{b}/dense.keras {t}/o.h5",
        "dense.keras: neither a network nor a detector",
    ),
    "convert: a folder in use": (convert_model, "{m} {b}/full", "full: is a folder with files"),
    "convert: a file for a folder": (convert_model, "{m} {b}/empty.csv/", "is a file"),
    "convert: into no folder": (convert_model, "{m} {t}/no/o.keras", "there is no folder"),
    "convert: a SavedModel into no folder": (convert_model, "{m} {t}/no/o", "there is no folder"),
    "convert: an unknown kind": (convert_model, "{m} {t}/o.mlmodel", "'.mlmodel'"),
    "predict: no model": (predict, "{b}/no.keras {d}/val_1.png", "no.keras: no such model file"),
    "predict: a text as model": (predict, "{b}/text.keras {d}", "text.keras: not a model"),
    "predict: another kind of model": (
        predict,
        "{b}/dense.keras {d}",
        "dense.keras: neither a network nor a detector",
    ),
    "predict: no picture": (predict, "{m} {b}/no.png", "no.png: there is no such file"),
    "predict: a folder without pictures": (predict, "{m} {b}/full", "full: no picture"),
    "predict: into a file": (predict, "{m} {d} --output {b}/empty.csv", "empty.csv is a file"),
    "predict: an unknown class": (predict, "{m} {d} --threshold cat=0.5", "'cat'"),
    "predict: a side above the model's": (
        predict,
        "{m} {d} --image-min-side 500",
        "image_min_side 500",
    ),
    "debug: no annotation file": (debug, "csv {d}/no.csv {d}/classes.csv", "no.csv"),
    "debug: files into a file": (
        debug,
        "csv {d}/val.csv {d}/classes.csv --no-gui --output-dir {b}/empty.csv",
        "empty.csv is a file",
    ),
    "debug: no configuration": (
        debug,
        "csv {d}/val.csv {d}/classes.csv --config {b}/no.ini",
        "no.ini",
    ),
}


def listing(*folders):
    return sorted((str(p), p.stat().st_mtime_ns) for f in folders for p in f.rglob("*"))


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    case, bad, drawn, trained, tmp_path, monkeypatch, outcome
):
    module, words, part = CASES[case]
    monkeypatch.chdir(tmp_path)
    before = listing(bad, drawn, trained.folder, tmp_path)
    filled = words.format(d=drawn, b=bad, m=trained.snapshot, t=tmp_path).split()
    options = [] if module is not train else RUN
    if "--snapshot" in filled:
        options = [word for word in options if word != "--no-weights"]
    code, message = outcome(module, [*options, *filled])
    assert code == 2
    assert message.startswith(f"{module.PROG}: ") and part in message
    assert message.count("\n") == 1
    assert listing(bad, drawn, trained.folder, tmp_path) == before


def test_a_model_of_other_classes_is_named(outcome, bad, drawn, trained, tmp_path):
    picture = drawn / "val_0.png"
    (tmp_path / "pets.csv").write_text(f"{picture},1,2,30,40,dog\n")
    code, message = outcome(
        evaluate, ["csv", tmp_path / "pets.csv", bad / "two.csv", trained.snapshot]
    )
    assert code == 2
    assert f"{trained.snapshot}: its 2 classes (disc, square)" in message
    assert "are not the dataset's 2 (cat, dog)" in message


@pytest.mark.parametrize("kind", ["o.keras", "o.h5", "o"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    kind, outcome, trained, tmp_path, monkeypatch
):
    if kind != "o":
        (tmp_path / kind).write_text("old")

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device", str(args[-1]))

    monkeypatch.setattr("keras.Model.save", fail)
    monkeypatch.setattr("keras_retinanet.models.exporting._write_saved_model", fail)
    code, message = outcome(convert_model, [trained.snapshot, tmp_path / kind])
    assert code == 2 and "No space left on device" in message
    assert [path.name for path in tmp_path.iterdir()] == ([] if kind == "o" else [kind])
    assert kind == "o" or (tmp_path / kind).read_text() == "old"


def test_a_missing_model_is_told_before_keras_starts(monkeypatch):
    monkeypatch.setattr(model_files, "import_keras", lambda: pytest.fail("Keras was started"))
    with pytest.raises(ValueError, match=r"no\.keras: no such model file"):
        model_files.start_keras(model="no.keras")


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_real_process_writes_one_line(name, tmp_path):
    words = ["csv", "no.csv", "c.csv"] + ["m.keras"] * (name == "evaluate")
    (tmp_path / "c.csv").write_text("cat,0\n")
    env = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", f"keras_retinanet.bin.{name}", *words],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    missing = "m.keras: no such model file" if name == "evaluate" else "no.csv: "
    assert done.returncode == 2
    assert done.stderr.startswith(f"retinanet-{name}: {missing}")
    assert done.stderr.count("\n") == 1 and not done.stdout


def test_a_bug_keeps_its_traceback(outcome, monkeypatch):
    monkeypatch.setattr(debug, "import_keras", lambda: int("x"))
    monkeypatch.setattr(debug, "check_new_folder", lambda *args: np.zeros(1))
    with pytest.raises(ValueError, match="invalid literal"):
        outcome(debug, ["csv", "a", "b"])
