"""retinanet-predict: what is written, what is told, and which exit code."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.bin import predict, predict_options
from keras_retinanet.models.snapshot import save_snapshot
from keras_retinanet.predict import options
from keras_retinanet.predict.video import VideoWriter
from tests.models.tiny import tiny_network

SMALL = ("--image-min-side", "64", "--image-max-side", "96", "--threshold", "0.005")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    save_snapshot(tiny_network(), path)
    return path


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of two pictures, a broken one and a video of three frames."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for name in ("a.jpg", "b.png"):
        Image.fromarray(rng.integers(0, 255, (60, 90, 3), np.uint8)).save(folder / name)
    (folder / "bad.jpg").write_text("no picture")
    writer = VideoWriter(folder / "clip.mp4", 5)
    for _ in range(3):
        writer.write(rng.integers(0, 255, (64, 96, 3), np.uint8))
    writer.close()
    return folder


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_folder_gives_annotated_pictures_and_video_and_names_the_broken_file(
    outcome, model, pictures, tmp_path, capsys
):
    out = tmp_path / "out"
    words = [model, pictures, "--output", out, "--format", "json,yolo", *SMALL]
    code, errors = outcome(predict, words)
    assert code == 1
    assert errors.count("\n") == 1 and "passed over" in errors and "bad.jpg" in errors
    frames = [f"labels/clip_00000{n}.txt" for n in range(3)]
    assert listing(out) == sorted(
        ["a.jpg", "b.png", "clip.mp4", "data.yaml", "detections.json"]
        + ["labels/a.txt", "labels/b.txt", *frames]
    )
    content = json.loads((out / "detections.json").read_text())
    assert [entry["file"].rsplit("/", 1)[1] for entry in content["images"]] == (
        ["a.jpg", "b.png", "clip.mp4#0", "clip.mp4#1", "clip.mp4#2"]
    )
    first = content["images"][0]["detections"]
    assert first and all(0 <= one["box"][0] < one["box"][2] <= 90 for one in first)
    given, drawn = (cv2.imread(str(folder / "b.png")) for folder in (pictures, out))
    assert given.shape == drawn.shape and (given != drawn).any()
    assert int(cv2.VideoCapture(str(out / "clip.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == 3


def test_without_pictures_only_files_of_detections_are_written(outcome, model, pictures, tmp_path):
    out = tmp_path / "out"
    words = ["--no-pictures", "--format", "csv", "--output", out, "--max-frames", "2", *SMALL]
    code, errors = outcome(predict, [model, pictures / "a.jpg", pictures / "clip.mp4", *words])
    assert (code, errors) == (0, "")
    assert listing(out) == ["detections.csv"]


def test_the_summary_counts_and_the_results_are_returned(model, pictures, tmp_path, capsys):
    words = [model, pictures / "a.jpg", "--format", "json", "--output", tmp_path / "out", *SMALL]
    words += ["--tile", "48", "--classes", "disc"]
    words = [str(word) for word in words if str(word) not in SMALL[:4]]
    (result,) = predict.main(words)
    assert result.size == (60, 90) and set(result.names) <= {"disc"}
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{len(result)} detections in 1 pictures")
    assert said[1].startswith("first picture ")


def test_pictures_are_never_overwritten(outcome, model, pictures):
    before = (pictures / "a.jpg").read_bytes()
    code, errors = outcome(predict, [model, pictures / "a.jpg", "--output", pictures, *SMALL])
    assert code == 2 and "would be overwritten" in errors
    assert (pictures / "a.jpg").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3", 0.3),
        ("cat=0.4,dog=0.6", {"cat": 0.4, "dog": 0.6}),
        ("0.3,a=b=0.5", {None: 0.3, "a=b": 0.5}),
    ],
)
def test_thresholds_are_of_all_classes_or_of_each(text, expected):
    assert predict.parse_args(["m", "i", "--threshold", text]).threshold == expected


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--threshold cat=2", "2 must be at least 0 and at most 1"),
        ("--threshold cat=0.1,cat=0.2", "twice"),
        ("--threshold cat", "'cat' is not a number"),
        ("--format json,xml", "'xml' is no format"),
        ("--tta turn", "'turn' is not a number"),
        ("--tta 20", "at most 10"),
        ("--classes a,,b", "words with commas"),
        ("--no-pictures", "leaves nothing to write"),
        ("--soft-nms hard", "'hard'"),
        ("--batch-size 0", "at least 1"),
        ("--tile 100 --image-min-side 50", "leaves sizes alone"),
    ],
)
def test_bad_options_are_refused_in_one_line(words, part, capsys):
    with pytest.raises(SystemExit) as stopped:
        predict.parse_args(["m.keras", "a.jpg", *words.split()])
    message = capsys.readouterr().err
    assert stopped.value.code == 2 and part in message and message.count("\n") == 1


def test_the_parsers_choices_are_the_detectors():
    assert predict_options.SOFT == options.SOFT
    assert predict_options.MERGES == options.MERGES
    assert predict_options.FLIPS == options.FLIPS
    assert options.Options().thresholds == {None: options.THRESHOLD}


def test_help_takes_little_time():
    code = "import resource, sys; from keras_retinanet.bin.predict import parse_args\n"
    code += "try: parse_args(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout.splitlines()[-1]) < 0.5  # seconds of CPU
