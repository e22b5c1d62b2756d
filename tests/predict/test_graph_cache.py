"""A kept graph detects what its snapshot does, and is used for that snapshot alone."""

import zipfile

import keras
import numpy as np
import pytest

from keras_retinanet.models import convert_model
from keras_retinanet.models.snapshot import save_snapshot
from keras_retinanet.predict import Detector
from keras_retinanet.predict.graph_cache import FACTS, FOLDER, GRAPH
from tests.export.test_proven import finding
from tests.models.tiny import tiny_network

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the cache keeps a graph of TensorFlow"
)
KEPT = "Keras, tensorflow, kept graph"
OPTIONS = {"threshold": 0.1, "resize": False}


def pictures():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((99, 133), (64, 80))]


def make(path, scale=30):
    save_snapshot(finding(tiny_network(), scale), path)
    return path


def kept(path, **options):
    """Return a detector that has kept its graph."""
    detector = Detector(path, cache=True, **OPTIONS | options)
    detector.predict(pictures()[0])
    detector.settle()
    return detector


@pytest.fixture
def snapshot(tmp_path):
    return make(tmp_path / "a.keras")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 0.4, "agnostic": True, "max_detections": 7},
        {"soft_nms": "linear", "nms_threshold": 0.3},
        {"batch_size": 2},
        {"bfloat16": True},
    ],
    ids=str,
)
def test_a_kept_graph_detects_what_the_snapshot_does(snapshot, options):
    """Its last layer is made anew, so that thresholds and suppression may be others."""
    shape = {name: options[name] for name in ("batch_size", "bfloat16") if name in options}
    first = kept(snapshot, **shape)
    assert first.runtime == "Keras, tensorflow" and first.kept.startswith("kept for the next time")
    again = Detector(snapshot, cache=True, **OPTIONS | options)
    assert again.runtime == KEPT and again.kept.startswith("opened from")
    assert again.precision == ("bfloat16" if "bfloat16" in options else "float32")
    plain = Detector(snapshot, **OPTIONS | options)
    plain.predict(pictures()[0])
    plain.settle()  # folded constants round otherwise than variables
    for one, other in zip(plain.predict(pictures()), again.predict(pictures()), strict=True):
        assert len(one) == len(other) > 3
        np.testing.assert_allclose(other.boxes, one.boxes, atol=1e-3)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-5)
        np.testing.assert_array_equal(other.labels, one.labels)


def test_a_changed_snapshot_makes_a_new_one_in_place_of_the_old(snapshot):
    kept(snapshot)
    other = make(snapshot.with_name("b.keras"))
    kept(other)
    (before,) = (snapshot.parent / FOLDER).glob("a.keras-*")
    make(snapshot, scale=20)
    assert Detector(snapshot, cache=True, **OPTIONS).runtime != KEPT
    changed = kept(snapshot)
    kept(snapshot, batch_size=2)  # a graph of its own, beside the other
    names = sorted(path.name[:7] for path in (snapshot.parent / FOLDER).iterdir())
    assert not before.exists() and names == ["a.keras", "a.keras", "b.keras"]
    again = Detector(snapshot, cache=True, **OPTIONS)
    assert again.runtime == KEPT
    found = [one.predict(pictures()[0])[0].scores for one in (changed, again)]
    np.testing.assert_allclose(*found, atol=1e-5)


def graph_that_reads(path):
    """Return the bytes of a graph that reads a file."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.io.read_file(tf.constant(str(path)))
    return graph.as_graph_def().SerializeToString()


@pytest.mark.parametrize("fault", ["cut", "changed", "empty", "foreign"])
def test_a_damaged_or_foreign_one_is_as_good_as_none(snapshot, fault):
    kept(snapshot)
    (path,) = (snapshot.parent / FOLDER).iterdir()
    content = path.read_bytes()
    if fault == "foreign":
        with zipfile.ZipFile(path) as file:
            facts = file.read(FACTS)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(FACTS, facts)
            file.writestr(GRAPH, graph_that_reads(snapshot))
    else:
        half = len(content) // 2
        changed = content[:half] + b"\0\1\2\3" * 64 + content[half + 256 :]
        path.write_bytes({"cut": content[:half], "changed": changed, "empty": b""}[fault])
    assert kept(snapshot).runtime == "Keras, tensorflow"
    assert Detector(snapshot, cache=True, **OPTIONS).runtime == KEPT


def test_where_it_cannot_be_written_detections_go_on(snapshot):
    (snapshot.parent / FOLDER).write_text("no folder")
    detector = kept(snapshot)
    assert detector.kept.startswith("not kept: ") and FOLDER in detector.kept
    assert len(detector.predict(pictures()[0])[0]) > 3


def test_what_has_no_graph_to_keep_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder, and a cache is of model files"):
        Detector(tmp_path, cache=True)
    with pytest.raises(ValueError, match="a cache is of model files; give a path"):
        Detector(convert_model(tiny_network()), cache=True)
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    from keras_retinanet.export.onnx_file import onnx_model, save_onnx

    save_onnx(onnx_model(convert_model(tiny_network())), tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=r"a\.onnx: cannot take a cache, and needs none"):
        Detector(tmp_path / "a.onnx", cache=True)
