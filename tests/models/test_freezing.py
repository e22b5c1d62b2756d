"""Stages of a backbone that keep their weights, and what batch norm does."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.bin import train_options
from keras_retinanet.models import freezing
from keras_retinanet.models.freezing import freeze_stages, set_batch_norm, stages
from keras_retinanet.models.retinanet import backbone_layers, retinanet
from keras_retinanet.models.snapshot import attach_profile
from keras_retinanet.models.training import TrainingModel
from tests.backends import array
from tests.models.tiny import PROFILE, WIDTH, drawn_batch, tiny_network

SMALL = {"pyramid_features": 8, "head_features": 8, "head_layers": 1}


def normed_network(seed=0):
    """Return a tiny network with a batch norm behind each convolution of its backbone."""
    keras.utils.set_random_seed(seed)
    inputs = x = keras.Input((None, None, 3))
    taps = []
    for index in range(5):
        x = keras.layers.Conv2D(
            WIDTH, 3, strides=2, padding="same", use_bias=False, name=f"c{index + 1}"
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"n{index + 1}")(x)
        x = keras.layers.Activation("relu", name=f"r{index + 1}")(x)
        taps.append(x)
    made = tiny_network(seed=seed)
    submodels = [
        (name, made.get_layer(f"{name}_submodel")) for name in ("regression", "classification")
    ]
    return attach_profile(
        retinanet(inputs, taps[2:], 2, pyramid_levels=(3, 4, 5), submodels=submodels,
                  create_pyramid_features=_narrow),
        PROFILE,
    )  # fmt: skip


def _narrow(backbone_layers, levels):
    from keras_retinanet.models.pyramid import create_pyramid_features

    return create_pyramid_features(backbone_layers, levels, WIDTH)


def changed_by_a_step(network):
    """Return the layers whose weights another step of training moved."""
    model = TrainingModel(network)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    inputs, targets = drawn_batch()
    before = {weight.path: array(weight) for weight in network.weights}
    model.train_on_batch(inputs, targets)
    return {
        weight.path.split("/")[-2] if "submodel" not in weight.path else weight.path.split("/")[0]
        for weight in network.weights
        if not np.array_equal(array(weight), before[weight.path])
    }


def test_the_options_name_what_there_is():
    assert train_options.ALL_STAGES == freezing.STAGES
    assert train_options.BATCH_NORM == freezing.BATCH_NORM


def test_the_stages_of_a_resnet_are_those_of_detectron2():
    network = models.backbone("resnet50").retinanet(1, **SMALL)
    named = {"conv1": 1, "res2": 2, "res3": 3, "res4": 4, "res5": 5}
    for name, stage in stages(network).items():
        if (start := name[: 5 if name == "conv1" else 4]) in named:
            assert stage == named[start], name
    assert {stages(network)[f"bn{n}a_branch2a"] for n in (2, 5)} == {2, 5}


STRIDES = {
    "mobilenetv2_0.35": {"Conv1": 1, "block_1_depthwise": 2, "block_6_expand": 3, "Conv_1": 5},
    "vgg16": {"block1_conv1": 1, "block2_conv2": 1, "block3_conv1": 2, "block5_conv3": 4},
    "densenet121": {"conv1_conv": 1, "pool2_conv": 2, "conv3_block1_0_bn": 3, "pool4_conv": 4},
}


@pytest.mark.parametrize("name", STRIDES)
def test_stages_go_by_stride_in_every_backbone(name):
    found = stages(models.backbone(name).retinanet(1, **SMALL))
    assert {layer: found[layer] for layer in STRIDES[name]} == STRIDES[name]


def test_a_layer_on_pooled_features_and_a_nested_model_have_their_stage():
    inputs = keras.Input((None, None, 3))
    block = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(8, 4, strides=4)], name="patches"
    )
    x = block(inputs)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Multiply()([x, keras.layers.Conv2D(8, 1, name="excite")(pooled)])
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="P3")(x)
    found = stages(keras.Model(inputs, x))
    assert (found["patches"], found["excite"]) == (2, 2)


@pytest.mark.numerics
@pytest.mark.parametrize("count", [0, 2, 5])
def test_frozen_stages_do_not_move_in_a_step(count):
    network = normed_network()
    number = freeze_stages(network, count)
    set_batch_norm(network, "train")
    moved = {name for name in changed_by_a_step(network) if name[0] in "cn" and len(name) == 2}
    assert moved == {f"{kind}{n}" for n in range(count + 1, 6) for kind in "cn"}
    assert number == 2 * count


@pytest.mark.numerics
@pytest.mark.parametrize("policy", freezing.BATCH_NORM)
def test_statistics_move_only_where_batch_norm_trains(policy):
    network = normed_network()
    freeze_stages(network, 0)
    set_batch_norm(network, policy)
    before = array(network.get_layer("n1").moving_mean)
    images = keras.ops.convert_to_tensor(np.ones((1, 64, 64, 3), np.float32))
    moved = changed_by_a_step(network)
    assert {f"c{n}" for n in range(1, 6)} <= moved
    assert ({f"n{n}" for n in range(1, 6)} & moved == set()) == (policy == "frozen")
    after = array(network.get_layer("n1").moving_mean)
    assert np.array_equal(before, after) == (policy == "frozen")
    assert network.get_layer("n1").synchronized == (
        policy == "sync" and keras.backend.backend() == "tensorflow"
    )
    # at inference the stored statistics count, whatever the policy and the batch
    layer = network.get_layer("n1")
    x = network.get_layer("c1")(images)
    scale = array(layer.gamma) / np.sqrt(array(layer.moving_variance) + layer.epsilon)
    expected = (array(x) - after) * scale + array(layer.beta)
    np.testing.assert_allclose(array(layer(x, training=False)), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.numerics
def test_on_one_device_sync_is_train():
    weights = []
    for policy in ("train", "sync"):
        network = normed_network()
        set_batch_norm(network, policy)
        changed_by_a_step(network)
        weights.append(network.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_batch_norm_that_was_frozen_trains_again_when_asked_to():
    network = normed_network()
    freeze_stages(network, 5)
    set_batch_norm(network, "frozen")
    assert not [layer for layer in backbone_layers(network) if layer.trainable]
    freeze_stages(network, 1)
    set_batch_norm(network, "train")
    frozen = {layer.name for layer in backbone_layers(network) if not layer.trainable}
    assert {"c1", "n1"} <= frozen and not {"c2", "n2", "n5"} & frozen


ON_TWO_REPLICAS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from keras_retinanet.models.freezing import set_batch_norm
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for policy in ("train", "sync"):
    with strategy.scope():
        inputs = keras.Input((None, None, 1))
        model = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.0)(inputs))
    set_batch_norm(model, policy)
    values = iter([tf.zeros((1, 2, 2, 1)), tf.fill((1, 2, 2, 1), 2.0)])
    parts = strategy.experimental_distribute_values_from_function(lambda context: next(values))
    step = tf.function(lambda x: strategy.run(lambda part: model(part, training=True), (x,)))
    found = [float(part[0, 0, 0, 0]) for part in step(parts).values]
    print(policy, *[round(value, 2) for value in found])
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="replicas are TensorFlow's")
def test_sync_takes_the_statistics_of_all_replicas():
    """One replica sees 0, the other 2: together mean 1 and variance 1, apart nothing varies."""
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_REPLICAS], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["train 0.0 0.0", "sync -1.0 1.0"]
