"""The feature pyramid (Lin et al. 2017, arXiv:1612.03144), with P6 and P7 of arXiv:1708.02002.

Layer names are keras-retinanet 1.0's.
"""

import keras

from keras_retinanet import layers
from keras_retinanet.models.heads import FEATURES

INNER_LEVELS = (3, 4, 5)  # compulsory: they come from the backbone


def check_levels(levels, has_c2):
    """Raise ValueError unless a pyramid of `levels` can be built."""
    levels = list(levels)
    if missing := [level for level in INNER_LEVELS if level not in levels]:
        raise ValueError(f"pyramid levels 3, 4 and 5 are required; {levels} lacks {missing}")
    if levels != sorted(set(levels)) or levels[0] < 2 or levels[-1] > 7:
        raise ValueError(f"pyramid levels must rise, each once, within 2 to 7. Received: {levels}")
    if 7 in levels and 6 not in levels:
        raise ValueError(f"P6 is required to use P7. Received: levels {levels}")
    if 2 in levels and not has_c2:
        raise ValueError("this backbone gives no C2, so level 2 cannot be built; leave level 2 out")


def _halved(x, features, name, padding):
    """Return a 3x3 convolution of stride 2; `padding` "same", or pixels on every side."""
    if padding != "same":
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}_padding")(x)
    padding = "same" if padding == "same" else "valid"
    return keras.layers.Conv2D(features, 3, strides=2, padding=padding, name=name)(x)


def create_pyramid_features(
    backbone_layers,
    pyramid_levels,
    feature_size=FEATURES,
    p6_from="C5",
    p6_padding="same",
    p7_relu=True,
):
    """Return {"P3": tensor, …} for `pyramid_levels`.

    P6 comes from C5 by a 3x3 of stride 2, P7 from relu(P6) likewise.

    Args:
        backbone_layers: {"C3": tensor, "C4": tensor, "C5": tensor}, with "C2" for level 2.
        pyramid_levels: 3 to 7.
        feature_size: width.
        p6_from, p6_padding, p7_relu: as in `utils.profile.Profile`.
    """
    check_levels(pyramid_levels, has_c2="C2" in backbone_layers)
    top_down = sorted((level for level in pyramid_levels if level <= 5), reverse=True)
    pyramid, above = {}, None
    for level in top_down:
        x = keras.layers.Conv2D(feature_size, 1, name=f"C{level}_reduced")(
            backbone_layers[f"C{level}"]
        )
        if above is not None:
            x = keras.layers.Add(name=f"P{level}_merged")([above, x])
        if level > top_down[-1]:
            finer = backbone_layers[f"C{level - 1}"]
            above = layers.UpsampleLike(name=f"P{level}_upsampled")([x, finer])
        pyramid[f"P{level}"] = keras.layers.Conv2D(
            feature_size, 3, padding="same", name=f"P{level}"
        )(x)
    if 6 in pyramid_levels:
        source = backbone_layers["C5"] if p6_from == "C5" else pyramid["P5"]
        pyramid["P6"] = _halved(source, feature_size, "P6", p6_padding)
    if 7 in pyramid_levels:
        x = pyramid["P6"]
        x = keras.layers.Activation("relu", name="C6_relu")(x) if p7_relu else x
        pyramid["P7"] = _halved(x, feature_size, "P7", p6_padding)
    return pyramid
