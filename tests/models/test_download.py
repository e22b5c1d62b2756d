"""Pretrained weights come from the cache or the network, or one line says soon what to do."""

import threading
import time
from pathlib import Path
from urllib.error import HTTPError, URLError

import keras
import pytest

from keras_retinanet import models
from keras_retinanet.models import download

URL = "https://example.org/releases/weights.h5"


class Answer:
    """What `urlopen` gives."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder where Keras keeps weights, an empty one."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def refusal():
    """Return the message of a fetch that fails: one line, within five seconds."""
    start = time.monotonic()
    with pytest.raises(download.DownloadError) as caught:
        download.fetch(URL)
    assert time.monotonic() - start < 5
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_cached_file_is_used_without_asking_the_network(cache, monkeypatch):
    def never(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(download, "urlopen", never)
    monkeypatch.setattr(keras.utils, "get_file", never)
    (cache / "weights.h5").write_bytes(b"weights")
    assert download.fetch(URL) == str(cache / "weights.h5")


def test_an_empty_cached_file_does_not_count(cache, monkeypatch):
    def refuse(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(download, "urlopen", refuse)
    (cache / "weights.h5").touch()
    assert "cannot fetch" in refusal()


def test_a_network_that_refuses_gives_the_reason_the_place_and_the_options(cache, monkeypatch):
    def refuse(*_, **__):
        raise URLError("[Errno -2] Name or service not known")

    monkeypatch.setattr(download, "urlopen", refuse)
    message = refusal()
    assert f"cannot fetch {URL} ([Errno -2] Name or service not known)" in message
    assert f"Put that file at {cache / 'weights.h5'}" in message
    assert "--backbone-weights FILE" in message
    assert "--no-weights" in message


def test_a_network_that_never_answers_is_given_up_after_four_seconds(cache, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(download, "urlopen", lambda *_, **__: end.wait(30) and Answer())
    try:
        assert "(no answer)" in refusal()
    finally:
        end.set()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HTTPError(URL, 404, "Not Found", None, None), "Not Found"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError("reset by\npeer"), "reset by"),
        (download.HTTPException("bad status line"), "bad status line"),
    ],
    ids=["404", "timeout", "reset", "no HTTP"],
)
def test_every_failure_of_the_network_is_one_line(error, reason, cache, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(download, "urlopen", fail)
    assert f"({reason})" in refusal()


def test_a_download_that_breaks_off_is_one_line(cache, monkeypatch):
    def break_off(*_, **__):
        raise Exception("URL fetch failure on https://example.org: None -- broken pipe\nmore")

    monkeypatch.setattr(download, "urlopen", lambda *_, **__: Answer())
    monkeypatch.setattr(keras.utils, "get_file", break_off)
    assert "broken pipe" in refusal()


def test_a_reachable_file_is_fetched_into_the_cache_of_keras(cache, monkeypatch):
    asked = []

    def get_file(name, url, cache_subdir, cache_dir):
        asked.append((name, url, cache_subdir, cache_dir))
        return "path"

    monkeypatch.setattr(download, "urlopen", lambda *_, **__: Answer())
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    assert download.fetch(URL) == "path"
    assert asked == [("weights.h5", URL, "models", str(cache.parent))]


def test_keras_itself_looks_for_the_file_where_we_do(cache):
    (cache / "weights.h5").write_bytes(b"weights")
    found = keras.utils.get_file(
        "weights.h5", URL, cache_subdir="models", cache_dir=str(download.keras_home())
    )
    assert found == download.fetch(URL)


def test_the_cache_is_in_the_home_folder_unless_the_environment_names_one(monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert download.keras_home() == Path.home() / ".keras"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet101", "ResNet-101-model.keras.h5"),
        ("mobilenet128_0.75", "mobilenet_7_5_128_tf_no_top.h5"),
        ("mobilenet224_1", "mobilenet_1_0_224_tf_no_top.h5"),
        (
            "mobilenetv2_0.5",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_224_no_top.h5",
        ),
        ("vgg19", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("densenet169", "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    ],
)
def test_each_backbone_takes_its_own_file(name, file, cache):
    (cache / file).write_bytes(b"weights")
    assert models.backbone(name).download_imagenet() == str(cache / file)
