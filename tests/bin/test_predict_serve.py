"""retinanet-predict --serve: from the command line to answers, until a signal ends it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from keras_retinanet import serve
from keras_retinanet.bin import predict, predict_serve
from keras_retinanet.bin.predict_options import parse_args
from keras_retinanet.models.snapshot import save_snapshot
from keras_retinanet.predict import Detector
from keras_retinanet.serve.server import bound_socket
from tests.models.tiny import tiny_network
from tests.serve.conftest import encoded, until


def answer(address, content=None):
    with urllib.request.urlopen(urllib.request.Request(address, content), timeout=30) as reply:
        return json.loads(reply.read())


def answers(address):
    try:
        return answer(f"{address}/health")
    except urllib.error.URLError:
        return None


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny.keras"
    save_snapshot(tiny_network(), path)
    return path


def test_it_answers_as_the_detector_does_and_ends_well_at_a_signal(model):
    with bound_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    picture = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    content = encoded(picture)
    address = f"http://127.0.0.1:{port}"
    words = [model, "--serve", port, "--threshold", "0.005"]
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_retinanet.bin.predict", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            until(lambda: answers(address), 120)
            found = answer(f"{address}/detect", content)["detections"]
        finally:
            process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors
    (expected,) = Detector(model, threshold=0.005).predict(
        cv2.imdecode(np.frombuffer(content, np.uint8), 1)
    )
    assert len(expected) == len(found) > 0
    boxes = [one["box"] for one in found]
    np.testing.assert_allclose(boxes, expected.boxes, atol=0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.jpg", "--host", "0.0.0.0"], "--host needs --serve PORT"),
        (["a.jpg", "--max-queue", "3"], "--max-queue needs --serve PORT"),
        (["--serve", "80", "--ignore-exif"], "browsers turn pictures"),
        (["--serve", "80", "--format", "json"], "nothing is written"),
        (["--serve", "70000"], "at most 65535"),
        (["--serve", "80", "a.jpg"], "unrecognised argument 'a.jpg'"),
        ([], "input"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_end_in_one_line(outcome, words, message):
    code, errors = outcome(predict, ["model.keras", *words])
    assert code == 2 and message in errors and errors.count("\n") == 1


def test_a_taken_port_ends_in_one_line_before_the_model_is_opened(outcome):
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = outcome(predict, ["none.keras", "--serve", port])
    assert code == 2 and f"port {port}: Address already in use" in errors
    assert errors.count("\n") == 1


def test_a_missing_library_names_the_extra(outcome, monkeypatch):
    monkeypatch.setattr(serve, "NEEDED", ("json", "no_such_library"))
    code, errors = outcome(predict, ["none.keras", "--serve", 0])
    assert code == 2 and "needs no_such_library" in errors and "[serve]" in errors


def test_limits_are_those_of_the_options():
    words = ["m", "--serve", "1", "--max-body", "2", "--max-queue", "7", "--batch-wait", "20"]
    limits = predict_serve.limits_of(parse_args([*words, "--max-pixels", "99"]))
    found = limits.body, limits.queue, limits.wait, limits.pixels
    assert found == (2 * 2**20, 7, 0.02, 99)
    assert predict_serve.limits_of(parse_args(["m", "--serve", "1"])) == predict_serve.LIMITS
    assert predict_serve.floor_of({None: 0.5, "cat": 0.01}) == 0.01
    assert predict_serve.floor_of(0.5) == predict_serve.FLOOR
