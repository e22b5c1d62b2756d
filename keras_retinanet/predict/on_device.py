"""A detector of levels on JAX and torch: pictures cross to the device as they are, whole numbers.

A quarter of the bytes of a preprocessed float picture cross, and the device normalises and, where
the network wants it, clears what lies beyond each picture on its canvas. Batch norm is folded
into the convolutions, which neither compiler does by itself.
"""

import keras
from keras import ops

from keras_retinanet.models.folding import with_folded_batch_norm
from keras_retinanet.utils.normalisation import normalised


def beyond_cleared(images, sizes):
    """Return images [B, H, W, C], zero where row or column lies beyond `sizes` [B, 2]."""
    height, width = ops.shape(images)[1:3]
    rows = ops.arange(height)[None, :, None, None]
    columns = ops.arange(width)[None, None, :, None]
    sizes = ops.cast(sizes, rows.dtype)
    limits = sizes[:, :, None, None, None]  # [B, 2, 1, 1, 1]
    inside = ops.logical_and(rows < limits[:, 0], columns < limits[:, 1])
    return ops.where(inside, images, 0.0)


class LevelsDetector(keras.Model):
    """A detector as a model of [levels, sizes].

    Args:
        detector: model of preprocessed images, or of [images, sizes].
        profile: its `Profile`.
    """

    def __init__(self, detector, profile):
        super().__init__(dtype="float32")
        self.detector = with_folded_batch_norm(detector, trains=False)
        self.profile = profile
        self.built = True

    def call(self, inputs, training=False):
        """Return what the detector returns for levels [B, H, W, C] and sizes [B, 2]."""
        levels, sizes = inputs
        images = normalised(levels, self.profile.preprocessing)
        if self.profile.pad_multiple > 1:  # such networks saw zeros beyond their pictures
            images = beyond_cleared(images, sizes)
        takes_sizes = len(self.detector.inputs) > 1
        return self.detector([images, sizes] if takes_sizes else images, training=False)


def _on_one_device(value):
    """Return a JAX array that each device has a copy of as the first copy in this process."""
    return value.addressable_data(0) if len(value.sharding.device_set) > 1 else value


def jax_function(model, constant):
    """Return f(*arrays) -> arrays on the host, compiled once for each shape.

    Args:
        model: a Keras model of the array, or of a list of several.
        constant: whether the weights change no more, so that they need not be read anew.
    """
    import jax

    def weights():
        groups = model.trainable_variables, model.non_trainable_variables
        return tuple([_on_one_device(variable.value) for variable in group] for group in groups)

    def call(values, *arrays):
        inputs = arrays[0] if len(arrays) == 1 else list(arrays)
        return model.stateless_call(*values, inputs, training=False)[0]

    compiled, kept = jax.jit(call), weights() if constant else None
    return lambda *arrays: jax.device_get(compiled(kept or weights(), *arrays))
