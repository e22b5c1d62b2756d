"""Checkpoints of a run, and going on from one to the bit.

An epoch's end has its checkpoint before anything is measured. Going on from it therefore begins
with the measuring; what failed there, or was killed, takes no training along.
"""

import time
from dataclasses import dataclass

import keras

from keras_retinanet.callbacks.bad_batches import BadBatches
from keras_retinanet.callbacks.snapshots import KeepBest, KeepLast
from keras_retinanet.models.checkpoint import (
    checkpoints,
    load_model_state,
    tidy,
    write_checkpoint,
)

# what each callback knows of the run so far
STATES = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    KeepLast: ("written",),
    KeepBest: ("best", "monitored"),
    BadBatches: ("in_a_row", "seen"),
}


class RunEnded(Exception):
    """Training ends here in good order; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where a run is.

    Attributes:
        epoch: epochs that are done.
        step: steps done of the next one.
        steps: of an epoch.
    """

    epoch: int
    step: int
    steps: int

    @property
    def done(self):
        """Steps of the run so far."""
        return self.epoch * self.steps + self.step


def states_of(callbacks):
    """Return what `callbacks` know of the run so far, as JSON values."""
    return [_state_of(callback) for callback in callbacks]


def _state_of(callback):
    """Return {name: value}, without what Keras sets only when training begins."""
    names = STATES.get(type(callback), ())
    return {name: _plain(getattr(callback, name)) for name in names if hasattr(callback, name)}


def _plain(value):
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (int, str)) else float(value)


def restore_states(callbacks, states):
    """Give `callbacks` what `states_of` returned of their like."""
    for callback, state in zip(callbacks, states, strict=True):
        for name, value in state.items():
            setattr(callback, name, value)


class Checkpoints(keras.callbacks.Callback):
    """Write a checkpoint at the start, within epochs when it is due, and at their ends.

    Put it first in the list.

    Args:
        network: that the training model trains.
        folder: of the checkpoints; made if missing.
        place: where the run begins.
        facts: JSON values to store.
        due: f(steps, seconds since the last checkpoint) -> whether to write one.
        ended: f() -> an exception that ends the training once a checkpoint is written, or None.
            Its attribute `at_once` is set to whether all steps that were made are kept.
        writes: whether this process, of several, writes.

    Attributes:
        others: the other callbacks of the run, whose state is kept.
        place: the place of the last checkpoint on disk; None before.
    """

    def __init__(self, network, folder, place, facts, due, ended, writes=True):
        super().__init__()
        self.network = network
        self.folder = folder
        self.facts = dict(facts)
        self.due = due
        self.ended = ended
        self.writes = writes
        self.others = []
        self.place = None
        self._begin = place
        self._epoch, self._step = place.epoch, place.step
        self._since = (place.done, time.monotonic())
        self._again = False

    def begin_again(self, place):
        """Begin at `place`, whose steps an epoch differ from those of before, in the next `fit`."""
        self._begin, self._again = place, True
        self._epoch, self._step = place.epoch, place.step
        self._since = (place.done, time.monotonic())

    def on_train_begin(self, logs=None):
        """Write the first checkpoint, so that a run may die at any moment."""
        if self.writes:
            self.folder.mkdir(exist_ok=True)
            tidy(self.folder, self._begin.done)
        if not self._again and checkpoints(self.folder):
            self.place = self._begin
        else:
            self._save(self._begin, None)
        self.ended.at_once = True

    def on_epoch_begin(self, epoch, logs=None):
        """Begin at the first step, in the first epoch where the run stood."""
        self._step = self._begin.step if epoch == self._begin.epoch else 0
        self._epoch = epoch
        self.ended.at_once = False

    def on_train_batch_end(self, batch, logs=None):
        """Write a checkpoint where one is due or training is to end."""
        self._step += 1
        steps = self._begin.steps
        if self._step >= steps:
            # `fit` counts steps from where it began, which may be inside the epoch
            self.model.stop_training = True
            return
        place = Place(self._epoch, self._step, steps)
        ended = self.ended()
        done, when = self._since
        if ended is not None or self.due(place.done - done, time.monotonic() - when):
            self._save(place, None)
        if ended is not None:
            raise ended

    def on_epoch_end(self, epoch, logs=None):
        """Write a checkpoint from which going on begins with the measuring of this epoch."""
        self.model.stop_training = False
        self._save(Place(epoch + 1, 0, self._begin.steps), _plain_logs(logs))
        self.ended.at_once = True
        if (ended := self.ended()) is not None:
            raise ended

    def _save(self, place, pending):
        _ = self.model  # JAX: bring the weights back from the epoch's state
        self._since = (place.done, time.monotonic())
        if not self.writes:
            return
        facts = self.facts | {
            "epoch": place.epoch,
            "step": place.step,
            "steps": place.steps,
            "pending": pending,
            "states": states_of(self.others),
        }
        write_checkpoint(self.folder, place.done, self.network, self.model, facts)
        self.place = place


def _plain_logs(logs):
    return {name: float(value) for name, value in (logs or {}).items()}


class Resumed(keras.callbacks.Callback):
    """Put the other callbacks and the metrics where they were. Put it last in the list.

    Args:
        path: of the checkpoint.
        facts: that it stores.
        others: as of `Checkpoints`.
    """

    def __init__(self, path, facts, others):
        super().__init__()
        self.path = path
        self.facts = facts
        self.others = others
        self._inside = facts["step"] > 0

    def on_train_begin(self, logs=None):
        """Restore what the others knew; measure the epoch that had just ended."""
        restore_states(self.others, self.facts["states"])
        logs, epoch = self.facts["pending"], self.facts["epoch"] - 1
        if logs is None:
            return
        for callback in self.others:
            callback.on_epoch_begin(epoch)
        for callback in self.others:
            callback.on_epoch_end(epoch, logs)
        if self.model.stop_training:  # which `fit` would not look at before another step
            raise RunEnded(f"nothing more to gain after epoch {epoch + 1}")

    def on_epoch_begin(self, epoch, logs=None):
        """Restore the means over the part of the epoch that is done."""
        if self._inside:
            load_model_state(self.path, self.model)
            restore_states(self.others, self.facts["states"])
            self._inside = False


class Continued(keras.callbacks.Callback):
    """Give the other callbacks back what they know, which another `fit` makes them forget.

    Put it last in the list.

    Args:
        others: the other callbacks of the run, as the `fit` before left them.
    """

    def __init__(self, others):
        super().__init__()
        self.others = others
        self._states = states_of(others)

    def on_train_begin(self, logs=None):
        """Restore what the others knew."""
        restore_states(self.others, self._states)
