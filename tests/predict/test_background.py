"""Items made in a thread: in order, bounded, with their errors, and ended early."""

import threading
import time

import pytest

from keras_retinanet.predict.background import in_background


def test_items_come_in_order():
    assert list(in_background(range(50), 3)) == list(range(50))
    assert list(in_background([], 1)) == []


def test_no_more_is_made_ahead_than_allowed():
    made = []
    items = in_background((made.append(n) or n for n in range(100)), 3)
    assert next(items) == 0
    time.sleep(0.3)
    assert len(made) <= 1 + 3 + 1  # taken, waiting, and one in hand
    items.close()


def test_an_error_is_raised_behind_the_items_before_it():
    def broken():
        yield 1
        raise KeyError("two")

    items = in_background(broken(), 2)
    assert next(items) == 1
    with pytest.raises(KeyError, match="two"):
        next(items)


def test_leaving_off_early_ends_the_thread_and_closes_the_items():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    items = in_background(endless(), 2)
    next(items)
    items.close()
    assert closed.is_set() and threading.active_count() == before


def test_stages_run_beside_each_other():
    def slow(items):
        for item in items:
            time.sleep(0.05)
            yield item

    start = time.perf_counter()
    staged = in_background(slow(in_background(slow(range(10)), 2)), 2)
    assert list(slow(staged)) == list(range(10))
    assert time.perf_counter() - start < 1.2  # one after the other: 1.5
