"""A network small enough to train in seconds on any backend."""

import zlib

import keras
import numpy as np

from keras_retinanet.models.retinanet import (
    create_pyramid_features,
    default_submodels,
    retinanet,
)
from keras_retinanet.models.snapshot import attach_profile
from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.profile import Profile

WIDTH = 16
PROFILE = Profile(
    backbone="tiny",
    classes=("square", "disc"),
    preprocessing="tf",
    anchors=AnchorParameters((16, 32, 64), (8, 16, 32), (0.5, 1, 2), (1, 1.4)),
    levels=(3, 4, 5),
    pyramid_features=WIDTH,
    head_features=WIDTH,
    head_layers=1,
)


def unchanged(pictures):
    """Return the pictures."""
    return pictures


def tiny_network(width=WIDTH, seed=0, profile=PROFILE, first=unchanged):
    """Return a network of five convolutions of stride 2, with its profile; equal for a seed.

    `first` is the layer before them.
    """
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, None, 3))
    x = first(inputs)
    taps = []
    for index in range(5):
        x = keras.layers.Conv2D(
            width, 3, strides=2, padding="same", activation="relu", name=f"c{index + 1}"
        )(x)
        taps.append(x)
    network = retinanet(
        inputs,
        taps[2:],
        profile.num_classes,
        create_pyramid_features=lambda backbone_layers, levels: create_pyramid_features(
            backbone_layers, levels, width
        ),
        pyramid_levels=profile.levels,
        submodels=default_submodels(
            profile.num_classes, profile.anchors.num_anchors(), width, width, profile.head_layers
        ),
    )
    return attach_profile(network, profile)


def drawn_batch(size=64):
    """Return inputs and targets of three pictures: one object, two objects, none."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 110, (3, size, size, 3)).astype(np.uint8)
    boxes = np.zeros((3, 2, 4), np.float32)
    labels = np.full((3, 2), -1, np.int32)
    for image, slot, label, (x1, y1, x2, y2), colour in (
        (0, 0, 0, (8, 10, 28, 30), (250, 30, 30)),
        (1, 0, 1, (30, 6, 58, 30), (30, 250, 30)),
        (1, 1, 0, (6, 36, 24, 56), (250, 30, 30)),
    ):
        images[image, y1:y2, x1:x2] = colour
        boxes[image, slot], labels[image, slot] = (x1, y1, x2, y2), label
    sizes = np.full((3, 2), size, np.float32)
    return {"images": images, "sizes": sizes}, {"boxes": boxes, "labels": labels}


def draw_weights(model, deviation, mean=0.0):
    """Give each weight values that follow from its path alone; gains stay about 1."""
    for weight in model.weights:
        rng = np.random.default_rng(zlib.crc32(weight.path.encode()))
        about = 1.0 if weight.path.endswith("gamma") else mean
        weight.assign(rng.normal(about, deviation, weight.shape))
