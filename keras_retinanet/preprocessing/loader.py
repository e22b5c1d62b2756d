"""Batches made ahead of time by threads, in order, the same for any number of them.

Threads do here: reading, decoding, warping and resizing leave Python's lock.
"""

import itertools
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor

from keras_retinanet.utils.warp import one_opencv_thread


class Loader:
    """Endless batches over the epochs of a generator.

    Used as `with Loader(...) as loader:` it is closed at the end, and an error of a worker that
    a backend has wrapped in one of its own comes out as it was raised.

    Args:
        generator: `Generator`.
        workers: threads.
        queue_size: batches made ahead.
        start_step: first batch, counted over all epochs; step s is batch s % len(generator) of
            epoch s // len(generator).
        steps: number of batches, endless if None.
        part: `BatchPart`, to make some pictures of each batch alone; None for all.

    Iterating yields ({"images", "sizes"}, {"boxes", "labels"}) as `Generator.raw_batch` has
    them; every iteration begins at `start_step`.
    """

    def __init__(self, generator, workers=2, queue_size=10, start_step=0, steps=None, part=None):
        for name, value in (("workers", workers), ("queue_size", queue_size)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1. Received: {value!r}")
        self.generator = generator
        self.workers = workers
        self.queue_size = queue_size
        self.start_step = start_step
        self.steps = steps
        self.part = part
        self.error = None
        self._pools = set()
        self._closed = False

    @property
    def skipped(self):
        """Files of the broken pictures left out so far."""
        return list(self.generator.skipped)

    def __iter__(self):
        one_opencv_thread()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        self._pools.add(pool)
        steps = itertools.count(self.start_step)
        if self.steps is not None:
            steps = itertools.islice(steps, self.steps)
        try:
            yield from self._ordered(pool, steps)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self._pools.discard(pool)

    def _ordered(self, pool, steps):
        pending = deque()
        try:
            while not self._closed:
                for step in itertools.islice(steps, self.queue_size - len(pending)):
                    pending.append(pool.submit(self._batch, step))
                if not pending:
                    return
                yield pending.popleft().result()
        except (CancelledError, RuntimeError):  # RuntimeError: submitted to a pool just closed
            if not self._closed:
                raise

    def _batch(self, step):
        epoch, index = divmod(step, len(self.generator))
        try:
            own = {} if self.part is None else {"part": self.part}
            images, truth = self.generator.raw_batch(index, epoch, **own)
        except Exception as error:
            names = [
                self.generator.image_name(i) for i in self.generator.epoch_groups(epoch)[index]
            ]
            error.add_note(f"while making batch {index} of epoch {epoch} from {', '.join(names)}")
            self.error = self.error or error
            raise
        inputs = {"images": images, "sizes": truth["sizes"]}
        return inputs, {"boxes": truth["boxes"], "labels": truth["labels"]}

    def close(self):
        """Stop the threads; iterations end."""
        self._closed = True
        for pool in list(self._pools):
            pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.close()
        if isinstance(error, Exception) and self.error is not None and error is not self.error:
            raise self.error from None
