"""Keeping the last and the best snapshot of a run, and what is needed to go on from the last."""

import math
from pathlib import Path

import keras

from keras_retinanet.models.optimizer import save_state
from keras_retinanet.models.snapshot import save_snapshot

LAST, BEST = "last.keras", "best.keras"


def state_path(snapshot):
    """Return where the optimizer's state of the snapshot `snapshot` lies: beside it."""
    return Path(snapshot).with_suffix(".optimizer.npz")


class Snapshots(keras.callbacks.Callback):
    """Write last.keras after each epoch, and best.keras whenever the monitored value rises.

    Args:
        network: what to save; shares its weights with the model that trains.
        folder: of the run; exists.
        monitor: a key of the logs that is better the larger it is; where the logs lack it,
            the loss is taken, better the smaller.
        extra: JSON values to store in every snapshot.

    Attributes:
        written: the last epoch, counted from 1, whose snapshot is on disk; 0 before.
        best: (value, epoch) of best.keras, None before.
    """

    def __init__(self, network, folder, monitor="mAP", extra=None):
        super().__init__()
        self.extra = dict(extra or {})
        self.network = network
        self.folder = Path(folder)
        self.monitor = monitor
        self.written = 0
        self.best = None
        self.monitored = monitor

    def on_epoch_end(self, epoch, logs=None):
        """Save."""
        _ = self.model.trainable_variables  # JAX: bring the weights back from the epoch's state
        logs = logs or {}
        self.monitored = self.monitor if self.monitor in logs else "loss"
        numbers = {key: float(value) for key, value in logs.items()}
        extra = self.extra | {"epoch": epoch + 1, "logs": numbers}
        save_snapshot(self.network, self.folder / LAST, extra=extra)
        save_state(self.model.optimizer, state_path(self.folder / LAST))
        self.written = epoch + 1
        value = logs[self.monitor] if self.monitor in logs else -logs.get("loss", math.inf)
        if self.best is None or not value <= self.best[0]:
            self.best = (value, epoch + 1)
            save_snapshot(self.network, self.folder / BEST, extra=extra)
