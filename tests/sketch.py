"""A backbone of five strided convolutions, which the commands' tests train on in seconds.

TensorFlow traces and optimises graphs for longer than it runs them in a test, so what counts is
the number of layers: MobileNet has 83.
"""

import contextlib

import keras

from keras_retinanet.models.backbone_families import FAMILIES, TF, Family

NAME = "sketch"


def build(inputs, match):
    """Return the model and its taps at strides 8, 16 and 32."""
    taps, outputs = {}, inputs
    for stage, filters in enumerate((8, 8, 16, 16, 32), start=1):
        conv = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", use_bias=False, name=f"conv{stage}"
        )
        norm = keras.layers.BatchNormalization(name=f"conv{stage}_bn")
        outputs = keras.layers.ReLU(name=f"conv{stage}_relu")(norm(conv(outputs)))
        taps[f"C{stage}"] = outputs
    return keras.Model(inputs, outputs, name=NAME), taps


def no_weights(match):
    """Raise: nobody has trained it."""
    raise ValueError(f"{NAME} has no weights.")


@contextlib.contextmanager
def known():
    """Let commands take `NAME` as a backbone."""
    is_first = NAME not in FAMILIES
    FAMILIES[NAME] = Family(NAME, (NAME,), build, TF, no_weights)
    try:
        yield
    finally:
        if is_first:
            del FAMILIES[NAME]
