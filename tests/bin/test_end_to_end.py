"""All four commands on a drawn dataset, from pictures to a detector in every format."""

import csv
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from keras_retinanet import evaluation, models
from keras_retinanet.bin import convert_model, evaluate
from keras_retinanet.evaluation.measures import with_nulls
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.predict import Detector
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.utils.image import preprocess_image, read_image_bgr, resize_image
from tests import sketch

# two epochs leave scores near the prior of 0.01; from there on there are detections to compare
LOW = ("--score-threshold", "0.001")
OUTPUTS = ("boxes", "scores", "labels")


@pytest.fixture(scope="session")
def picture(drawn):
    """Return a drawn picture, resized as the network was trained: uint8 [H, W, 3] BGR."""
    return resize_image(read_image_bgr(drawn / "val_1.png"), 96, 128)[0]


@pytest.fixture(scope="session")
def converted(trained, picture, tmp_path_factory):
    """Return the detector as .keras and .h5 file and SavedModel, and what it detects."""
    folder = tmp_path_factory.mktemp("converted")
    paths = {kind: folder / name for kind, name in NAMES.items()}
    for path in paths.values():
        detector = convert_model.main([str(trained.snapshot), str(path), *LOW])
    return SimpleNamespace(paths=paths, detector=detector, found=detect(detector, picture))


NAMES = {"keras": "detector.keras", "h5": "detector.h5", "folder": "detector"}


def detect(detector, *pictures):
    """Return boxes, scores and labels of pictures of one size (eager: a graph takes seconds)."""
    inputs = preprocess_image(np.stack(pictures), mode="tf")
    return [np.asarray(output) for output in detector(inputs, training=False)]


def evaluate_on(drawn, *words):
    data = ["csv", str(drawn / "val.csv"), str(drawn / "classes.csv")]
    return evaluate.main([*data, *map(str, words), *LOW])


def assert_same_measure(first, second):
    """Compare results of evaluation but for time and for which file was measured."""
    own = ("inference_seconds", "options")
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in second.items() if k not in own
    }


@pytest.fixture(scope="session")
def measured(drawn, trained, tmp_path_factory):
    """Return what retinanet-evaluate returns and writes for the snapshot."""
    folder = tmp_path_factory.mktemp("measured")
    written = ("--json", folder / "results.json", "--save-path", folder / "pictures")
    results = evaluate_on(drawn, *written, trained.snapshot)
    text = (folder / "results.json").read_text(encoding="utf-8")
    return SimpleNamespace(results=results, json=json.loads(text), pictures=folder / "pictures")


# --- train


def test_training_keeps_its_history_and_its_snapshots(trained):
    assert {"best.keras", "last.keras", "history.csv"} <= {p.name for p in trained.folder.iterdir()}
    with (trained.folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    history = trained.history.history
    assert [float(row["loss"]) for row in rows] == pytest.approx(history["loss"])
    assert len(rows) == 2 and all(math.isfinite(loss) for loss in history["loss"])


def test_a_snapshot_knows_what_it_was_trained_with(trained):
    profile = profile_of(models.load_model(trained.snapshot))
    assert profile.backbone == sketch.NAME
    assert profile.classes == ("disc", "square")
    assert (profile.image_min_side, profile.image_max_side) == (96, 128)
    assert profile.anchors.sizes == (16, 32, 64) and profile.levels == (3, 4, 5)


# --- evaluate


def test_the_json_file_holds_what_evaluation_returns(measured):
    assert measured.json == with_nulls(measured.results)


def test_evaluation_equals_the_library_on_the_same_pictures(drawn, trained, measured):
    generator = CSVGenerator(
        drawn / "val.csv",
        drawn / "classes.csv",
        image_min_side=96,
        image_max_side=128,
        preprocess_image=lambda image: preprocess_image(image, mode="tf"),
        shuffle_groups=False,
    )
    network = models.load_model(trained.snapshot)
    detector = models.convert_model(network, score_threshold=0.001)
    by_class, _ = evaluation.evaluate(generator, detector, score_threshold=0.001)
    results = measured.results
    for label, (ap, instances) in by_class.items():
        row = results["classes"][generator.label_to_name(label)]
        assert (row["AP"], row["instances"]) == (pytest.approx(ap, abs=1e-6), instances)
    assert len(results["classes"]) == len(by_class) == 2
    assert results["mAP"] == pytest.approx(evaluation.mean_ap(by_class), abs=1e-6)
    assert results["weighted_mAP"] == pytest.approx(evaluation.weighted_mean_ap(by_class), abs=1e-6)
    assert sum(row["instances"] for row in results["classes"].values()) == 8
    assert results["images"] == 4 and results["inference_seconds"] > 0
    assert results["options"]["score_threshold"] == 0.001
    assert results["options"]["image_min_side"] == 96
    assert list(results["coco"])[:3] == ["AP", "AP50", "AP75"] and len(results["coco"]) == 12


def test_every_picture_is_saved_with_what_was_found(measured):
    assert {path.name for path in measured.pictures.iterdir()} == {f"{i}.png" for i in range(4)}


def test_evaluation_prints_the_lines_of_1_0(drawn, trained, capsys):
    results = evaluate_on(drawn, trained.snapshot, "--convert-model", "--backbone", "resnet50")
    lines = capsys.readouterr().out.splitlines()
    disc = results["classes"]["disc"]
    assert lines[0].startswith("--convert-model is not needed")
    assert lines[1].startswith("--backbone resnet50 is not used")
    assert (
        f"{disc['instances']} instances of class disc with average precision: {disc['AP']:.4f}"
        in lines
    )
    assert f"mAP: {results['mAP']:.4f}" in lines
    assert any(line.startswith("Inference time for 4 images: ") for line in lines)
    assert len([line for line in lines if line.startswith(" Average ")]) == 12


def test_a_dataset_without_objects_says_so_and_gives_null(drawn, trained, tmp_path, capsys):
    (tmp_path / "empty.csv").write_text(f"{drawn}/val_0.png,,,,,\n")
    words = ["csv", f"{tmp_path}/empty.csv", f"{drawn}/classes.csv", str(trained.snapshot)]
    results = evaluate.main([*words, "--json", f"{tmp_path}/results.json"])
    assert capsys.readouterr().out.splitlines() == ["No test instances found."]
    assert math.isnan(results["mAP"])
    assert json.loads((tmp_path / "results.json").read_text())["mAP"] is None


# --- convert


def test_there_are_detections_to_compare(converted):
    assert np.count_nonzero(converted.found[1] > 0.001) >= 20


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_converted_file_detects_what_the_snapshot_does(kind, trained, converted, picture):
    network = models.load_model(trained.snapshot)
    direct = models.convert_model(network, score_threshold=0.001)
    loaded = models.load_model(converted.paths[kind])
    assert profile_of(loaded) == profile_of(direct)
    for found, wanted in zip(detect(loaded, picture), detect(direct, picture), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_converted_file_measures_like_the_snapshot(kind, drawn, converted, measured):
    results = evaluate_on(drawn, converted.paths[kind])
    assert_same_measure(results, measured.results)


SERVE = """
import sys
sys.modules["keras_retinanet"] = sys.modules["keras"] = None  # importing them is an error now
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
for name in ("one", "two"):
    images = np.load(f"{sys.argv[2]}/{name}.npy")
    found = model.signatures["serving_default"](images=tf.constant(images))
    np.savez(f"{sys.argv[2]}/{name}.npz", **{key: value.numpy() for key, value in found.items()})
"""


def test_tensorflow_alone_detects_the_same_with_the_saved_model(converted, picture, tmp_path):
    taller = np.pad(picture, ((0, 32), (0, 0), (0, 0)))
    batches = {"one": [picture], "two": [taller, taller[::-1]]}
    for name, pictures in batches.items():
        np.save(tmp_path / f"{name}.npy", np.stack(pictures)[..., ::-1])  # RGB
    command = [sys.executable, "-c", SERVE, str(converted.paths["folder"]), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    for name, pictures in batches.items():
        with np.load(tmp_path / f"{name}.npz") as found:
            assert found["labels"].dtype == np.int32
            for output, wanted in zip(OUTPUTS, detect(converted.detector, *pictures), strict=True):
                np.testing.assert_allclose(found[output], wanted, atol=1e-3)


def test_the_saved_model_takes_files_of_any_sizes(converted, drawn):
    """As the detector does by way of OpenCV, whose resize differs by a level here and there."""
    import tensorflow as tf

    paths = [drawn / "val_1.png", drawn / "val_2.png"]
    model = tf.saved_model.load(str(converted.paths["folder"]))
    files = tf.constant([path.read_bytes() for path in paths])
    found = model.signatures["serving_bytes"](image_bytes=files)
    threshold = profile_of(converted.detector).score_threshold
    truth = Detector(converted.detector, threshold=threshold).predict(paths)
    for place, one in enumerate(truth):
        count = len(one.scores)
        assert count and (found["labels"][place].numpy() >= 0).sum() == count
        np.testing.assert_allclose(found["scores"][place][:count], one.scores, atol=1e-3)
        np.testing.assert_allclose(found["boxes"][place][:count], one.boxes, atol=0.1)


def test_a_picture_of_one_row_is_not_resized_to_none(converted):
    """1 x 3000 pixels: the side of 1 would come out below a half."""
    import tensorflow as tf

    model = tf.saved_model.load(str(converted.paths["folder"]))
    file = tf.io.encode_png(np.zeros((1, 3000, 3), np.uint8))
    found = model.signatures["serving_bytes"](image_bytes=file[None])
    assert found["boxes"].shape[0] == 1 and np.isfinite(found["scores"]).all()


def test_the_saved_model_names_its_classes(converted):
    facts = json.loads((converted.paths["folder"] / "keras_retinanet.json").read_text())
    assert facts["profile"]["classes"] == ["disc", "square"]
    assert facts["profile"]["image_min_side"] == 96
    assert "uint8 RGB" in facts["input"]
    assert facts["resize"] == {"rule": "opencv", "min_side": 96, "max_side": 128}


def test_the_h5_file_carries_the_facts(converted):
    with h5py.File(converted.paths["h5"]) as file:
        facts = json.loads(file.attrs["keras_retinanet.json"])
    assert facts["package"] == "keras-retinanet"
    assert facts["profile"]["score_threshold"] == 0.001


def test_a_detector_is_rebuilt_with_the_options_given_and_keeps_the_rest(
    converted, picture, tmp_path
):
    out = tmp_path / "few.keras"
    convert_model.main(
        [str(converted.paths["keras"]), str(out), "--no-nms", "--max-detections", "5"]
    )
    few = models.load_model(out)
    profile = profile_of(few)
    assert (profile.nms, profile.max_detections, profile.score_threshold) == (False, 5, 0.001)
    _, scores, _ = detect(few, picture)
    assert scores.shape == (1, 5)
    every = models.convert_model(
        models.retinanet.network_of(converted.detector), nms=False, score_threshold=0.001
    )
    wanted = detect(every, picture)[1][:, :5]
    np.testing.assert_allclose(scores, wanted, atol=1e-6)


def test_the_best_class_only_gives_each_box_once(converted, picture, tmp_path):
    out = tmp_path / "best.keras"
    words = [str(converted.paths["keras"]), str(out), "--no-class-specific-filter", "--no-nms"]
    convert_model.main(words)
    boxes, scores, _ = detect(models.load_model(out), picture)
    boxes = boxes[0][scores[0] > 0]
    inside = boxes[(boxes[:, 0] > 0) & (boxes[:, 1] > 0)]  # clipping may make two boxes one
    assert len(inside) > 20 and len(np.unique(inside, axis=0)) == len(inside)


def test_a_file_is_replaced(converted, tmp_path):
    out = tmp_path / "detector.keras"
    out.write_text("old")
    convert_model.main([str(converted.paths["keras"]), str(out)])
    assert profile_of(models.load_model(out)).score_threshold == 0.001
    assert [path.name for path in tmp_path.iterdir()] == ["detector.keras"]
