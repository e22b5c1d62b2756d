"""What ends a training early in good order: SIGTERM, and a time budget.

SIGTERM lets the step end, writes a checkpoint and exits with 143. While the run is measured, which
may take minutes, it exits at once: the checkpoint is there already. Where a step takes longer than
schedulers wait before they kill, the process ends without it, and the last checkpoint counts.
"""

import os
import signal
import threading
import time
from contextlib import contextmanager

from keras_retinanet.bin.durations import seconds_of
from keras_retinanet.utils import processes

TERMINATED = 143
ASK_EVERY = 2.0  # seconds between the steps after which several processes may end
PATIENCE = 25.0  # seconds; 30 is what Kubernetes and SLURM wait by default


class Terminated(SystemExit):
    """The process was asked to end, and has written a checkpoint."""

    def __init__(self):
        super().__init__(TERMINATED)


class Stop:
    """Whether training is to end.

    Args:
        budget: time such as 2h from now on, None for any.
    """

    def __init__(self, budget=None):
        self.budget = budget
        self._end = None if budget is None else time.monotonic() + seconds_of(budget)
        self.terminated = False
        self.at_once = False  # whether no step is under way, and all steps are kept

    def __call__(self):
        """Return the exception that ends the training, None where it goes on."""
        from keras_retinanet.callbacks.checkpoints import RunEnded

        if self.terminated:
            return Terminated()
        if self._end is not None and time.monotonic() >= self._end:
            return RunEnded(f"the time budget of {self.budget} is used up")
        return None

    def handle(self, number, frame):
        """Take a SIGTERM."""
        self.terminated = True
        if self.at_once:
            raise Terminated


class SharedStop:
    """A `Stop` for all processes: the first one decides, and all end after the same step.

    Asking takes a message, so the first one says, too, after how many steps to ask again.

    Args:
        stop: of this process.
    """

    def __init__(self, stop):
        self.stop = stop
        self._left, self._steps = 1, 1
        self._asked = time.monotonic()

    @property
    def at_once(self):
        """As of `Stop`."""
        return self.stop.at_once

    @at_once.setter
    def at_once(self, value):
        self.stop.at_once = value

    def __call__(self):
        """Return the exception that ends the training, None where it goes on."""
        if processes.number() == 1:
            return self.stop()
        self._left -= 1
        if self._left:
            return None
        ended = self.stop()
        terminated, message, self._steps = processes.told(
            [isinstance(ended, Terminated), ended and str(ended), self._next()]
        )
        self._left, self._asked = self._steps, time.monotonic()
        if message is None:
            return None
        from keras_retinanet.callbacks.checkpoints import RunEnded

        return Terminated() if terminated else RunEnded(message)

    def _next(self):
        """Return the steps that take about as long as is to pass until all ask again."""
        took = (time.monotonic() - self._asked) / self._steps
        return max(1, min(2 * self._steps, int(ASK_EVERY / max(took, 1e-3))))


@contextmanager
def watched(stop, patience=PATIENCE):
    """Let SIGTERM end what is done meanwhile by `stop`, and the process in any case.

    Outside of the main thread, where Python takes no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop.handle)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    waking = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # Python runs handlers between its own steps alone; this thread learns of the signal anyway
    done = threading.Event()
    threading.Thread(target=_wait, args=(reading, done, patience), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(waking)
        os.close(writing)
        signal.signal(signal.SIGTERM, before)


def _wait(reading, done, patience):
    """End the process `patience` seconds after a SIGTERM, unless `done` is set by then."""
    while number := os.read(reading, 1):  # nothing once nobody writes any more
        if number[0] == signal.SIGTERM and not done.wait(patience):
            os._exit(TERMINATED)
    os.close(reading)
