"""The losses on held out pictures, after each epoch."""

import keras

from keras_retinanet.preprocessing.batch_parts import own_part
from keras_retinanet.preprocessing.loader import Loader


class ValidationLoss(keras.callbacks.Callback):
    """Put `val_loss` and the other metrics of the training model into the logs.

    A callback instead of `fit`'s own validation, so that a checkpoint is written before it and
    the averaged weights are in place.

    Args:
        generator: `Generator` of the pictures to measure on.
        feed: f(Loader) -> what `evaluate` takes.
    """

    def __init__(self, generator, feed):
        super().__init__()
        self.generator = generator
        self.feed = feed

    def on_epoch_end(self, epoch, logs=None):
        """Measure."""
        with Loader(self.generator, workers=1, queue_size=2, part=own_part()) as loader:
            found = self.model.evaluate(
                self.feed(loader), steps=len(self.generator), return_dict=True, verbose=0
            )
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in found.items()})
