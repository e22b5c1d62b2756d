"""The bias that lets training start from a rare foreground."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_retinanet")
class PriorProbability(keras.initializers.Initializer):
    """Constant -log((1 - p) / p), so that a sigmoid starts at p.

    Lin et al. 2017 (arXiv:1708.02002, section 4.1), with p = 0.01: without it, the loss of
    some 100,000 background anchors swamps the first steps.
    """

    def __init__(self, probability=0.01):
        if not 0.0 < probability < 1.0:
            raise ValueError(f"probability must lie between 0 and 1. Received: {probability}")
        self.probability = probability

    def get_config(self):
        """Return {"probability": p}."""
        return {"probability": self.probability}

    def __call__(self, shape, dtype=None):
        """Return the filled tensor."""
        bias = -math.log((1 - self.probability) / self.probability)
        return ops.full(shape, bias, dtype=dtype or "float32")
