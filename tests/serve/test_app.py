"""What is answered to a picture, and to what is none."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_retinanet.utils.normalisation import Preprocessing
from keras_retinanet.utils.profile import Profile
from tests.predict.seeing import SCORES, picture
from tests.serve.conftest import BOXES, LIMITS, PROFILE, encoded, make


def bomb(width, height, rows=b""):
    """Return a PNG file whose header promises pixels that its few bytes do not hold."""

    def chunk(kind, data):
        total = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + total

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [("IHDR", header), ("IDAT", zlib.compress(rows)), ("IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind.encode(), data) for kind, data in parts)


def error_of(reply):
    (key,) = reply.json()
    assert key == "error"
    return reply.json()["error"]


def found(reply):
    assert reply.status_code == 200, reply.text
    return {one["class"]: one["box"] for one in reply.json()["detections"]}


def assert_boxes(reply, expected=BOXES):
    boxes = found(reply)
    assert boxes.keys() == expected.keys()
    for name, box in boxes.items():
        np.testing.assert_allclose(box, expected[name], atol=1.5, err_msg=name)


def test_a_raw_body_gives_boxes_in_pixels_of_the_picture(client, png):
    reply = client.post("/detect", content=png)
    assert_boxes(reply)
    content = reply.json()
    assert (content["width"], content["height"]) == (200, 120)
    assert [one["score"] for one in content["detections"]] == list(SCORES)
    assert [one["label"] for one in content["detections"]] == [0, 1, 2]


def test_a_form_gives_the_same_as_a_raw_body(client, png):
    form = client.post("/detect", files={"any name": ("a.png", png)}, data={"note": "text"})
    assert form.json() == client.post("/detect", content=png).json()


def test_a_picture_without_objects_has_no_detections(client):
    assert found(client.post("/detect", content=encoded(picture(60, 90)))) == {}


def test_a_turned_jpeg_has_boxes_in_its_upright_pixels(client, tmp_path):
    stored = np.ascontiguousarray(np.rot90(picture(120, 200, **BOXES), 1))
    tag = Image.Exif()
    tag[274] = 6  # to be turned clockwise
    Image.fromarray(stored[..., ::-1]).save(tmp_path / "a.jpg", exif=tag, quality=100)
    reply = client.post("/detect", content=(tmp_path / "a.jpg").read_bytes())
    assert (reply.json()["width"], reply.json()["height"]) == (200, 120)
    assert_boxes(reply)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", {"blue"}), ("?threshold=0.05", {"blue", "red"}), ("?threshold=0.75", {"blue"})],
)
def test_a_threshold_comes_from_the_query_or_from_the_server_by_class(png, query, expected):
    from starlette.testclient import TestClient

    thresholds = (0.5, 2.0, 0.8)  # green is not told at all
    with TestClient(make(thresholds)[0]) as client:
        assert found(client.post(f"/detect{query}", content=png)).keys() == expected


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 422, "no picture"),
        (b"no picture at all", 415, "not JPEG or PNG"),
        (b"GIF89a" + bytes(50), 415, "not JPEG or PNG"),
        (b"\x89PNG\r\n\x1a\n", 422, "the picture"),
        (b"\xff\xd8\xff", 422, "cut off"),
        (encoded(picture(60, 90))[:-12], 422, "cut off"),
        (bomb(60_000, 60_000), 413, "over the limit of 1000000"),
        (bomb(2**31 - 1, 2**31 - 1), 413, "over the limit"),
        (bomb(900, 900), 422, "the picture"),
        (bytes(LIMITS.body + 1), 413, "MiB"),
    ],
    ids=[
        "empty",
        "text",
        "gif",
        "sign",
        "jpeg sign",
        "cut",
        "bomb",
        "huge",
        "hollow",
        "long",
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(client, png, content, status, reason):
    reply = client.post("/detect", content=content)
    assert reply.status_code == status, reply.text
    assert reason in error_of(reply) and "\n" not in error_of(reply)
    assert_boxes(client.post("/detect", content=png))


@pytest.mark.parametrize("text", ["0.01", "1.5", "nan", "much", "", "-1"])
def test_a_threshold_that_cannot_be_is_refused(client, png, text):
    reply = client.post(f"/detect?threshold={text}", content=png)
    assert reply.status_code == 422 and "from 0.05 to 1" in error_of(reply)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"other text"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n--x--\r\n',
        ),
    ],
    ids=["no boundary", "no part", "broken part", "no file"],
)
def test_a_form_without_a_file_is_refused(client, kind, content):
    reply = client.post("/detect", content=content, headers={"content-type": kind})
    assert reply.status_code == 422
    assert "picture" in error_of(reply) or "form" in error_of(reply)


def test_a_form_of_two_files_is_refused(client, png):
    reply = client.post("/detect", files=[("a", ("a.png", png)), ("b", ("b.png", png))])
    assert reply.status_code == 422 and "one file" in error_of(reply)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_are_answered_or_refused(client, png, data):
    content = bytearray(png if data.draw(st.booleans()) else encoded(picture(40, 50), ".jpg"))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    reply = client.post("/detect", content=bytes(content))
    assert reply.status_code in (200, 413, 415, 422), reply.text


def test_other_addresses_and_methods_are_refused_as_json(client):
    assert client.get("/detect").status_code == 405 and error_of(client.get("/detect"))
    assert client.get("/other").status_code == 404 and error_of(client.get("/other"))


def test_a_fault_of_the_server_is_told_as_such_and_the_next_is_answered(png):
    from starlette.testclient import TestClient

    app, runtime = make()
    with TestClient(app, raise_server_exceptions=False) as client:
        whole, runtime.detect = runtime.detect, lambda levels, sizes: 1 / 0
        reply = client.post("/detect", content=png)
        assert reply.status_code == 500 and "server failed" in error_of(reply)
        runtime.detect = whole
        assert_boxes(client.post("/detect", content=png))


def test_health_says_which_model_and_classes_there_are(client):
    assert client.get("/health").json() == {
        "status": "ok",
        "model": "Rectangles",
        "classes": ["blue", "green", "red"],
        "in_work": 0,
    }


def test_metrics_count_requests_by_status_and_detections(png):
    from starlette.testclient import TestClient

    with TestClient(make()[0]) as client:
        for content in (png, png, b"text"):
            client.post("/detect", content=content)
        reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in reply.text.splitlines() if line[0] != "#")
    assert lines['retinanet_requests_total{status="200"}'] == "2.0"
    assert lines['retinanet_requests_total{status="415"}'] == "1.0"
    assert lines["retinanet_detections_total"] == "6.0"
    assert lines["retinanet_batch_pictures_count"] == "2.0"
    assert lines["retinanet_requests_in_work"] == "0.0"
    assert float(lines["retinanet_request_seconds_sum"]) > 0


@pytest.mark.parametrize("fields", [{"mean": (0.0,), "std": (1.0,)}, {"bits": 16}], ids=str)
def test_models_of_other_pictures_are_not_served(fields):
    profile = Profile(**{**vars(PROFILE), "preprocessing": Preprocessing(**fields)})
    with pytest.raises(ValueError, match="only models of 3 channels of 8 bits"):
        make(profile=profile)
