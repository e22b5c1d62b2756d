"""Fast repeated inference with a detector, image sizes changing from call to call.

On TensorFlow one graph with open sizes serves all pictures, where `predict_on_batch` would trace
again for the first few sizes (5 s each for ResNet50 on two cores). Its variables can be frozen
into constants, which lets TensorFlow fold the batch norms: ResNet50 takes 5 to 30 % less CPU time
so (benchmarks/RESULTS.md), for some seconds once.
"""

import keras
import numpy as np


class Runner:
    """A detector as `predict_on_batch(images) -> [boxes, scores, labels, …]`.

    Args:
        detector: what `models.convert_model` gives.
        freeze: take a copy of the weights as they are now; later changes do not count.
    """

    def __init__(self, detector, freeze=False):
        self.output_names = [f"detection_{index}" for index in range(len(detector.outputs))]
        self._predict = detector.predict_on_batch
        if keras.backend.backend() == "tensorflow":
            self._predict = _tensorflow_function(detector, freeze)

    def predict_on_batch(self, images):
        """Return NumPy arrays boxes [B, D, 4], scores [B, D], labels [B, D], padded with -1.

        Args:
            images: preprocessed float [B, H, W, 3].
        """
        return [np.asarray(output) for output in self._predict(images)]


def _tensorflow_function(detector, freeze):
    """Return f(images) -> tensors, one TensorFlow graph for all sizes."""
    import tensorflow as tf

    channels = detector.inputs[0].shape[-1]
    signature = tf.TensorSpec((None, None, None, channels), tf.float32)
    detect = _with_frozen_network(detector, signature) if freeze else detector

    @tf.function(input_signature=[signature], autograph=False)
    def predict(images):
        return list(detect(images, training=False))

    return lambda images: predict(tf.convert_to_tensor(images, tf.float32))


def _with_frozen_network(detector, signature):
    """Return f(images, training) that is `detector`, all below its last layer frozen.

    The last layer stays outside, because freezing gives loops, such as those of NMS, the same
    names in every graph, and TensorFlow takes a name only once: a second frozen detector in the
    process would fail and break the first.
    """
    import tensorflow as tf

    last = detector.get_layer("filtered_detections")
    below = keras.Model(detector.inputs, last.input)

    @tf.function(input_signature=[signature], autograph=False)
    def network(images):
        return below(images, training=False)

    frozen = freeze_function(network.get_concrete_function())
    return lambda images, training: last(frozen(images))


def freeze_function(concrete):
    """Return the TensorFlow function `concrete` with its variables made constants."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    # lower_control_flow=False: a lowered condition would no longer convert or nest
    return convert_variables_to_constants_v2(concrete, lower_control_flow=False)
