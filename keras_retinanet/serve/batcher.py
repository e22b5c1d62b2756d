"""Requests that come at the same time go through the network together."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Job:
    """One item that waits.

    Attributes:
        key: items of equal keys may go together.
        item: what `Batcher.run` is given.
        future: of its result.
        until: loop time to which it waits for others.
    """

    key: object
    item: object
    future: asyncio.Future
    until: float


class Batcher:
    """Runs items in batches, in a thread of its own, one batch at a time, the oldest first.

    Args:
        run: f([item, …]) -> [result, …].
        size: most items of a batch.
        wait: seconds that an item waits for others while nothing runs.
    """

    def __init__(self, run, size, wait):
        self._run, self._size, self._wait = run, size, wait
        self._jobs, self._came = [], asyncio.Event()

    async def result(self, key, item):
        """Return the result of an item; what `run` raises is raised here."""
        loop = asyncio.get_running_loop()
        job = Job(key, item, loop.create_future(), loop.time() + self._wait)
        self._jobs.append(job)
        self._came.set()
        return await job.future

    async def work(self):
        """Run what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "network") as thread:
            while True:
                batch = await self._next()
                try:
                    items = [job.item for job in batch]
                    results = await loop.run_in_executor(thread, self._run, items)
                except Exception as error:
                    _answer(batch, [error] * len(batch), asyncio.Future.set_exception)
                else:
                    _answer(batch, results, asyncio.Future.set_result)

    async def _next(self):
        """Wait for jobs, and for others like the oldest; return and forget those."""
        while not (alike := self._alike()):
            await self._another()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(alike[0].until):
                while len(alike) < self._size:
                    await self._another()
                    alike = self._alike() or alike
        alike = self._alike()
        self._jobs = [job for job in self._jobs if job not in alike]
        return alike

    async def _another(self):
        self._came.clear()
        await self._came.wait()

    def _alike(self):
        """Return the oldest jobs of one key, a batch at most; who is gone is forgotten."""
        self._jobs = [job for job in self._jobs if not job.future.done()]
        alike = [job for job in self._jobs if job.key == self._jobs[0].key]
        return alike[: self._size]


def _answer(batch, values, setter):
    for job, value in zip(batch, values, strict=True):
        if not job.future.done():
            setter(job.future, value)
