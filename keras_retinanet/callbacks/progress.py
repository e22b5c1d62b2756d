"""One line an epoch, and on a terminal one that moves."""

import sys
import time

import keras

REFRESH = 0.5  # seconds between changes of the moving line


class Progress(keras.callbacks.Callback):
    """Report losses, images a second and mAP.

    Put it last in the list, so that it sees what other callbacks add to the logs.

    Args:
        batch_size: images a step.
        report: gets each finished line of text.
        moving: gets the text of the moving line; None where there is no terminal.
    """

    def __init__(self, batch_size, report=print, moving=None):
        super().__init__()
        self.batch_size = batch_size
        self.report = report
        self.moving = moving

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._epoch, self._start, self._steps, self._shown = epoch, time.time(), 0, 0.0
        self._trained = None

    def on_train_batch_end(self, batch, logs=None):
        """Count the step; refresh the moving line now and then."""
        self._steps += 1
        self._trained = time.time()
        if self.moving and self._trained - self._shown > REFRESH:
            self._shown = self._trained
            self.moving(f"{self._head()} step {self._steps}/{self.params['steps']} {_losses(logs)}")

    def on_epoch_end(self, epoch, logs=None):
        """Report the epoch."""
        seconds = max((self._trained or time.time()) - self._start, 1e-9)
        rate = self._steps * self.batch_size / seconds
        rest = [f"{key} {logs[key]:.4f}" for key in ("val_loss", "mAP", "AP") if key in logs]
        took = f"{rate:.1f} images/s, {time.time() - self._start:.0f} s"
        self.report("  ".join([self._head(), _losses(logs), took, *rest]))

    def _head(self):
        return f"epoch {self._epoch + 1}/{self.params['epochs']}"


def _losses(logs):
    logs = logs or {}
    names = {"loss": "loss", "classification_loss": "class", "regression_loss": "box"}
    return " ".join(f"{text} {logs[key]:.4f}" for key, text in names.items() if key in logs)


def moving_line(stream=None):
    """Return f(text) that overwrites one line of a terminal, None where `stream` is none.

    Without a stream it is stderr as it is now; a default would be what it was at the import.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        return None

    def show(text):
        stream.write(f"\r{text}\x1b[K")
        stream.flush()

    return show
