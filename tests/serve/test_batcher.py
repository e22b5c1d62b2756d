"""Which items go together, and what becomes of those that fail or leave."""

import asyncio
import contextlib

import pytest

from keras_retinanet.serve.batcher import Batcher


def run(size, wait, scene):
    """Return the batches that ran while `scene(batcher)` did."""
    batches = []

    def double(items):
        batches.append(list(items))
        return [2 * item for item in items]

    async def play():
        batcher = Batcher(double, size, wait)
        work = asyncio.create_task(batcher.work())
        await scene(batcher)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    asyncio.run(asyncio.wait_for(play(), 30))
    return batches


def test_items_of_one_key_go_together_the_oldest_first():
    async def scene(batcher):
        pairs = [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("b", 5), ("a", 6)]
        found = await asyncio.gather(*(batcher.result(*pair) for pair in pairs))
        assert found == [2, 4, 6, 8, 10, 12]

    assert run(3, 0.05, scene) == [[1, 3, 4], [2, 5], [6]]


def test_one_at_a_time_waits_for_nobody():
    async def scene(batcher):
        assert await asyncio.gather(*(batcher.result("a", n) for n in range(3))) == [0, 2, 4]

    assert run(1, 0.0, scene) == [[0], [1], [2]]


def test_an_item_alone_runs_after_its_wait():
    async def scene(batcher):
        assert await batcher.result("a", 1) == 2

    assert run(8, 0.01, scene) == [[1]]


def test_who_is_gone_is_left_out():
    async def scene(batcher):
        leaving = asyncio.create_task(batcher.result("a", 1))
        staying = asyncio.create_task(batcher.result("a", 2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == 4

    assert run(8, 0.05, scene) == [[2]]


def test_what_fails_is_raised_to_its_own_batch_and_the_next_goes_on():
    async def scene(batcher):
        with pytest.raises(TypeError):
            await batcher.result("a", None)
        assert await batcher.result("a", 4) == 8

    assert run(2, 0.0, scene) == [[None], [4]]
