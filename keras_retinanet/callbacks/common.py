"""What the callbacks share: another model for a callback, and scalars for TensorBoard."""

from importlib.util import find_spec

import keras

_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)


class RedirectModel(keras.callbacks.Callback):
    """Call a callback with another model than the one that is trained.

    The two share their weights: a snapshot of the bare network, an evaluation of the detector.

    Args:
        callback: the callback to wrap.
        model: the model that it gets.
    """

    def __init__(self, callback, model):
        super().__init__()
        self.callback = callback
        self.redirect_model = model
        # Else every batch would make JAX write its weights back for nothing.
        self._wants_batches = any(
            getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
            for hook in _BATCH_HOOKS
        )

    def set_params(self, params):
        """Hand on what `fit` was called with."""
        super().set_params(params)
        self.callback.set_params(params)

    def on_train_begin(self, logs=None):
        """Give the callback its model, and begin."""
        self.callback.set_model(self.redirect_model)
        self._call("on_train_begin", logs)

    def on_train_end(self, logs=None):
        """Hand on the end of training."""
        self._call("on_train_end", logs)

    def on_epoch_begin(self, epoch, logs=None):
        """Hand on the beginning of an epoch."""
        self._call("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        """Hand on the end of an epoch; what the callback adds to `logs` stays there."""
        self._call("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        """Hand on the beginning of a batch."""
        if self._wants_batches:
            self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Hand on the end of a batch."""
        if self._wants_batches:
            self._call("on_train_batch_end", batch, logs)

    def _call(self, hook, *args):
        # On JAX the trained weights live outside the model during an epoch. Reading `self.model`
        # writes them back into the variables, which both models share.
        _ = self.model
        getattr(self.callback, hook)(*args)


class ScalarWriter:
    """Write numbers and pictures for TensorBoard beside those of a Keras TensorBoard callback.

    Args:
        tensorboard: a `keras.callbacks.TensorBoard`. Anything else is ignored, and so is one that
            cannot write, because the tensorflow or the tensorboard package is missing.
    """

    def __init__(self, tensorboard):
        known = isinstance(tensorboard, keras.callbacks.TensorBoard)
        usable = known and all(find_spec(name) for name in ("tensorflow", "tensorboard"))
        self._tensorboard = tensorboard if usable else None
        self._writer = None

    def write(self, scalars, step):
        """Write {name: number} for epoch `step`."""
        self._write("scalar", scalars, step)

    def write_pictures(self, pictures, step):
        """Write {name: uint8 [1, H, W, 3], red first} for epoch `step`."""
        self._write("image", pictures, step)

    def _write(self, kind, items, step):
        if self._tensorboard is None:
            return
        summary = self._tensorboard.summary  # the tensorflow.summary module
        if self._writer is None:
            self._writer = summary.create_file_writer(str(self._tensorboard.log_dir))
        with self._writer.as_default():
            for name, value in items.items():
                getattr(summary, kind)(name, value, step=step)
        self._writer.flush()
