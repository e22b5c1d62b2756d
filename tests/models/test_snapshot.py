"""Snapshots: the same model back, the profile with it, and nothing lost when writing fails."""

import json
import shutil
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet import __version__, models
from keras_retinanet.models.retinanet import network_of
from keras_retinanet.models.snapshot import (
    MEMBER,
    SnapshotError,
    attach_profile,
    profile_of,
    read_facts,
    save_snapshot,
)
from tests.models.tiny import PROFILE, tiny_network


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(1, 45, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def snapshot(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshot") / "last.keras"
    save_snapshot(network, path, extra={"epoch": 7})
    return path


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_same_outputs(one, other, images):
    for first, second in zip(
        one.predict_on_batch(images), other.predict_on_batch(images), strict=True
    ):
        np.testing.assert_array_equal(first, second)


def test_a_network_comes_back_with_its_profile(network, snapshot, images):
    again = models.load_model(snapshot)
    assert models.is_network(again)
    assert profile_of(again) == PROFILE
    assert_same_outputs(again, network, images)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's flag")
def test_a_file_of_synchronised_batch_norm_opens_on_every_backend(tmp_path):
    """Keras refuses the flag on JAX and torch; the network that trains on keeps it."""
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Sequential([keras.Input((4,)), norm])
    norm.synchronized = True
    save_snapshot(attach_profile(model, PROFILE), tmp_path / "s.keras")
    with zipfile.ZipFile(tmp_path / "s.keras") as archive:
        assert b'"synchronized": true' not in archive.read("config.json")
    assert norm.synchronized


def test_a_detector_comes_back_with_its_profile(network, tmp_path, images):
    detector = models.convert_model(network, score_threshold=0.001, max_detections=9, nms=False)
    save_snapshot(detector, tmp_path / "detector.keras")
    again = models.load_model(str(tmp_path / "detector.keras"))
    profile = profile_of(again)
    assert profile == profile_of(detector)
    assert (profile.score_threshold, profile.max_detections, profile.nms) == (0.001, 9, False)
    assert_same_outputs(again, detector, images)
    assert_same_outputs(network_of(again), network, images)


def test_plain_keras_opens_a_snapshot(network, snapshot, images):
    assert_same_outputs(keras.models.load_model(snapshot), network, images)


def test_the_facts_stand_in_the_file_as_json(snapshot):
    with zipfile.ZipFile(snapshot) as archive:
        facts = json.loads(archive.read(MEMBER))
    assert facts["package"] == "keras-retinanet"
    assert facts["version"] == __version__
    assert facts["epoch"] == 7
    assert facts["profile"]["classes"] == ["square", "disc"]
    assert read_facts(snapshot)["profile"] == PROFILE


def test_another_profile_may_be_saved(network, tmp_path):
    other = replace(PROFILE, classes=("a", "b"))
    save_snapshot(network, tmp_path / "other.keras", profile=other)
    assert profile_of(models.load_model(tmp_path / "other.keras")) == other


def test_a_keras_file_without_facts_has_the_profile_of_1_0(network, tmp_path):
    network.save(tmp_path / "plain.keras")
    assert read_facts(tmp_path / "plain.keras") == {}
    loaded = models.load_model(tmp_path / "plain.keras", backbone_name="resnet101")
    assert profile_of(loaded).backbone == "resnet101"
    assert profile_of(loaded).image_min_side == 800


def test_a_new_snapshot_replaces_the_old_one_and_leaves_nothing_beside_it(snapshot, tmp_path):
    path = tmp_path / "last.keras"
    path.write_text("an older snapshot")
    save_snapshot(tiny_network(seed=1), path)
    assert files(tmp_path) == ["last.keras"]
    assert profile_of(models.load_model(path)) == PROFILE


def full_disk(self, path, *args, **kwargs):
    path.write_bytes(b"PK half a mod")
    raise OSError(28, "No space left on device")


def interrupted(self, path, *args, **kwargs):
    path.write_bytes(b"PK half a mod")
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("failure", "error"), [(full_disk, OSError), (interrupted, KeyboardInterrupt)]
)
def test_the_previous_snapshot_survives_when_writing_fails(
    network, snapshot, tmp_path, monkeypatch, failure, error
):
    path = tmp_path / "last.keras"
    shutil.copy(snapshot, path)
    before = path.read_bytes()
    monkeypatch.setattr(type(network), "save", failure)
    with pytest.raises(error):
        save_snapshot(network, path)
    assert path.read_bytes() == before
    assert files(tmp_path) == ["last.keras"]


def test_the_previous_snapshot_survives_when_the_facts_cannot_be_written(
    network, snapshot, tmp_path, monkeypatch
):
    path = tmp_path / "last.keras"
    shutil.copy(snapshot, path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_retinanet.models.snapshot.json.dumps", fail)
    with pytest.raises(OSError, match="No space left"):
        save_snapshot(network, path)
    assert path.read_bytes() == before
    assert files(tmp_path) == ["last.keras"]


def without_config(path, source):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no model")


def of_unknown_layers(path, source):
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as out:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                content = content.replace(b"UpsampleLike", b"UpsampleLove")
            out.writestr(name, content)


def with_damaged_facts(path, source):
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as out:
        for name in archive.namelist():
            out.writestr(name, "{half" if name == MEMBER else archive.read(name))


# Each case: f(path, a good snapshot) writes the file; then what the message says.
BAD = {
    "missing": (lambda path, source: None, "no such model file"),
    "a folder": (lambda path, source: path.mkdir(), "a folder, and not a preset of KerasHub"),
    "empty": (lambda path, source: path.touch(), "not a model. Name a .keras or .h5 file"),
    "text": (lambda path, source: path.write_text("hello\nworld"), "not a model"),
    "cut short": (
        lambda path, source: path.write_bytes(source.read_bytes()[:5000]),
        "not a Keras model, or a damaged one",
    ),
    "cut in the middle": (
        lambda path, source: path.write_bytes(
            source.read_bytes()[:2000] + source.read_bytes()[4000:]
        ),
        "",
    ),
    "a zip of something else": (without_config, "not a Keras model"),
    "an hdf5 signature alone": (
        lambda path, source: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
        "",
    ),
    "of unknown layers": (of_unknown_layers, "Keras cannot open this model"),
    "with damaged facts": (with_damaged_facts, "damaged"),
}


@pytest.mark.parametrize(("write", "message"), BAD.values(), ids=BAD)
def test_files_that_are_no_model_are_refused_in_one_line_with_their_path(
    snapshot, tmp_path, write, message
):
    path = tmp_path / "bad.keras"
    write(path, snapshot)
    with pytest.raises(ValueError) as caught:
        models.load_model(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damage_is_a_snapshot_error(tmp_path):
    with pytest.raises(SnapshotError):
        models.load_model(tmp_path / "nowhere.keras")


def test_a_snapshot_of_any_name_opens(network, snapshot, tmp_path, images):
    path = tmp_path / "model.v1"
    shutil.copy(snapshot, path)
    assert_same_outputs(models.load_model(path), network, images)
