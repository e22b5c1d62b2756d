"""--plan: what a training takes, from two real steps."""

import itertools
import math
import os
import statistics
import time
from dataclasses import dataclass

STEPS = 2
GIB = 1024**3


@dataclass(frozen=True)
class Measured:
    """Two steps of a training.

    Attributes:
        step, load: seconds of a step, and of one thread that makes its pictures.
        compiling: seconds of the first step more than of the later ones.
        size: (height, width) of the canvas, of the larger step.
        peak: bytes of memory at most; `device` says whether they are the accelerator's.
    """

    step: float
    load: float
    compiling: float
    size: tuple
    peak: int
    device: bool

    def epoch(self, steps, workers):
        """Return the seconds of an epoch of `steps` steps.

        A CPU that trains has no core left to make pictures on meanwhile.
        """
        threads = max(1, min(workers, os.cpu_count() or 1))
        load = self.load / threads
        return steps * (max(self.step, load) if self.device else self.step + load)


def measure(model, train):
    """Return the `Measured` of two steps on the first pictures; the weights move.

    Args:
        model: compiled training model.
        train: generator.
    """
    from keras_retinanet.preprocessing.loader import Loader
    from keras_retinanet.utils import memory

    with Loader(train, 1, 1, steps=min(STEPS, len(train))) as loader:
        started = time.perf_counter()
        batches = list(loader)
        load = (time.perf_counter() - started) / len(batches)
    first = [_seconds(model, batch) for batch in batches]
    later = [_seconds(model, batch) for batch in itertools.islice(itertools.cycle(batches), STEPS)]
    peak = memory.peak_of_device()
    return Measured(
        step=statistics.mean(later),
        load=load,
        compiling=max(0.0, sum(first) - sum(later)),
        size=max(batch[0]["images"].shape[1:3] for batch in batches),
        peak=memory.peak_of_process() if peak is None else peak,
        device=peak is not None,
    )


def _seconds(model, batch):
    started = time.perf_counter()
    model.train_on_batch(*batch)
    return time.perf_counter() - started


def plan_lines(args, network, measured, steps):
    """Return the plan as lines of text.

    Args:
        args: of the command, settled.
        network: that trains.
        measured: of `measure`.
        steps: of an epoch.
    """
    from keras_retinanet.models.operations import training_gflop

    trained = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    height, width = measured.size
    gflop = training_gflop(network, height, width, args.batch_size)
    epoch = measured.epoch(steps, args.workers)
    where = "of the device" if measured.device else "of the process"
    return [
        f"{network.count_params():,} parameters, {trained:,} of them train",
        f"{gflop:,.1f} GFLOP a step of {args.batch_size} pictures of {width}x{height}, "
        f"{gflop / measured.step / 1000:.2f} TFLOP/s",
        f"{measured.peak / GIB:.2f} GiB of memory {where} at most",
        f"{measured.step:.3f} s a step, {measured.load:.3f} s to make its pictures by one thread, "
        f"{measured.compiling:.0f} s to compile",
        f"{shown_seconds(epoch)} an epoch of {steps} steps, {shown_seconds(epoch * args.epochs)} "
        f"for {args.epochs}, measuring left out",
    ]


def shown_seconds(seconds):
    """Return a time as text, in the unit that suits it."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def show(args, model, train, steps, report):
    """Report the plan of a training."""
    for line in plan_lines(args, model.network, measure(model, train), steps):
        report(f"plan: {line}")
