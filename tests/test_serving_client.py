"""The client of TensorFlow Serving: its messages reach the signature, and answers come back."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from keras_retinanet.models.exporting import export_saved_model
from keras_retinanet.models.retinanet import retinanet_bbox
from tests.models.tiny import tiny_network

ROOT = Path(__file__).parents[1]
NAME = "squares"

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a SavedModel is written by TensorFlow"
)


@pytest.fixture
def client(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples" / "serving")
    import client

    yield client
    del sys.modules["client"]


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """Return ports, signatures and SavedModel of a stub server; ours is version 2 of its model."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("serving") / NAME
    (folder / "1").mkdir(parents=True)  # an older version, which is not looked at
    export_saved_model(retinanet_bbox(tiny_network(), score_threshold=0.005), folder / "2")
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "serving_stub.py", folder, NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        rest, grpc, *signatures = process.stdout.readline().split()
        loaded = tf.saved_model.load(str(folder / "2"))
        yield SimpleNamespace(rest=int(rest), grpc=int(grpc), signatures=signatures, loaded=loaded)
        process.stdin.close()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (2, 64, 96, 3), np.uint8)


def expected(stub, signature, value):
    """Return the rows that the signature gives in this process."""
    import tensorflow as tf

    found = stub.loaded.signatures[signature](tf.constant(value))
    names = "boxes", "scores", "labels"
    arrays = [found[name].numpy() for name in names]
    assert arrays[1].max() > 0.005  # there is something to compare
    return [dict(zip(names, row, strict=True)) for row in zip(*arrays, strict=True)]


def assert_rows(rows, wanted):
    assert len(rows) == len(wanted) > 0
    for row, other in zip(rows, wanted, strict=True):
        for name in ("boxes", "scores", "labels"):
            np.testing.assert_allclose(row[name], other[name], rtol=1e-5, err_msg=name)


def url(stub):
    return f"http://127.0.0.1:{stub.rest}/v1/models/{NAME}:predict"


def test_a_grpc_message_of_arrays_gives_what_the_signature_gives(client, stub, pictures):
    message = client.grpc_message(pictures, NAME, "serving_default", "images")
    rows = client.ask_grpc(f"127.0.0.1:{stub.grpc}", message)
    assert_rows(rows, expected(stub, "serving_default", pictures))


def test_a_rest_answer_in_rows_gives_what_the_signature_gives(client, stub, pictures):
    instances = [{"images": picture.tolist()} for picture in pictures]
    rows = client.ask_rest(url(stub), json.dumps({"instances": instances}))
    assert_rows(rows, expected(stub, "serving_default", pictures))


@pytest.mark.parametrize("options", [[], ["--grpc"]], ids=["REST", "gRPC"])
def test_picture_files_give_what_the_signature_of_bytes_gives(
    client, stub, pictures, options, tmp_path, capsys
):
    if client.SIGNATURE not in stub.signatures:
        pytest.skip(f"SavedModels have no signature {client.SIGNATURE}")
    paths = [str(tmp_path / f"{number}.png") for number in range(2)]
    for path, picture in zip(paths, pictures, strict=True):
        cv2.imwrite(path, picture)
    port = str(stub.grpc if options else stub.rest)
    words = [*paths, "--model", NAME, "--host", "127.0.0.1", "--port", port, "--threshold", "0"]
    rows = client.main([*words, *options])
    contents = [Path(path).read_bytes() for path in paths]
    wanted = expected(stub, client.SIGNATURE, contents)
    assert_rows(rows, wanted)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sum((row["labels"] >= 0).sum() for row in wanted)


def test_a_rest_message_has_each_file_in_base64(client):
    message = json.loads(client.rest_message([b"\xff\xd8", b""]))
    assert message == {
        "signature_name": "serving_bytes",
        "instances": [{"image_bytes": {"b64": "/9g="}}, {"image_bytes": {"b64": ""}}],
    }


def test_a_grpc_message_has_each_file_as_a_string(client):
    import tensorflow as tf

    message = client.grpc_message([b"\xff\xd8", b"\x00"], NAME)
    assert (message.model_spec.name, message.model_spec.signature_name) == (NAME, "serving_bytes")
    value = type(message).FromString(message.SerializeToString()).inputs["image_bytes"]
    assert tf.make_ndarray(value).tolist() == [b"\xff\xd8", b"\x00"]


def test_padding_and_low_scores_are_no_detections(client):
    row = {"boxes": [[0, 0, 9, 9]] * 3, "scores": [0.9, 0.2, -1.0], "labels": [1, 0, -1]}
    assert client.detections(row, 0.5) == [([0, 0, 9, 9], 0.9, 1)]
    assert client.detections({"boxes": [], "scores": [], "labels": []}, 0.5) == []


def test_what_the_server_refuses_is_told(client, stub):
    with pytest.raises(ValueError, match="inputs must be"):
        client.ask_rest(url(stub), client.rest_message([b""], "serving_default"))
