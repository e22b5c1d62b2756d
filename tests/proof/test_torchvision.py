"""torchvision's networks, run as installed, against what their files make here.

Needs torchvision (requirements-proof.txt). Networks have random weights and statistics of batch
norm, and are written in torchvision's own format.
"""

import functools

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.retinanet import anchor_tensor, class_logits, retinanet_bbox
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.weights.coco_classes import IDS, OUTPUTS_BY_ID
from tests.backends import array
from tests.proof import torchvision_networks as networks
from tests.proof.comparison import Detections, agreement, relative_difference

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("ignore")]

TOLERANCE = 1e-4  # of the largest value
SIZES = [(192, 256), (193, 251), (224, 161)]  # even sides, odd sides, one of each
CASES = {
    "v1 resnet50": ("file.pth", dict),
    "v2 resnet50": ("file.safetensors", dict),
    "v1 resnet18": ("file.safetensors", networks.older_names),
    "v2 resnext50": ("file.pth", dict),
}


def _family(kind):
    """Return what the user has to say of a file: only that epsilon is not the published one's."""
    return kind.family if kind.family == "torchvision_trained" else None


@functools.lru_cache(maxsize=1)
def _network_of(name):
    return networks.build(networks.KINDS[name])


@pytest.fixture(params=CASES, scope="module")
def pair(request, tmp_path_factory):
    """Return (name, torchvision's network, ours from its file)."""
    theirs = _network_of(request.param)
    file, rename = CASES[request.param]
    path = networks.save(theirs, tmp_path_factory.mktemp("torchvision") / file, rename)
    kind = networks.KINDS[request.param]
    ours = models.load_model(path, family=_family(kind))
    assert profile_of(ours).family == kind.family
    return request.param, theirs, ours


@functools.lru_cache(maxsize=1)
def _parts(network):
    """Return our model of (pyramid, deltas, logits, anchors) of a network."""
    profile = profile_of(network)
    pyramid = [network.get_layer(f"P{level}").output for level in profile.levels]
    logits = class_logits(network, profile.levels)
    anchors = anchor_tensor(network, profile.levels, profile.anchors)
    return keras.Model(network.inputs, [*pyramid, network.outputs[0], logits, anchors])


def _picture(size, seed=0):
    """Return a picture [h, w, 3] of levels, red first, in patches of colour with noise."""
    rng = np.random.default_rng([seed, *size])
    coarse = rng.integers(0, 256, (size[0] // 16 + 1, size[1] // 16 + 1, 3))
    patches = coarse.repeat(16, 0).repeat(16, 1)[: size[0], : size[1]]
    noise = rng.integers(-20, 21, (*size, 3))
    return np.clip(patches + noise, 0, 255).astype(np.uint8)


def _theirs(pictures):
    import torch

    return [torch.tensor(picture.transpose(2, 0, 1)).float() / 255 for picture in pictures]


def _ours(pictures, network):
    """Return (canvas [B, H, W, 3] of preprocessed floats, true sizes [B, 2])."""
    sizes = np.array([picture.shape[:2] for picture in pictures])
    canvas = np.zeros((len(pictures), *sizes.max(axis=0), 3), np.float32)
    for place, picture in zip(canvas, pictures, strict=True):
        mode = profile_of(network).preprocessing
        place[: picture.shape[0], : picture.shape[1]] = preprocess_image(picture[..., ::-1], mode)
    return canvas, sizes.astype(np.float32)


def _coco_rows(logits):
    return logits.reshape(*logits.shape[:2], OUTPUTS_BY_ID)[..., list(IDS)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pyramid_heads_anchors_and_boxes_are_torchvisions(pair, size, record):
    name, theirs, ours = pair
    picture = _picture(size)
    pyramid, outputs, anchors, _ = networks.heads(theirs, _theirs([picture]))
    *our_pyramid, deltas, logits, our_anchors = map(
        array, _parts(ours)(_ours([picture], ours)[0], training=False)
    )
    found = {
        "pyramid": max(
            relative_difference(level.transpose(0, 3, 1, 2), truth)
            for level, truth in zip(our_pyramid, pyramid, strict=True)
        ),
        "logits": relative_difference(logits, _coco_rows(outputs["cls_logits"].numpy())),
        "deltas": relative_difference(deltas, outputs["bbox_regression"]),
        "anchors": relative_difference(our_anchors[0], anchors),
        "boxes": relative_difference(
            array(profile_of(ours).coder.decode(deltas, our_anchors))[0],
            theirs.box_coder.decode_single(outputs["bbox_regression"][0], anchors),
        ),
    }
    for column, value in found.items():
        record(f"torchvision {name}", column, value)
    assert found["anchors"] == 0
    assert max(found.values()) <= TOLERANCE, found


def _edges(logits, detector, anchor_counts):
    """Return the scores at which a row of one picture's detections is in or out."""
    profile = profile_of(detector)
    edges = [profile.score_threshold]
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))  # [N, K]
    for level in np.split(scores, np.cumsum(anchor_counts)[:-1]):
        if level.size > profile.level_candidates:
            edges.append(np.sort(level, axis=None)[-profile.level_candidates])
    return edges


@pytest.mark.parametrize(
    "sizes",
    [*[[size] for size in SIZES], [SIZES[0], SIZES[1]]],
    ids=["even", "odd", "mixed", "two"],
)
def test_detections_are_torchvisions(pair, sizes, record):
    import torch

    name, theirs, ours = pair
    pictures = [_picture(size, seed=1) for size in sizes]
    detector = retinanet_bbox(ours, sizes=keras.Input((2,)))
    canvas, true_sizes = _ours(pictures, ours)
    found = [array(output) for output in detector([canvas, true_sizes], training=False)]
    with torch.no_grad():
        truths = theirs(_theirs(pictures))
    pyramid, outputs, _, _ = networks.heads(theirs, _theirs(pictures))
    counts = [9 * level.shape[-2] * level.shape[-1] for level in pyramid]
    labels = {category: label for label, category in enumerate(IDS)}
    for index, truth in enumerate(truths):
        expected = Detections.of(
            truth["boxes"], truth["scores"], [labels[int(one)] for one in truth["labels"]]
        )
        mine = Detections.of(*(output[index] for output in found))
        edges = _edges(_coco_rows(outputs["cls_logits"].numpy())[index], detector, counts)
        if len(expected) == profile_of(detector).max_detections:
            edges.append(expected.scores.min())
        result = agreement(mine, expected, edges)
        for column, value in {
            "score": result.score,
            "box px": result.box,
            "matched": result.matched,
            "excused": result.excused,
        }.items():
            record(f"torchvision {name}", column, value)
        assert not result.wrong
        assert result.matched >= 50
        assert result.excused <= 0.02 * result.matched
