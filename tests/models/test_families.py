"""Every switch of the profile, in the network and in the detector, against slow truths."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import PadToMultiple
from keras_retinanet.models.backbones import Backbone
from keras_retinanet.models.retinanet import network_of, retinanet_bbox
from keras_retinanet.models.snapshot import attach_profile, profile_of, save_snapshot
from keras_retinanet.models.training import TrainingModel
from keras_retinanet.predict.runner import Runner
from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.families import FAMILIES
from tests.backends import array
from tests.models import slow_families
from tests.models.tiny import draw_weights

pytestmark = pytest.mark.numerics

WIDTH = 4
CLASSES = 3
SMALL = {
    "pyramid_features": WIDTH,
    "head_features": WIDTH,
    "head_layers": 1,
    "head_norm_groups": 2,
    "score_threshold": 0.3,
    "max_detections": 40,
}
BASE = replace(FAMILIES["detectron2"], **SMALL, anchors=AnchorParameters(), level_candidates=20)
IMAGES = np.random.default_rng(0).normal(0, 1, (2, 50, 70, 3)).astype(np.float32)


class TinyBackbone(Backbone):
    """Five convolutions, each halving its input and rounding up."""

    def __init__(self):
        super().__init__("resnet50")  # a known name, of which nothing is used

    def build(self, inputs, **options):
        """Return the model and its last three tensors."""
        x, taps = inputs, {}
        for index in range(1, 6):
            x = keras.layers.Conv2D(
                WIDTH, 3, strides=2, padding="same", activation="tanh", name=f"c{index}"
            )(x)
            taps[f"C{index}"] = x
        outputs = {name: taps[name] for name in ("C3", "C4", "C5")}
        return keras.Model(inputs, list(outputs.values())), outputs


def make_network(profile):
    """Return a network of the profile whose weights find many objects."""
    network = TinyBackbone().retinanet(CLASSES, profile=profile)
    draw_weights(network, 0.25)
    box_head = network.get_layer("regression_submodel").get_layer("pyramid_regression")
    box_head.kernel.assign(box_head.kernel * 0.2)  # boxes that are not all wild
    return network


def with_profile(network, profile):
    """Return the same network with another profile; the old one keeps its own."""
    return attach_profile(keras.Model(network.input, network.outputs), profile)


def canvas_sides(shape, profile):
    return tuple(side + -side % profile.pad_multiple for side in shape)


def slow_detections(network, profile, image, frame=None):
    """Return the slow detections of one picture [H, W, 3], from the network's own outputs."""
    canvas = canvas_sides(image.shape[:2], profile)
    shapes, sides = [], np.array(canvas)
    for level in range(1, 8):
        sides = -(-sides // 2)
        shapes += [tuple(sides.tolist())] if level >= 3 else []
    levels = slow_families.anchors(canvas, shapes, profile.anchors)
    deltas, scores = (array(output)[0].astype(float) for output in network(image[None]))
    assert sum(map(len, levels)) == len(deltas)
    frames = {"canvas": canvas, "image": image.shape[:2], "nothing": None}
    frame = frames[profile.clip_to] if frame is None else frame
    return slow_families.detections(levels, deltas, scores, frame, profile)


def assert_found(outputs, expected, limit):
    """Assert that boxes [D, 4], scores [D] and labels [D] are the expected ones, padded."""
    boxes, scores, labels = (array(output) for output in outputs)
    count = len(expected)
    assert boxes.shape == (limit, 4) and count > 5
    np.testing.assert_allclose(scores[:count], [one[0] for one in expected], rtol=1e-4)
    assert labels[:count].tolist() == [one[1] for one in expected]
    np.testing.assert_allclose(boxes[:count], [one[2] for one in expected], rtol=1e-4, atol=0.02)
    assert (scores[count:] == -1).all() and (labels[count:] == -1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_detector_equals_loops_over_its_networks_outputs(family):
    profile = replace(FAMILIES[family], **SMALL)
    network = make_network(profile)
    own = profile_of(network)
    detector = retinanet_bbox(network)
    for images in (IMAGES[:1], IMAGES[:1, :33, :64]):
        outputs = detector(images)
        expected = slow_detections(network, own, images[0])
        assert_found([output[0] for output in outputs], expected, own.max_detections)


@pytest.fixture(scope="module")
def base():
    """Return a network of `BASE` and what its detector finds in both pictures."""
    network = make_network(BASE)
    return network, [array(output) for output in retinanet_bbox(network)(IMAGES)]


READING = {  # switches that read one network's outputs otherwise
    "box_coding": {"box_coding": "corners", "box_clamp": None},
    "box_std": {"box_std": (0.2, 0.2, 0.2, 0.2)},
    "box_mean": {"box_mean": (0.1, 0.2, 0.3, 0.4)},
    "box_pixel": {"box_pixel": 1.0},
    "box_clamp": {"box_clamp": 0.05},
    "level_candidates": {"level_candidates": 3},
    "all candidates": {"level_candidates": None},
    "clip to the canvas": {"clip_to": "canvas"},
    "no clipping": {"clip_to": "nothing"},
    "clip_margin": {"clip_margin": 1.0},
    "nms_within": {"nms_within": "all"},
    "centre": {"anchors": replace(BASE.anchors, centre=0.0)},
    "rounding": {"anchors": replace(BASE.anchors, rounding="whole")},
    "order": {"anchors": replace(BASE.anchors, order="scale")},
    "sizes": {"anchors": replace(BASE.anchors, sizes=(24, 50, 100, 200, 400))},
    "ratios": {"anchors": replace(BASE.anchors, ratios=(0.4, 1.0, 2.5))},
    "scales": {"anchors": replace(BASE.anchors, scales=(0.8, 1.0, 1.3))},
    "score_threshold": {"score_threshold": 0.5},
    "nms_threshold": {"nms_threshold": 0.2},
    "no suppression": {"nms": False},
    "the best class of a box": {"class_specific_filter": False},
    "candidates": {"candidates": 25},
}


@pytest.mark.parametrize("name", READING)
def test_each_switch_of_reading_changes_the_detections_to_what_loops_say(base, name):
    network, before = base
    profile = replace(profile_of(network), **READING[name])
    found = [array(one) for one in retinanet_bbox(with_profile(network, profile))(IMAGES)]
    assert np.abs(found[0] - before[0]).max() > 0.2
    for index, image in enumerate(IMAGES):
        expected = slow_detections(network, profile, image)
        assert_found([one[index] for one in found], expected, profile.max_detections)


def test_floored_strides_move_the_detections_of_coarse_levels(base):
    """On 64 x 96, P7's single cell is 64 x 96, not 128 x 128."""
    network, _ = base
    found = []
    for rule in ("fixed", "floor"):
        anchors = replace(BASE.anchors, stride_rule=rule)
        profile = replace(
            profile_of(network), anchors=anchors, clip_to="nothing", max_detections=200
        )
        outputs = [array(one)[0] for one in retinanet_bbox(with_profile(network, profile))(IMAGES)]
        assert_found(outputs, slow_detections(network, profile, IMAGES[0]), 200)
        found.append(outputs[0])
    assert np.abs(found[0] - found[1]).max() > 10


@pytest.mark.parametrize("multiple", [1, 32, 128])
def test_the_network_pads_below_and_right_with_zeros_to_whole_multiples(multiple):
    profile = replace(BASE, pad_multiple=multiple)
    # P3 to P7 of 50 x 70, 64 x 96 and 128 x 128
    cells = {1: 63 + 20 + 6 + 2 + 1, 32: 96 + 24 + 6 + 2 + 1, 128: 256 + 64 + 16 + 4 + 1}
    network = make_network(profile)
    alone = make_network(replace(BASE, pad_multiple=1))
    height, width = canvas_sides(IMAGES.shape[1:3], profile)
    canvas = np.zeros((2, height, width, 3), np.float32)
    canvas[:, :50, :70] = IMAGES
    for one, other in zip(network(IMAGES), alone(canvas), strict=True):
        np.testing.assert_allclose(array(one), array(other), atol=1e-6)
    assert len(network(IMAGES)[0][0]) == 9 * cells[multiple]


def test_padding_by_hand():
    pad = PadToMultiple(3)
    found = array(pad(ops.ones((1, 2, 4, 1))))[0, ..., 0]
    assert found.tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0], [0] * 6]
    assert array(pad(ops.ones((1, 3, 6, 1)))).shape == (1, 3, 6, 1)
    assert pad.compute_output_shape((None, None, 4, 2)) == (None, None, 6, 2)


def test_a_batch_of_different_sizes_is_clipped_picture_by_picture(base):
    """What lies beyond a picture is 0, since zeros stand there after normalisation."""
    network, _ = base
    sizes = np.array([(50, 70), (40, 45)], np.float32)
    canvas = IMAGES.copy()
    canvas[1, 40:], canvas[1, :, 45:] = 0, 0
    detector = retinanet_bbox(network, sizes=keras.Input((2,)))
    outputs = detector([canvas, sizes])
    for index, size in enumerate(sizes.astype(int).tolist()):
        expected = slow_detections(network, profile_of(network), canvas[index], size)
        assert_found([one[index] for one in outputs], expected, BASE.max_detections)
    boxes = array(outputs[0])[1]
    assert boxes[:, [0, 2]].max() == 45 and boxes[:, [1, 3]].max() == 40
    assert network_of(detector).inputs[0].shape == network.inputs[0].shape


def test_a_picture_in_a_batch_is_clipped_to_the_canvas_that_it_would_have_alone():
    """40 x 45 are 64 x 64 alone; in a batch with 50 x 70 zeros stand up to 64 x 96."""
    network = make_network(replace(BASE, clip_to="canvas", clip_margin=1.0))
    canvas, size = IMAGES[:1].copy(), np.array([(40, 45)], np.float32)
    canvas[:, 40:], canvas[:, :, 45:] = 0, 0
    outputs = retinanet_bbox(network, sizes=keras.Input((2,)))([canvas, size])
    profile = profile_of(network)
    expected = slow_detections(network, profile, canvas[0], (64, 64))
    assert_found([one[0] for one in outputs], expected, BASE.max_detections)
    assert array(outputs[0]).max() == 63  # of 64 with the margin, not 44


def test_detectors_take_the_switches_of_suppression_from_the_profile(base):
    network, _ = base
    profile = replace(profile_of(network), nms=False, class_specific_filter=False)
    changed = with_profile(network, profile)
    own = profile_of(retinanet_bbox(changed))
    assert (own.nms, own.class_specific_filter) == (False, False)
    assert profile_of(retinanet_bbox(changed, nms=True)).nms


@pytest.mark.parametrize("freeze", [False, True], ids=["variables", "constants"])
@pytest.mark.parametrize("family", ["torchvision_v2", "keras_hub"])
def test_one_compiled_graph_serves_all_sizes(family, freeze):
    detector = retinanet_bbox(make_network(replace(FAMILIES[family], **SMALL)))
    runner = Runner(detector, freeze)
    for images in (IMAGES[:1], IMAGES[:, :33, :64]):
        for one, other in zip(runner.predict_on_batch(images), detector(images), strict=True):
            np.testing.assert_allclose(one, array(other), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "change", [{"p6_from": "P5"}, {"p6_padding": "same"}, {"p7_relu": False}], ids=str
)
def test_the_profiles_switches_reach_p6_and_p7_alone(base, change):
    """On 64 x 96, P3 to P5 have 126 cells, P6 2 and P7 1."""
    network, _ = base
    changed = make_network(replace(BASE, **change))
    before, after = (array(one(IMAGES)[0]) for one in (network, changed))
    np.testing.assert_allclose(after[:, : 9 * 126], before[:, : 9 * 126], atol=1e-6)
    assert np.abs(after[:, 9 * 126 :] - before[:, 9 * 126 :]).max() > 0.01


@pytest.mark.parametrize("family", ["torchvision_v2", "odtk", "keras_hub"])
def test_a_snapshot_of_a_family_detects_the_same(family, tmp_path):
    profile = replace(FAMILIES[family], **SMALL)
    detector = retinanet_bbox(make_network(profile))
    save_snapshot(detector, tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    for one, other in zip(again(IMAGES), detector(IMAGES), strict=True):
        np.testing.assert_allclose(array(one), array(other), rtol=1e-5, atol=1e-5)


def test_anchors_and_detections_stay_float32_under_a_mixed_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = make_network(replace(FAMILIES["torchvision_v2"], **SMALL))
        detector = retinanet_bbox(network)
        assert [output.dtype for output in network.outputs] == ["float32", "float32"]
        expected = slow_detections(network, profile_of(network), IMAGES[0])
        found = detector(IMAGES[:1])
    finally:
        keras.config.set_dtype_policy("float32")
    assert_found([one[0] for one in found], expected, SMALL["max_detections"])


def test_a_training_model_learns_on_the_families_anchors_and_coding():
    profile = replace(FAMILIES["torchvision_v2"], **SMALL)
    model = TrainingModel(make_network(profile))
    images = np.full((1, 64, 96, 3), 90, np.uint8)
    y_pred = model({"images": images, "sizes": np.array([[64, 96]], np.float32)})
    levels = slow_families.anchors(
        (64, 96), [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)], profile.anchors
    )
    found = np.concatenate([array(level)[0] for level in y_pred["anchors"]])
    np.testing.assert_allclose(found, np.concatenate(levels), atol=1e-3)


@pytest.mark.parametrize(
    ("field", "value"),
    [("head_norm", "none"), ("head_norm_groups", 1), ("head_norm_epsilon", 0.5)],
)
def test_the_profiles_norm_reaches_both_heads(field, value):
    profile = replace(FAMILIES["torchvision_v2"], **SMALL)
    changed = replace(profile, **{field: value})
    for name in ("regression_submodel", "classification_submodel"):
        layers = [make_network(one).get_layer(name).layers for one in (profile, changed)]
        norms = [
            [
                (layer.groups, layer.epsilon)
                for layer in own
                if hasattr(layer, "groups") and hasattr(layer, "gamma")
            ]
            for own in layers
        ]
        assert norms[0] == [(2, 1e-5)]
        assert (
            norms[1]
            == {
                "head_norm": [],
                "head_norm_groups": [(1, 1e-5)],
                "head_norm_epsilon": [(2, 0.5)],
            }[field]
        )
