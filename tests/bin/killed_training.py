"""retinanet-train as a program that SIGKILL ends at a given moment.

    python -m tests.bin.killed_training never|batch:N|save:N WORDS...

batch:N kills after N steps, save:N before the array N of optimizers in checkpoints is written.
"""

import os
import signal
import sys
from zipfile import ZipFile


def kill_after(count, function, counts=lambda *args: True):
    """Return `function`, which kills the process instead of call number `count` that counts."""
    calls = []

    def counted(*args, **kwargs):
        calls.extend([1] * counts(*args))
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return counted


def is_state(archive, name, mode="r", *args):
    """Return whether a member of a checkpoint with an optimizer's array is written."""
    return mode == "w" and str(getattr(name, "filename", name)).startswith("optimizer/")


def arm(moment):
    """Prepare the kill."""
    from keras_retinanet.callbacks.progress import Progress

    kind, _, count = moment.partition(":")
    if kind == "batch":
        Progress.on_train_batch_end = kill_after(int(count), Progress.on_train_batch_end)
    if kind == "save":
        ZipFile.open = kill_after(int(count), ZipFile.open, is_state)


if __name__ == "__main__":
    from keras_retinanet.bin import console, train
    from tests import sketch

    arm(sys.argv[1])
    with sketch.known():
        sys.exit(console.run(lambda: train.main(sys.argv[2:]), train.PROG))
