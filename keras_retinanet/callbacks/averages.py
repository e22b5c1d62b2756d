"""The averaged weights in place of the trained ones, while they are measured and kept."""

import keras

from keras_retinanet.models.optimizer import swap_averages


class AveragesIn(keras.callbacks.Callback):
    """Put the averages in place at the end of an epoch; before what measures and keeps them."""

    def on_epoch_end(self, epoch, logs=None):
        """Exchange weights and averages."""
        swap_averages(self.model.optimizer)


class AveragesOut(AveragesIn):
    """Put the trained weights back; after what measures and keeps the averages."""
