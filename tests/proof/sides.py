"""One picture in torchvision's network and in ours: all that is compared on the way."""

import keras
import numpy as np

from keras_retinanet.models.retinanet import anchor_tensor, class_logits, retinanet_bbox
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.weights.coco_classes import IDS
from tests.backends import array
from tests.proof.comparison import Detections, agreement, relative_difference

TOLERANCE = 1e-4  # of the largest value
LABELS = {category: label for label, category in enumerate(IDS)}


def our_parts(network):
    """Return our model of (P3, …, P7, deltas, logits, anchors) of a network."""
    profile = profile_of(network)
    pyramid = [network.get_layer(f"P{level}").output for level in profile.levels]
    logits = class_logits(network, profile.levels)
    anchors = anchor_tensor(network, profile.levels, profile.anchors)
    return keras.Model(network.inputs, [*pyramid, network.outputs[0], logits, anchors])


def our_outputs(network, images):
    """Return (pyramid, deltas, logits, anchors) of preprocessed images, as arrays."""
    *pyramid, deltas, logits, anchors = map(array, our_parts(network)(images, training=False))
    return pyramid, deltas, logits, anchors


def picture_of(size, seed=0):
    """Return a picture [h, w, 3] of levels, red first, in patches of colour with noise."""
    rng = np.random.default_rng([seed, *size])
    coarse = rng.integers(0, 256, (size[0] // 16 + 1, size[1] // 16 + 1, 3))
    patches = coarse.repeat(16, 0).repeat(16, 1)[: size[0], : size[1]]
    noise = rng.integers(-20, 21, (*size, 3))
    return np.clip(patches + noise, 0, 255).astype(np.uint8)


def for_torchvision(pictures):
    """Return pictures as torchvision takes them: [tensor [3, h, w] of 0 to 1, …]."""
    import torch

    return [torch.tensor(picture.transpose(2, 0, 1)).float() / 255 for picture in pictures]


def for_ours(pictures, network):
    """Return (canvas [B, H, W, 3] of preprocessed floats, true sizes [B, 2])."""
    mode = profile_of(network).preprocessing
    sizes = np.array([picture.shape[:2] for picture in pictures])
    canvas = np.zeros((len(pictures), *sizes.max(axis=0), 3), np.float32)
    for place, picture in zip(canvas, pictures, strict=True):
        place[: picture.shape[0], : picture.shape[1]] = preprocess_image(picture[..., ::-1], mode)
    return canvas, sizes.astype(np.float32)


def coco_rows(logits):
    """Return the logits [B, N, 80] of COCO's classes among [B, N, 91]."""
    return np.asarray(logits)[..., list(IDS)]


def part_differences(heads, network, picture):
    """Return {part: relative difference} of our network from torchvision's on one picture.

    Args:
        heads: (pyramid, {output: tensor}, anchors, coder) of torchvision's network.
    """
    pyramid, outputs, anchors, coder = heads
    ours = our_outputs(network, for_ours([picture], network)[0])
    deltas, our_anchors = map(keras.ops.convert_to_tensor, (ours[1], ours[3]))
    boxes = profile_of(network).coder.decode(deltas, our_anchors)
    return {
        "pyramid": max(
            relative_difference(level.transpose(0, 3, 1, 2), truth)
            for level, truth in zip(ours[0], pyramid, strict=True)
        ),
        "logits": relative_difference(ours[2], coco_rows(outputs["cls_logits"])),
        "deltas": relative_difference(ours[1], outputs["bbox_regression"]),
        "anchors": relative_difference(ours[3][0], anchors),
        "boxes": relative_difference(
            array(boxes)[0], coder.decode_single(outputs["bbox_regression"][0], anchors)
        ),
    }


def detections_of(network, pictures):
    """Return [Detections, …] of pictures of different sizes in one batch of our detector."""
    detector = retinanet_bbox(network, sizes=keras.Input((2,)))
    outputs = detector(list(for_ours(pictures, network)), training=False)
    outputs = [array(output) for output in outputs]
    return [Detections.of(*(output[index] for output in outputs)) for index in range(len(pictures))]


def _edges(logits, profile, anchor_counts):
    """Return the scores at which a row of one picture's detections is in or out."""
    edges = [profile.score_threshold]
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))  # [N, K]
    for level in np.split(scores, np.cumsum(anchor_counts)[:-1]):
        if level.size > profile.level_candidates:
            edges.append(np.sort(level, axis=None)[-profile.level_candidates])
    return edges


def expected_detections(truth):
    """Return the Detections of torchvision's {"boxes", "scores", "labels"} of one picture."""
    labels = [LABELS[int(category)] for category in truth["labels"]]
    return Detections.of(truth["boxes"], truth["scores"], labels)


def detection_agreements(theirs, heads, network, pictures):
    """Return an `Agreement` for each picture of a batch.

    Args:
        theirs: torchvision's network.
        heads: as in `part_differences`, of the batch.
    """
    import torch

    with torch.no_grad():
        truths = theirs(for_torchvision(pictures))
    profile = profile_of(network)
    counts = [
        profile.anchors.num_anchors() * level.shape[-2] * level.shape[-1] for level in heads[0]
    ]
    found = []
    for index, mine in enumerate(detections_of(network, pictures)):
        expected = expected_detections(truths[index])
        edges = _edges(coco_rows(heads[1]["cls_logits"])[index], profile, counts)
        if len(expected) == profile.max_detections:
            edges.append(expected.scores.min())
        found.append(agreement(mine, expected, edges, profile.nms_threshold))
    return found
