"""retinanet-train as a program that SIGKILL ends at a given moment.

    python -m tests.bin.killed_training never|batch:N|save:N WORDS...

batch:N kills after N steps, save:N in the middle of writing the array N of a checkpoint.
"""

import os
import signal
import sys


def kill_after(count, function):
    """Return `function`, which kills the process instead of its call number `count`."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return counted


def arm(moment):
    """Prepare the kill."""
    from numpy.lib import format as numpy_format

    from keras_retinanet.callbacks.progress import Progress

    kind, _, count = moment.partition(":")
    if kind == "batch":
        Progress.on_train_batch_end = kill_after(int(count), Progress.on_train_batch_end)
    if kind == "save":
        numpy_format.write_array = kill_after(int(count), numpy_format.write_array)


if __name__ == "__main__":
    from keras_retinanet.bin import console, train

    arm(sys.argv[1])
    sys.exit(console.run(lambda: train.main(sys.argv[2:]), train.PROG))
