"""Presets that KerasHub, run as installed, saved: as it computes, and as torchvision does.

Needs keras-hub and torchvision (requirements-proof.txt). The weights are those of torchvision's
random networks, laid into KerasHub's by name.
"""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.utils.resizing import RESIZE_RULES
from tests.backends import array
from tests.proof import keras_hub_networks as hub
from tests.proof import sides
from tests.proof import torchvision_networks as networks
from tests.proof.comparison import Detections, agreement, relative_difference

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("ignore")]

SIZES = [(256, 256), (160, 288), (256, 160)]  # sides of P6: 4, 4; 3, 5; 4, 3
TORCH_SIZES = [(192, 256), (193, 251)]
SIDE = 256  # of the square that KerasHub fits pictures into
WARMER = 4.0  # added to logits: KerasHub detects from 0.5, and does not end with few boxes
CASES = {"v1": ("v1 resnet50", 1, "keras_hub"), "v2": ("v2 resnet18", 2, "keras_hub_v2")}


@pytest.fixture(params=CASES, scope="module")
def preset(request, tmp_path_factory):
    """Return (case, torchvision's network, KerasHub's, folder of its preset)."""
    kind, version, _ = CASES[request.param]
    theirs = networks.build(networks.KINDS[kind])
    bias = theirs.head.classification_head.cls_logits.bias.data
    bias[bias > networks.NEVER / 2] += WARMER
    detector = hub.build(kind.split()[1], version, SIDE)
    hub.take_weights(detector, theirs.state_dict())
    folder = tmp_path_factory.mktemp("keras_hub") / "preset"
    detector.save_to_preset(str(folder))
    return request.param, theirs, detector, folder


def _images(size, count=1):
    pictures = np.stack([sides.picture_of(size, seed) for seed in range(count)])
    return preprocess_image(pictures[..., ::-1], "torch_rgb")


def _part_differences(detector, network, images):
    """Return {part: relative difference} of our network from KerasHub's."""
    pyramid, deltas, logits, anchors = sides.our_outputs(network, images)
    outputs = detector(images, training=False)
    levels = list(detector.backbone(images, training=False).values())
    grid = np.concatenate([array(level) for level in detector.anchor_generator(images).values()])
    return {
        "pyramid": max(map(relative_difference, pyramid, map(array, levels))),
        "logits": relative_difference(logits, sides.coco_rows(outputs["cls_logits"])),
        "deltas": relative_difference(deltas, array(outputs["bbox_regression"])),
        "anchors": relative_difference(anchors[0][:, [1, 0, 3, 2]], grid),
    }


def _their_detections(detector, images):
    outputs = detector(images, training=False)
    found = {
        key: array(value) for key, value in detector.decode_predictions(outputs, images).items()
    }
    return [
        Detections.of(
            boxes[:, [1, 0, 3, 2]], scores, [sides.LABELS[int(label)] for label in labels]
        )
        for boxes, scores, labels in zip(
            found["boxes"], found["confidence"], found["labels"], strict=True
        )
    ]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_families_keras_hub_compute_what_keras_hub_does(preset, size, record):
    case, _, detector, folder = preset
    family = CASES[case][2]
    network = models.load_model(folder, family=family)
    assert profile_of(network).family == family
    found = _part_differences(detector, network, _images(size))
    for part, value in found.items():
        record(f"KerasHub {CASES[case][0]}, as itself", part, value)
    assert found["anchors"] == 0
    assert max(found.values()) <= sides.TOLERANCE, found


def _detector_of(network):
    profile = profile_of(network)
    return models.convert_model(
        network, nms=profile.nms, class_specific_filter=profile.class_specific_filter
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_families_keras_hub_detect_what_keras_hub_does(preset, size, record):
    case, _, detector, folder = preset
    network = models.load_model(folder, family=CASES[case][2])
    images = _images(size, count=2)
    outputs = [array(output) for output in _detector_of(network)(images, training=False)]
    for index, expected in enumerate(_their_detections(detector, images)):
        mine = Detections.of(*(output[index] for output in outputs))
        edges = [profile_of(network).score_threshold, expected.scores.min()]
        found = agreement(mine, expected, edges)
        record.detections(f"KerasHub {CASES[case][0]}, as itself", found)
        found.check()


@pytest.mark.parametrize("size", [(SIDE, SIDE), (200, 300), (333, 201)], ids=str)
def test_pictures_are_made_as_keras_hub_makes_them(preset, size):
    case, _, detector, folder = preset
    profile = profile_of(models.load_model(folder, family=CASES[case][2]))
    picture = sides.picture_of(size)
    truth = array(detector.preprocessor(keras.ops.cast(picture[None], "float32")))
    rule = RESIZE_RULES[profile.resize_rule]
    image, _ = rule(picture[..., ::-1], profile.image_min_side, profile.image_max_side)
    found = preprocess_image(image[None], profile.preprocessing)
    assert relative_difference(found, truth) <= 1e-5


@pytest.mark.parametrize("sizes", [TORCH_SIZES[:1], TORCH_SIZES[1:], TORCH_SIZES], ids=str)
def test_a_preset_of_coco_is_read_as_torchvisions_network(preset, sizes, record):
    case, theirs, _, folder = preset
    network = models.load_model(folder)
    name = f"KerasHub {CASES[case][0]}, as torchvision"
    pictures = [sides.picture_of(size) for size in sizes]
    heads = networks.heads(theirs, sides.for_torchvision(pictures[:1]))
    found = sides.part_differences(heads, network, pictures[0])
    for part, value in found.items():
        record(name, part, value)
    assert max(found.values()) <= sides.TOLERANCE, found
    heads = networks.heads(theirs, sides.for_torchvision(pictures))
    for agreed in sides.detection_agreements(theirs, heads, network, pictures):
        record.detections(name, agreed)
        agreed.check()


def test_keras_hub_departs_from_torchvision_on_even_sides(preset):
    case, theirs, detector, folder = preset
    found = _part_differences(detector, models.load_model(folder), _images((256, 256)))
    assert found["pyramid"] > 100 * sides.TOLERANCE
    assert found["logits"] > sides.TOLERANCE
