"""From a request to detections: admission, reading, checking, decoding, the batch."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from starlette.requests import ClientDisconnect

from keras_retinanet.predict.formats import as_json
from keras_retinanet.serve.batcher import Batcher
from keras_retinanet.serve.limits import Refused
from keras_retinanet.serve.metrics import Metrics
from keras_retinanet.serve.pictures import check_file, decode_file
from keras_retinanet.serve.uploads import read_file

DECODERS = min(4, os.cpu_count() or 1)


class Service:
    """A detector that answers requests.

    Args:
        detector: `Detector`; the lowest threshold that a request may ask for is its own.
        thresholds: [K], of each label, where a request names none.
        limits: `Limits`.

    Raises:
        ValueError: JPEG and PNG files are no input for the network.
    """

    def __init__(self, detector, thresholds, limits):
        taken = detector.profile.preprocessing
        if taken.channels != 3 or taken.bits != 8:
            raise ValueError(
                f"the model takes {taken.channels} channels of {taken.bits} bits; only models "
                "of 3 channels of 8 bits can be served"
            )
        self.detector, self.limits, self.metrics = detector, limits, Metrics()
        self.floor = min(detector.options.thresholds.values())
        self.in_work = 0
        self._thresholds = np.asarray(thresholds, np.float32)
        told = self._thresholds[self._thresholds <= 1]
        self.start = float(told.min()) if told.size else self.floor  # where the slider begins
        size = detector.options.batch_size
        self._decoders = ThreadPoolExecutor(DECODERS, "decoder")
        self._decoded = asyncio.Semaphore(2 * size)
        self._batcher = Batcher(self._predict, size, limits.wait if size > 1 else 0.0)

    async def work(self):
        """Run the network for requests, until cancelled."""
        with self._decoders:
            await self._batcher.work()

    async def answer(self, upload):
        """Return what is told of the picture in an `Upload`, as `formats.as_json` has it.

        Raises:
            Refused: see there.
            ClientDisconnect: whoever asked is gone.
        """
        start = time.perf_counter()
        thresholds = self._asked(upload.query_params.get("threshold"))
        if self.in_work >= self.limits.queue:
            raise Refused(503, f"{self.in_work} requests are in work already; ask again later")
        self.in_work += 1
        self.metrics.in_work.set(self.in_work)
        try:
            result = await self._detected(upload)
        finally:
            self.in_work -= 1
            self.metrics.in_work.set(self.in_work)
        kept = result.scores > thresholds[result.labels]
        told = replace(
            result, boxes=result.boxes[kept], scores=result.scores[kept], labels=result.labels[kept]
        )
        self.metrics.seconds.observe(time.perf_counter() - start)
        self.metrics.detections.inc(len(told))
        return as_json(told)

    async def _detected(self, upload):
        content = await read_file(upload, self.limits.seconds)
        size = check_file(content, self.limits.pixels)
        async with self._decoded:
            if await upload.is_disconnected():
                raise ClientDisconnect
            loop = asyncio.get_running_loop()
            picture = await loop.run_in_executor(self._decoders, decode_file, content)
            return await self._batcher.result(self.detector.canvas_of(size), picture)

    def _asked(self, text):
        """Return thresholds [K] from a query's text; those of the server for None."""
        if text is None:
            return self._thresholds
        try:
            threshold = float(text)
        except ValueError:
            threshold = None
        if threshold is None or not self.floor <= threshold <= 1:
            raise Refused(422, f"threshold must be from {self.floor:g} to 1, not {text[:20]!r}")
        # classes that are not told have one above 1, and keep it
        return np.where(self._thresholds > 1, self._thresholds, np.float32(threshold))

    def _predict(self, pictures):
        self.metrics.batches.observe(len(pictures))
        return self.detector.predict(pictures)
