"""Pictures with true and found boxes for TensorBoard."""

import keras
import numpy as np

from keras_retinanet.callbacks.common import ScalarWriter
from keras_retinanet.evaluation.detect import with_boxes
from keras_retinanet.utils.image import ImageError

COUNT = 4  # pictures an epoch


class Pictures(keras.callbacks.Callback):
    """Write the first few held out pictures, true boxes and what an `Evaluate` found.

    Args:
        evaluate: `Evaluate`, which stands before this callback in the list.
        tensorboard: a `keras.callbacks.TensorBoard` in whose folder to write.
        count: pictures an epoch.
    """

    def __init__(self, evaluate, tensorboard, count=COUNT):
        super().__init__()
        self.evaluate = evaluate
        self.count = count
        self._writer = ScalarWriter(tensorboard)

    def on_epoch_end(self, epoch, logs=None):
        """Draw and write."""
        generator, pictures = self.evaluate.generator, {}
        for index, found in enumerate(self.evaluate.detections[: self.count]):
            try:
                image = with_boxes(generator.load_image(index), generator, index, found)
            except ImageError:
                continue  # one that --skip-broken left out
            pictures[f"held out {index}"] = np.ascontiguousarray(image[None, ..., ::-1])
        self._writer.write_pictures(pictures, epoch)
