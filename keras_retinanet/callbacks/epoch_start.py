"""The state of a training at the start of each epoch, in memory."""

import keras

from keras_retinanet.models.batch_memory import State


class EpochStart(keras.callbacks.Callback):
    """Keep the weights and the optimizer's state of the start of the epoch that runs.

    Attributes:
        state: `State`, None before the first epoch.
    """

    def __init__(self):
        super().__init__()
        self.state = None

    def on_epoch_begin(self, epoch, logs=None):
        """Copy them to the host."""
        self.state = State.of(self.model, epoch)
