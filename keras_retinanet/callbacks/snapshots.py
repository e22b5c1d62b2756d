"""Keeping the last and the best snapshot of a run, and what is needed to go on from the last."""

import math
from pathlib import Path

import keras

from keras_retinanet.models.optimizer import write_state
from keras_retinanet.models.snapshot import save_snapshot, trained_profile, written_aside

LAST, BEST = "last.keras", "best.keras"


def state_path(snapshot):
    """Return where the optimizer's state of the snapshot `snapshot` lies: beside it."""
    return Path(snapshot).with_suffix(".optimizer.npz")


class KeepLast(keras.callbacks.Callback):
    """Write last.keras and the optimizer's state after each epoch.

    Put it before whatever measures, which may fail and must not take the epoch along.

    Args:
        network: what to save; shares its weights with the model that trains.
        folder: of the run; exists.
        extra: JSON values to store in the snapshot.

    Attributes:
        written: the last epoch, counted from 1, whose snapshot is on disk; 0 before.
    """

    def __init__(self, network, folder, extra=None):
        super().__init__()
        self.network = network
        self.path = Path(folder) / LAST
        self.extra = dict(extra or {})
        self.written = 0

    def on_epoch_end(self, epoch, logs=None):
        """Save; a full disk leaves the previous pair, never a snapshot with another's state."""
        _ = self.model.trainable_variables  # JAX: bring the weights back from the epoch's state
        optimizer = self.model.optimizer
        iterations = int(keras.ops.convert_to_numpy(optimizer.iterations))
        extra = self.extra | _facts(epoch, logs) | {"iterations": iterations}
        with written_aside(state_path(self.path)) as state:
            write_state(optimizer, state)
            save_snapshot(self.network, self.path, trained_profile(self.network), extra)
        self.written = epoch + 1


class KeepBest(keras.callbacks.Callback):
    """Write best.keras whenever the monitored value rises.

    Args:
        network, folder, extra: as of `KeepLast`.
        monitor: a key of the logs that is better the larger it is; where the logs lack it,
            the loss is taken, better the smaller. nan is worse than any number.

    Attributes:
        best: (value, epoch) of best.keras, None before.
        monitored: the key whose value that is; the value is negated for the loss.
    """

    def __init__(self, network, folder, monitor="mAP", extra=None):
        super().__init__()
        self.network = network
        self.path = Path(folder) / BEST
        self.extra = dict(extra or {})
        self.monitor = monitor
        self.monitored = monitor
        self.best = None

    def on_epoch_end(self, epoch, logs=None):
        """Save where the epoch is the best so far."""
        logs = logs or {}
        self.monitored = self.monitor if self.monitor in logs else "loss"
        value = logs.get(self.monitor, -logs.get("loss", math.inf))
        value = -math.inf if math.isnan(value) else float(value)
        if self.best is None or value > self.best[0]:
            _ = self.model.trainable_variables  # as in KeepLast
            self.best = (value, epoch + 1)
            extra = self.extra | _facts(epoch, logs)
            save_snapshot(self.network, self.path, trained_profile(self.network), extra)


def _facts(epoch, logs):
    return {"epoch": epoch + 1, "logs": {key: float(value) for key, value in (logs or {}).items()}}
