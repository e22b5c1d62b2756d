"""Loading by layer name, and the report of what was loaded, skipped and left."""

from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.by_name import LoadReport, WeightsError, load_by_name
from keras_retinanet.models.snapshot import save_snapshot
from tests.backends import array
from tests.models.tiny import PROFILE, tiny_network

THREE_CLASSES = replace(PROFILE, classes=("a", "b", "c"))
HEADS = [
    "regression_submodel/pyramid_regression_0",
    "regression_submodel/pyramid_regression",
    "classification_submodel/pyramid_classification_0",
    "classification_submodel/pyramid_classification",
]
BODY = ["c1", "c2", "c3", "c4", "c5", "C5_reduced", "C4_reduced", "C3_reduced", "P5", "P4", "P3"]


def write_keras2(path, model, leave_out=(), extra=None):
    """Write the weights of `model` as Keras 2 did: a group a layer, nested models flat."""
    layers = [layer for layer in model.layers if layer.name not in leave_out]
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        names = []
        for layer in [*layers, *(extra or ())]:
            inner = group.create_group(layer.name)
            names.append(layer.name.encode())
            weights = []
            for variable in layer.weights:
                owner, kind = variable.path.split("/")[-2:]
                weights.append(f"{owner}/{kind}:0")
                inner[weights[-1]] = array(variable)
            inner.attrs["weight_names"] = [name.encode() for name in weights]
        group.attrs["layer_names"] = names


def assert_equal_weights(model, other):
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture(params=["keras 2", "snapshot"])
def weight_file(request, tmp_path):
    """Return f(model) -> the path of a file with its weights, in both formats in turn."""

    def write(model):
        if request.param == "snapshot":
            save_snapshot(model, tmp_path / "weights.keras")
            return tmp_path / "weights.keras"
        write_keras2(tmp_path / "weights.h5", model)
        return tmp_path / "weights.h5"

    return write


def test_a_file_of_the_same_network_loads_whole(weight_file):
    source, model = tiny_network(seed=1), tiny_network(seed=2)
    report = load_by_name(model, weight_file(source))
    assert_equal_weights(model, source)
    assert sorted(report.loaded) == sorted(BODY + HEADS)
    assert report == LoadReport(loaded=report.loaded)


def test_a_networks_file_loads_into_a_detector(weight_file):
    source, detector = tiny_network(seed=1), models.convert_model(tiny_network(seed=2))
    report = load_by_name(detector, weight_file(source))
    assert sorted(report.loaded) == sorted(BODY + HEADS)
    images = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    expected = models.convert_model(source).predict_on_batch(images)
    for found, truth in zip(detector.predict_on_batch(images), expected, strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-6)


def test_with_other_classes_only_the_last_class_layer_is_skipped(weight_file):
    source, model = tiny_network(seed=1), tiny_network(seed=2, profile=THREE_CLASSES)
    head = model.get_layer("classification_submodel").get_layer("pyramid_classification")
    before = [array(variable) for variable in head.weights]
    report = load_by_name(model, weight_file(source))
    last = "classification_submodel/pyramid_classification"
    assert report.skipped == {last: ([(3, 3, 16, 12), (12,)], [(3, 3, 16, 18), (18,)])}
    assert sorted(report.loaded) == sorted(set(BODY + HEADS) - {last})
    for variable, value in zip(head.weights, before, strict=True):
        np.testing.assert_array_equal(array(variable), value)
    np.testing.assert_array_equal(
        array(model.get_layer("c1").kernel), array(source.get_layer("c1").kernel)
    )
    lines = "\n".join(report.lines())
    assert f"skipped {last}: the file has [(3, 3, 16, 12), (12,)]" in lines
    assert "the model [(3, 3, 16, 18), (18,)]" in lines


def test_a_mismatch_may_be_refused_and_then_nothing_is_set(weight_file):
    source, model = tiny_network(seed=1), tiny_network(seed=2, profile=THREE_CLASSES)
    before = model.get_weights()
    with pytest.raises(WeightsError, match="does not fit: .*skipped classification_submodel"):
        load_by_name(model, weight_file(source), skip_mismatch=False)
    for one, two in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_the_file_lacks_is_left_and_what_the_model_lacks_is_named(tmp_path):
    source, model = tiny_network(seed=1), tiny_network(seed=2)
    other = keras.layers.Dense(2, name="other")
    other.build((None, 3))
    before = array(model.get_layer("c5").kernel)
    path = tmp_path / "part.h5"
    write_keras2(path, source, leave_out=("c5", "regression_submodel"), extra=[other])
    report = load_by_name(model, path)
    assert sorted(report.left) == ["c5", *sorted(HEADS[:2])]
    assert report.unused == ["other"]
    np.testing.assert_array_equal(array(model.get_layer("c5").kernel), before)
    text = list(report.lines())
    assert text[0] == "12 layers loaded, 3 left as they were"
    assert "not in the file: c5, " in text[1]
    assert text[2] == "not in the model: other"


def test_long_lists_are_shortened():
    report = LoadReport(loaded=["a"], left=[f"layer{index}" for index in range(10)])
    lines = list(report.lines())
    assert lines[1].endswith("layer7 and 2 more")


BAD = {
    "missing": (lambda path: None, "no such file"),
    "text": (lambda path: path.write_text("hello\nworld"), "not a Keras weight file"),
    "empty": (lambda path: path.touch(), "not a Keras weight file"),
    "no layers": (lambda path: h5py.File(path, "w").close(), "names no layers"),
    "another network": (
        lambda path: write_keras2(
            path, keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ),
        "has no layer of this model",
    ),
}


@pytest.mark.parametrize(("write", "message"), BAD.values(), ids=BAD)
def test_files_that_do_not_serve_are_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "bad.h5"
    write(path)
    with pytest.raises(WeightsError) as caught:
        load_by_name(tiny_network(), path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
