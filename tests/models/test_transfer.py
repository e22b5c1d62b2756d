"""A network that starts from another one's weights: rows of classes, anchors, channels."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet.models.cut_weights import inflate
from keras_retinanet.models.snapshot import attach_profile
from keras_retinanet.models.transfer import transfer
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.anchors import AnchorParameters
from tests.backends import array
from tests.models.tiny import PROFILE, tiny_network

LAST = {"classification": -np.log(99), "regression": 0.0}  # the bias that a fresh layer has


def trained(profile=PROFILE, seed=1):
    """Return a network all of whose weights are drawn, biases too."""
    network, rng = tiny_network(seed=seed, profile=profile), np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape))
    return network


def last(network, head):
    """Return kernel [3, 3, C, A, K] and bias [A, K] of the last layer of a head."""
    profile = network.retinanet_profile
    layer = network.get_layer(f"{head}_submodel").get_layer(f"pyramid_{head}")
    values = {"classification": profile.num_classes, "regression": 4}[head]
    kernel, bias = map(array, layer.weights)
    return kernel.reshape(*kernel.shape[:3], -1, values), bias.reshape(-1, values)


def with_classes(*names):
    return replace(PROFILE, classes=names)


def test_classes_of_the_same_name_keep_their_rows_and_new_ones_start_from_the_prior():
    source = trained(with_classes("person", "motorbike", "dog"))
    network = tiny_network(seed=2, profile=with_classes("helmet", "Motorcycle", "person"))
    fresh, _ = last(network, "classification")
    report = transfer(source, network)
    (old, old_bias), (new, new_bias) = (last(n, "classification") for n in (source, network))
    np.testing.assert_array_equal(new[..., 1], old[..., 1])
    np.testing.assert_array_equal(new[..., 2], old[..., 0])
    np.testing.assert_array_equal(new[..., 0], fresh[..., 0])
    np.testing.assert_array_equal(new_bias[:, 1:], old_bias[:, [1, 0]])
    np.testing.assert_allclose(new_bias[:, 0], LAST["classification"], rtol=1e-6)
    assert report.known == {"Motorcycle": "motorbike", "person": "person"}
    lines = list(report.lines())
    assert "classes that keep their rows: Motorcycle (from motorbike), person" in lines
    assert "classes that start afresh: helmet" in lines


def test_all_but_the_last_layer_of_the_class_head_is_taken_over():
    source = trained(with_classes("a", "b", "c"))
    network = tiny_network(seed=2)
    transfer(source, network)
    for layer in [layer for layer in network.layers if layer.weights]:
        for one, other in zip(layer.weights, source.get_layer(layer.name).weights, strict=True):
            if "pyramid_classification/" not in one.path:
                np.testing.assert_array_equal(array(one), array(other))


def test_a_source_without_names_keeps_no_class_and_says_so():
    source, network = trained(with_classes("", "")), tiny_network(seed=2)
    fresh, bias = last(network, "classification")
    report = transfer(source, network)
    np.testing.assert_array_equal(last(network, "classification")[0], fresh)
    np.testing.assert_array_equal(last(network, "classification")[1], bias)
    np.testing.assert_array_equal(last(network, "regression")[0], last(source, "regression")[0])
    assert list(report.lines())[-1] == (
        "classes that start afresh, since the file does not name its own: square, disc"
    )


def test_a_new_anchor_has_the_weights_of_the_nearest_old_one():
    """Old ratios 0.5, 1, 2 at scales 1, 1.4; by hand: 0.9 is nearest to 1, 3 to 2."""
    source = trained()
    anchors = AnchorParameters((16, 32, 64), (8, 16, 32), (0.9, 3), (0.9, 1.1, 1.5))
    network = tiny_network(seed=2, profile=replace(PROFILE, anchors=anchors))
    report = transfer(source, network)
    nearest = [2, 2, 3, 4, 4, 5]  # outermost the ratio, then the scale
    for head in LAST:
        (old, old_bias), (new, new_bias) = (last(each, head) for each in (source, network))
        np.testing.assert_array_equal(new, old[..., nearest, :])
        np.testing.assert_array_equal(new_bias, old_bias[nearest])
    assert report.anchors[0] == "1.9x1.71 from 2x2"
    assert "anchors, width x height in strides: 1.9x1.71 from 2x2, " in "\n".join(report.lines())


def test_as_many_anchors_of_other_sides_keep_the_head():
    source = trained()
    anchors = AnchorParameters((20, 40, 80), (8, 16, 32), (0.4, 1.1, 3), (0.9, 1.5))
    network = tiny_network(seed=2, profile=replace(PROFILE, anchors=anchors))
    report = transfer(source, network)
    np.testing.assert_array_equal(last(network, "regression")[0], last(source, "regression")[0])
    assert report.anchors == []


def test_a_head_of_another_width_starts_afresh_with_its_classes():
    source, network = trained(), tiny_network(width=8, seed=2)
    with pytest.raises(WeightsError, match="no layer of the backbone fits"):
        transfer(source, network)
    narrow = keras.models.clone_model(source)
    attach_profile(narrow, PROFILE)
    report = transfer(source, narrow)
    assert report.new == [] and not report.layers.skipped


def with_channels(channels, order="bgr", seed=0):
    """Return a network on pictures of so many channels."""
    keras.utils.set_random_seed(seed)
    base = tiny_network(seed=seed)
    inputs = keras.Input((None, None, channels))
    taps = []
    x = inputs
    for index in range(5):
        layer = base.get_layer(f"c{index + 1}")
        x = keras.layers.Conv2D.from_config(layer.get_config())(x)
        taps.append(x)
    rest = keras.Model([base.get_layer(f"c{n}").output for n in (3, 4, 5)], base.outputs)
    network = keras.Model(inputs, rest(taps[2:]))
    preprocessing = replace(PROFILE.preprocessing, order=order)
    return attach_profile(network, replace(PROFILE, preprocessing=preprocessing))


@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_the_first_convolution_is_inflated_blue_first(order):
    source, network = with_channels(3, order, seed=1), with_channels(5, seed=2)
    report = transfer(source, network)
    old, new = (array(each.get_layer("c1").kernel) for each in (source, network))
    blue, green, red = np.moveaxis(old, 2, 0)[:: 1 if order == "bgr" else -1]
    for channel, expected in enumerate((blue, green, red, blue, green)):
        np.testing.assert_allclose(new[:, :, channel], expected * 3 / 5, rtol=1e-6)
    assert report.channels == (3, 5)
    np.testing.assert_array_equal(
        array(network.get_layer("c2").kernel), array(source.get_layer("c2").kernel)
    )
    assert "the first convolution, of 3 channels, is inflated to 5" in list(report.lines())


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_an_inflated_kernel_gives_equal_channels_what_they_gave(channels):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    patch = rng.normal(size=(3, 3, 1)).astype(np.float32)

    def response(weights):
        return np.einsum("hwc,hwcf->f", patch.repeat(weights.shape[2], axis=2), weights)

    found = response(inflate(kernel, channels))
    np.testing.assert_allclose(found, response(kernel), rtol=1e-4, atol=1e-5)


def test_backbone_layers_that_keras_numbered_go_in_order():
    source, target = tiny_network(seed=1), tiny_network(seed=2)
    source.get_layer("c1").name = "conv2d_7"
    target.get_layer("c1").name = "conv2d_9"
    transfer(source, target)
    np.testing.assert_array_equal(array(target.layers[1].kernel), array(source.layers[1].kernel))
