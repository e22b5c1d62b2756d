"""The network's structure: names, shared heads, first values, levels, and detectors around it."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.retinanet import (
    check_levels,
    class_logits,
    default_classification_model,
    default_regression_model,
    feature_levels,
    network_of,
    retinanet_bbox,
)
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.anchors import AnchorParameters, anchors_for_shape, make_shapes_callback
from tests.backends import array
from tests.models.tiny import PROFILE, tiny_network

# An odd size: 37 -> 19 -> 10 -> 5 -> 3 -> 2 and 50 -> 25 -> 13 -> 7 -> 4 -> 2.
ODD = (37, 50)
LEVEL_SHAPES = [(5, 7), (3, 4), (2, 2)]


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def detector(network):
    return models.convert_model(network, score_threshold=0.001, max_detections=20)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(0, 1, (2, *ODD, 3)).astype(np.float32)


def test_outputs_are_named_and_counted_from_the_levels_true_shapes(network, images):
    assert network.name == "retinanet"
    assert [tensor.name for tensor in network.outputs] == ["regression", "classification"] or (
        network.output_names == ["regression", "classification"]
    )
    regression, classification = (array(output) for output in network(images))
    number = sum(rows * columns for rows, columns in LEVEL_SHAPES) * 6
    assert regression.shape == (2, number, 4)
    assert classification.shape == (2, number, 2)


def test_the_shapes_callback_gives_the_levels_true_shapes(network, images):
    shapes = make_shapes_callback(network)
    assert [tuple(shape) for shape in shapes((*ODD, 3), (3, 4, 5))] == LEVEL_SHAPES
    anchors = anchors_for_shape((*ODD, 3), (3, 4, 5), PROFILE.anchors, shapes_callback=shapes)
    assert len(anchors) == network(images)[0].shape[1]


def test_first_scores_are_the_prior(network, images):
    scores = array(network(images)[1])
    np.testing.assert_allclose(scores, 0.01, rtol=0.05)
    bias = network.get_layer("classification_submodel").get_layer("pyramid_classification").bias
    assert array(bias) == pytest.approx(-np.log(99))


def test_another_prior_changes_the_first_scores():
    head = default_classification_model(3, 2, 8, prior_probability=0.5, num_layers=1)
    assert array(head.get_layer("pyramid_classification").bias).tolist() == [0] * 6
    assert head.get_layer("pyramid_classification_0").filters == 256


def test_hidden_layers_of_the_heads_are_drawn_afresh_from_a_normal_of_0_01():
    heads = [
        default_classification_model(2, 9, 64, classification_feature_size=64),
        default_regression_model(4, 9, 64, regression_feature_size=64),
    ]
    kernels = [
        array(head.get_layer(f"{prefix}_{index}").kernel)
        for head, prefix in zip(
            heads, ("pyramid_classification", "pyramid_regression"), strict=True
        )
        for index in range(4)
    ]
    for index, kernel in enumerate(kernels):
        assert kernel.std() == pytest.approx(0.01, rel=0.05)
        assert abs(kernel.mean()) < 2e-4
        assert all(not np.array_equal(kernel, other) for other in kernels[:index])
    for head in heads:
        biases = [array(layer.bias) for layer in head.layers if hasattr(layer, "bias")]
        assert all((bias == 0).all() for bias in biases[:-1])


def test_heads_are_shared_over_levels_but_not_with_each_other(network):
    for name in ("classification_submodel", "regression_submodel"):
        head = network.get_layer(name)
        calls = [node for node in head._inbound_nodes if node.operation is head]
        assert len(calls) >= len(PROFILE.levels)
    paths = [
        {id(variable) for variable in network.get_layer(name).variables}
        for name in ("classification_submodel", "regression_submodel")
    ]
    assert not paths[0] & paths[1]


def test_heads_give_the_same_for_the_same_features_whatever_the_level(network):
    features = np.random.default_rng(1).normal(size=(1, 4, 5, 16)).astype(np.float32)
    head = network.get_layer("regression_submodel")
    one, two = array(head(features)), array(head(np.concatenate([features, features])))
    np.testing.assert_allclose(two[1], one[0], rtol=1e-4, atol=1e-7)


def test_p6_comes_from_c5_and_p7_from_its_relu():
    inputs = keras.Input((None, None, 8))
    pools = [keras.layers.AveragePooling2D(2**n)(inputs) for n in range(3)]
    from keras_retinanet.models.retinanet import create_pyramid_features

    pyramid = create_pyramid_features(
        dict(zip(("C3", "C4", "C5"), pools, strict=True)), range(3, 8), 8
    )
    model = keras.Model(inputs, [pools[2], pyramid["P6"], pyramid["P7"]])
    c5, p6, p7 = model(np.random.default_rng(2).normal(size=(1, 20, 28, 8)).astype(np.float32))
    np.testing.assert_allclose(array(model.get_layer("P6")(c5)), array(p6), rtol=1e-5, atol=1e-6)
    relu = keras.ops.maximum(p6, 0.0)
    np.testing.assert_allclose(array(model.get_layer("P7")(relu)), array(p7), rtol=1e-5, atol=1e-6)
    assert array(p6).min() < 0
    for name in ("P6", "P7"):
        assert model.get_layer(name).strides == (2, 2)
        assert model.get_layer(name).padding == "same"


def test_p3_is_its_lateral_plus_the_upsampled_levels_above(network, images):
    tensors = {
        name: network.get_layer(name).output
        for name in ("C3_reduced", "C4_reduced", "C5_reduced", "P4_merged", "P3_merged", "P3")
    }
    found = {k: array(v) for k, v in keras.Model(network.input, tensors)(images).items()}
    from tests.reference import upsample

    merged = found["C4_reduced"] + upsample(found["C5_reduced"], *LEVEL_SHAPES[1])
    np.testing.assert_allclose(found["P4_merged"], merged, rtol=1e-5, atol=1e-5)
    merged = found["C3_reduced"] + upsample(merged, *LEVEL_SHAPES[0])
    np.testing.assert_allclose(found["P3_merged"], merged, rtol=1e-5, atol=1e-5)


LEVELS = {
    "none": ((), True, r"levels 3, 4 and 5 are required; \[\] lacks \[3, 4, 5\]"),
    "no 4": ((3, 5, 6), True, r"\[3, 5, 6\] lacks \[4\]"),
    "7 without 6": (
        (3, 4, 5, 7),
        True,
        r"P6 is required to use P7. Received: levels \[3, 4, 5, 7\]",
    ),
    "2 without C2": ((2, 3, 4, 5), False, "this backbone gives no C2"),
    "falling": ((5, 4, 3), True, r"must rise.* Received: \[5, 4, 3\]"),
    "twice": ((3, 4, 5, 5), True, "must rise, each once"),
    "8": ((3, 4, 5, 6, 7, 8), True, "within 2 to 7"),
    "1": ((1, 2, 3, 4, 5), True, "within 2 to 7"),
}


@pytest.mark.parametrize(("levels", "has_c2", "message"), LEVELS.values(), ids=LEVELS)
def test_levels_that_cannot_be_built_are_refused(levels, has_c2, message):
    with pytest.raises(ValueError, match=message):
        check_levels(levels, has_c2)


def test_levels_that_can_be_built_pass():
    for levels in ((3, 4, 5), (3, 4, 5, 6), (3, 4, 5, 6, 7)):
        check_levels(levels, has_c2=False)
    check_levels((2, 3, 4, 5, 6, 7), has_c2=True)


# Detectors.


def test_the_detector_has_the_names_of_1_0(detector):
    assert detector.name == "retinanet-bbox"
    names = {layer.name for layer in detector.layers}
    assert {"anchors_0", "anchors_1", "anchors_2", "anchors", "filtered_detections"} <= names
    assert {"classification_submodel", "regression_submodel", "P3", "C5_reduced"} <= names


def test_the_detector_takes_what_it_is_not_given_from_the_profile(network, detector):
    layer = detector.get_layer("filtered_detections")
    assert layer.nms_threshold == PROFILE.nms_threshold
    assert layer.coder == PROFILE.coder
    assert (layer.score_threshold, layer.max_detections) == (0.001, 20)
    profile = profile_of(detector)
    assert (profile.score_threshold, profile.max_detections) == (0.001, 20)
    assert profile.anchors == PROFILE.anchors
    assert profile_of(network) == PROFILE


def test_detections_are_those_of_the_networks_outputs(network, detector, images):
    from keras_retinanet.layers import ClipBoxes, FilterDetections, RegressBoxes

    regression, classification = network(images)
    anchors = anchors_for_shape(ODD, (3, 4, 5), PROFILE.anchors).astype(np.float32)
    anchors = np.broadcast_to(anchors, regression.shape)
    boxes = ClipBoxes()(
        [images, RegressBoxes()([keras.ops.convert_to_tensor(anchors), regression])]
    )
    expected = FilterDetections(score_threshold=0.001, max_detections=20)([boxes, classification])
    for found, truth in zip(detector.predict_on_batch(images), expected, strict=True):
        np.testing.assert_allclose(found, array(truth), rtol=1e-4, atol=1e-3)


def test_a_network_taken_out_of_its_detector_gives_the_same(network, detector, images):
    found = network_of(detector)
    assert network_of(network) is network
    assert models.is_network(found)
    assert not models.is_network(detector)
    for one, other in zip(found(images), network(images), strict=True):
        np.testing.assert_allclose(array(one), array(other), rtol=1e-5, atol=1e-6)
    again = models.convert_model(found, score_threshold=0.001, max_detections=20)
    for one, other in zip(
        again.predict_on_batch(images), detector.predict_on_batch(images), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_logits_are_what_the_sigmoid_of_the_scores_takes(network, images):
    logits = keras.Model(network.input, class_logits(network, (3, 4, 5)))(images)
    scores = 1 / (1 + np.exp(-array(logits)))
    np.testing.assert_allclose(scores, array(network(images)[1]), rtol=1e-5)


def own_heads_network():
    """Return a network with a class head of its own, without our reshape, and one more output."""
    inputs = keras.Input((None, None, 3))
    taps = [keras.layers.AveragePooling2D(stride, padding="same")(inputs) for stride in (8, 16, 32)]

    def head(name, values, activation):
        features = keras.Input((None, None, 4))
        x = keras.layers.Conv2D(values, 1, activation=activation)(features)
        last = keras.layers.Reshape((-1, values))(x)
        return keras.Model(features, last, name=f"{name}_submodel")

    from functools import partial

    from keras_retinanet.models.retinanet import create_pyramid_features, retinanet

    return retinanet(
        inputs,
        taps,
        2,
        create_pyramid_features=partial(create_pyramid_features, feature_size=4),
        pyramid_levels=(3, 4, 5),
        submodels=[
            ("regression", head("regression", 4, None)),
            ("classification", head("classification", 2, "sigmoid")),
            ("depth", head("depth", 1, None)),
        ],
    )


def test_further_submodels_become_further_outputs_of_network_and_detector(images):
    network = own_heads_network()
    assert class_logits(network, (3, 4, 5)) is None
    params = AnchorParameters((16, 32, 64), (8, 16, 32), (1,), (1,))
    detector = retinanet_bbox(
        network, anchor_params=params, score_threshold=0.0, max_detections=100
    )
    boxes, scores, labels, depth = detector.predict_on_batch(images)
    outputs = [array(output) for output in network(images)]
    assert depth.shape == (2, 100, 1)
    for slot in range(5):
        anchor = np.argmin(np.abs(outputs[1][0, :, labels[0, slot]] - scores[0, slot]))
        assert depth[0, slot, 0] == pytest.approx(outputs[2][0, anchor, 0], rel=1e-4, abs=1e-5)
    assert boxes[0, 0].max() > 0


def test_levels_are_found_by_their_layers(network):
    assert feature_levels(network) == (3, 4, 5)


def test_levels_and_anchor_sizes_must_be_as_many(network):
    with pytest.raises(ValueError, match=r"3 pyramid levels \(3, 4, 5\) need as many anchor sizes"):
        retinanet_bbox(network, anchor_params=AnchorParameters.default)


def test_what_is_neither_network_nor_detector_is_refused(capsys):
    inputs = keras.Input((4,))
    other = keras.Model(inputs, keras.layers.Dense(1, name="price")(inputs))
    with pytest.raises(ValueError, match=r"neither a network nor a detector.*\['price'\]"):
        network_of(other)
    with pytest.raises(AssertionError, match="outputs regression and classification"):
        models.assert_training_model(other)
    with pytest.raises(SystemExit) as caught:
        models.check_training_model(other)
    assert caught.value.code == 1
    assert "price" in capsys.readouterr().err


def test_outputs_stay_float32_under_lower_policies(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = tiny_network()
        detector = models.convert_model(low, score_threshold=0.001, max_detections=20)
    finally:
        keras.config.set_dtype_policy("float32")
    assert low.get_layer("c1").compute_dtype == "bfloat16"
    exact = tiny_network()
    for one, other in zip(low(images), exact(images), strict=True):
        assert keras.backend.standardize_dtype(one.dtype) == "float32"
        np.testing.assert_allclose(array(one), array(other), atol=0.01)
    boxes, scores, labels = detector(images)
    assert [keras.backend.standardize_dtype(v.dtype) for v in (boxes, scores, labels)] == [
        "float32",
        "float32",
        "int32",
    ]
