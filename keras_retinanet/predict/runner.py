"""Fast repeated inference with a detector, image sizes changing from call to call.

On TensorFlow one graph with open sizes serves all pictures, where `predict_on_batch` would trace
again for the first few sizes (5 s each for ResNet50 on two cores). Its variables can be frozen
into constants, which lets TensorFlow fold the batch norms: ResNet50 takes 5 to 30 % less CPU time
so (benchmarks/RESULTS.md), for some seconds once. Those are spent in a thread beside the answers
of the unfrozen graph, so that none waits for them.
"""

import threading

import keras
import numpy as np

from keras_retinanet.predict.on_device import LevelsDetector, jax_function
from keras_retinanet.utils.image import preprocess_image

# Answers before freezing begins: it competes for processors, and a command that is given a few
# pictures would only end later for it. Who has asked eight times will ask again.
FREEZE_AFTER = 8


class Runner:
    """A detector as `predict_on_batch(images) -> [boxes, scores, labels, …]`.

    Args:
        detector: what `models.convert_model` gives, or a model of [images, sizes] that
            `retinanet_bbox(sizes=…)` gives.
        freeze: the weights change no more, so that they may be made constants: on TensorFlow,
            after `FREEZE_AFTER` answers, in a thread.
        profile: of a detector that is to be given levels, not preprocessed images; on TensorFlow
            they are preprocessed on the host, which is no slower on a CPU.
        keep: f(frozen function) once there is one, which is then made from the first answer on.
    """

    def __init__(self, detector, freeze=False, profile=None, keep=None):
        self.output_names = [f"detection_{index}" for index in range(len(detector.outputs))]
        self._count = len(detector.inputs)
        self._answers, self._thread, self._error = 0, None, None
        self._keep, self._freeze_after = keep, FREEZE_AFTER if keep is None else 1
        self._make_frozen = None
        self._predict = lambda *inputs: detector.predict_on_batch(
            inputs[0] if len(inputs) == 1 else list(inputs)
        )
        if keras.backend.backend() == "tensorflow":
            self._predict = _tensorflow_function(detector)
            if freeze:
                self._make_frozen = lambda: _frozen_function(detector)
        elif profile is not None:
            self._predict = _levels_function(detector, profile, freeze)
        elif keras.backend.backend() == "jax":  # on one device, however many train
            self._predict = jax_function(detector, constant=False)
        self._profile = profile

    @property
    def is_frozen(self):
        """Return whether answers come from the frozen graph."""
        return self._thread is not None and self._make_frozen is None

    def predict_on_batch(self, images, sizes=None):
        """Return NumPy arrays boxes [B, D, 4], scores [B, D], labels [B, D], padded with -1.

        Args:
            images: preprocessed float [B, H, W, C], or levels for a runner with a profile.
            sizes: (height, width) of each picture on its canvas, [B, 2], for a model of both and
                for levels.
        """
        sizes = None if sizes is None else np.asarray(sizes, np.float32)
        inputs = (images,) if sizes is None else (images, sizes)
        if self._profile is not None and keras.backend.backend() == "tensorflow":
            inputs = preprocessed(images, sizes, self._profile)[: self._count]
        outputs = [np.asarray(output) for output in self._predict(*inputs)]
        self._answers += 1
        if self._answers == self._freeze_after and self._make_frozen is not None:
            self._start_freezing()
        return outputs

    def settle(self):
        """Wait until the detector is frozen, if it is to be; what goes wrong is raised here."""
        if self._thread is None and self._make_frozen is not None:
            self._start_freezing()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _start_freezing(self):
        # no daemon: TensorFlow aborts the process where Python ends while it traces
        self._thread = self._thread or threading.Thread(target=self._freeze)
        self._thread.start()

    def _freeze(self):
        try:
            self._predict, frozen = self._make_frozen()
            if self._keep is not None:
                self._keep(frozen)
        except Exception as error:  # answers go on unfrozen; `settle` says why
            self._error = error
        else:
            self._make_frozen = None


class KeptRunner:
    """A detector whose frozen graph was kept, as a `Runner` with a profile.

    Args:
        frozen: f(images, [sizes]) -> arrays that `last` takes.
        last: the detector's last layer.
        inputs: how many there are.
        profile: of the detector.
    """

    def __init__(self, frozen, last, inputs, profile):
        self._frozen, self._count, self._profile = frozen, inputs, profile
        self._last, self._detect = last, None

    def predict_on_batch(self, levels, sizes):
        """Return NumPy arrays as a `Runner` does."""
        sizes = np.asarray(sizes, np.float32)
        inputs = preprocessed(levels, sizes, self._profile)[: self._count]
        found = self._frozen(*inputs)
        if self._detect is None:
            self._detect = self._traced(found)
        return [np.asarray(output) for output in self._detect(*found)]

    def _traced(self, found):
        """Return the last layer as one graph for all sizes of what it takes."""
        import tensorflow as tf

        open_shapes = ([None] * (value.ndim - 1) + [value.shape[-1]] for value in found)
        signature = [
            tf.TensorSpec(shape, value.dtype)
            for shape, value in zip(open_shapes, found, strict=True)
        ]
        last = self._last
        return tf.function(
            lambda *values: list(last(list(values))), input_signature=signature, autograph=False
        )

    def settle(self):
        """It is frozen from the start."""


def preprocessed(levels, sizes, profile):
    """Return images and sizes as a detector takes them, of levels [B, H, W, C]."""
    images = preprocess_image(levels, mode=profile.preprocessing)
    if profile.pad_multiple > 1:  # such networks saw zeros beyond their pictures
        for image, (height, width) in zip(images, sizes.astype(int), strict=True):
            image[height:], image[:, width:] = 0, 0
    return images, sizes


def _levels_function(detector, profile, constant):
    """Return f(levels, sizes) -> arrays of a detector on JAX or torch."""
    model = LevelsDetector(detector, profile)
    if keras.backend.backend() == "jax":
        return jax_function(model, constant)
    return lambda levels, sizes: model.predict_on_batch([levels, sizes])


def _signature(inputs, channels):
    """Return the specs of a detector's inputs, sizes left open."""
    import tensorflow as tf

    open_shapes = ((None, None, None, channels), (None, 2))
    return [tf.TensorSpec(shape, tf.float32) for shape in open_shapes[:inputs]]


def _signature_of(detector):
    return _signature(len(detector.inputs), detector.inputs[0].shape[-1])


def _on_arrays(signature, detect):
    """Return f(*arrays) -> tensors by `detect`, one TensorFlow graph for all sizes."""
    import tensorflow as tf

    @tf.function(input_signature=signature, autograph=False)
    def predict(*inputs):
        return list(detect(*inputs))

    return lambda *inputs: predict(*(tf.convert_to_tensor(value, tf.float32) for value in inputs))


def _tensorflow_function(detector):
    """Return f(images, [sizes]) -> tensors of a detector."""

    def detect(*inputs):
        return detector(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    return _on_arrays(_signature_of(detector), detect)


def _frozen_function(detector):
    """Return (f(images, [sizes]) -> tensors, run once so that no answer waits; its frozen part)."""
    last, frozen = detector.get_layer("filtered_detections"), _frozen_network(detector)
    function = _on_arrays(_signature_of(detector), lambda *inputs: last(frozen(*inputs)))
    specs = _signature_of(detector)
    side = 64  # pixels; two cells of the usual coarsest stride
    shapes = [[1 if d is None else d for d in spec.shape] for spec in specs]
    shapes[0][1:3] = side, side
    function(*(np.full(shape, side, np.float32) for shape in shapes))
    return function, frozen


def _frozen_network(detector):
    """Return f(images, [sizes]) -> what the last layer of `detector` takes, frozen.

    The last layer stays outside, because freezing gives loops, such as those of NMS, the same
    names in every graph, and TensorFlow takes a name only once: a second frozen detector in the
    process would fail and break the first.
    """
    import tensorflow as tf

    last = detector.get_layer("filtered_detections")
    below = keras.Model(detector.inputs, last.input)

    @tf.function(input_signature=_signature_of(detector), autograph=False)
    def network(*inputs):
        return below(list(inputs), training=False)

    return freeze_function(network.get_concrete_function())


def freeze_function(concrete):
    """Return the TensorFlow function `concrete` with its variables made constants."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    # lower_control_flow=False: a lowered condition would no longer convert or nest
    return convert_variables_to_constants_v2(concrete, lower_control_flow=False)
