"""Parts computed again: same values, same steps, on the same variables."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.freezing import set_batch_norm
from keras_retinanet.models.remat import Recomputed, cut_tensors, parts_of, with_recomputed_parts
from keras_retinanet.models.training import TrainingModel
from tests.backends import array
from tests.models.tiny import drawn_batch, tiny_network


def residual():
    """Return a model: a convolution, then a block with a shortcut around two."""
    inputs = keras.Input((8, 8, 2))
    stem = keras.layers.Conv2D(2, 3, padding="same", name="stem")(inputs)
    x = keras.layers.Conv2D(2, 3, padding="same", name="one")(stem)
    x = keras.layers.Conv2D(2, 3, padding="same", name="two")(x)
    return keras.Model(inputs, keras.layers.Add(name="sum")([stem, x]))


def test_a_network_is_cut_where_nothing_before_is_needed_any_more():
    cuts = [tensor._keras_history.operation.name for tensor in cut_tensors(residual())[1:]]
    assert cuts == ["stem", "sum"]


def test_parts_in_a_row_are_the_whole():
    model = residual()
    x = y = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    for _, part in parts_of(model):
        y = part(y)
    np.testing.assert_allclose(array(y), array(model(x)), atol=1e-6)


def compiled(remat):
    model = TrainingModel(tiny_network())
    if remat:
        model.core = with_recomputed_parts(model.core)
        assert sum(isinstance(layer, Recomputed) for layer in model.core._flatten_layers()) >= 3
    model.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile="auto")
    return model


def test_training_is_as_without():
    plain, recomputed = compiled(False), compiled(True)
    for _ in range(3):
        losses = [model.train_on_batch(*drawn_batch()) for model in (plain, recomputed)]
        np.testing.assert_allclose(*losses, rtol=1e-5)
    pairs = zip(plain.trainable_variables, recomputed.trainable_variables, strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(array(one), array(other), atol=1e-6)


@pytest.mark.parametrize("name", ["mobilenetv2_1.0", "resnet50", "vgg16", "densenet121"])
def test_backbones_of_many_kinds_are_cut_and_folded_batch_norm_stays(name):
    """Outputs are those of the core without."""
    network = models.backbone(name).retinanet(2, pyramid_features=8, head_features=8)
    set_batch_norm(network, "frozen")
    core = TrainingModel(network).core
    made = with_recomputed_parts(core)
    assert sum(isinstance(layer, Recomputed) for layer in made._flatten_layers()) >= 6
    picture = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    expected, outputs = core(picture), made(picture)
    for key in ("deltas", "logits"):
        np.testing.assert_allclose(array(outputs[key]), array(expected[key]), atol=1e-5)


def test_what_trains_its_statistics_is_computed_once():
    inputs = keras.Input((8, 8, 2))
    x = inputs
    for number in range(3, 6):
        x = keras.layers.Conv2D(2, 3, strides=2, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        keras.layers.Conv2D(2, 1, name=f"C{number}_reduced")(x)
    core = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="C5_reduced")(x))
    made = with_recomputed_parts(core)
    assert not [layer for layer in made._flatten_layers() if isinstance(layer, Recomputed)]


def test_a_backbone_without_parts_is_refused():
    """C3 is needed by nothing after C4, which begins at the picture again."""
    inputs = keras.Input((8, 8, 2))
    taps = [keras.layers.Conv2D(2, 3, name=name)(inputs) for name in "ab"]
    reduced = [keras.layers.Conv2D(2, 1, name=f"C{n}_reduced")(taps[n - 3]) for n in (3, 4)]
    for core in (keras.Model(inputs, keras.layers.Add()(reduced)), residual()):
        with pytest.raises(ValueError, match="--remat: the backbone of"):
            with_recomputed_parts(core)
