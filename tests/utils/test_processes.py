"""What processes say to each other, among threads that share a store of keys."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_retinanet.utils import processes


class Store:
    """JAX's store of keys."""

    def __init__(self):
        self.values, self.changed, self.heard = {}, threading.Condition(), []

    def key_value_set(self, key, value):
        with self.changed:
            assert key not in self.values
            self.values[key] = value
            self.changed.notify_all()

    def blocking_key_value_get(self, key, milliseconds):
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.values, timeout=30)
            self.heard.append(key)
            return self.values[key]

    def key_value_delete(self, key):
        with self.changed:
            self.values = {k: v for k, v in self.values.items() if not k.startswith(f"{key}/")}


class Group(threading.local):
    """A process a thread."""

    settled = None


@pytest.mark.parametrize("number", [2, 3, 9, 10, 75])
def test_all_hear_the_largest_and_nobody_hears_many(number, monkeypatch):
    store, group = Store(), Group()
    monkeypatch.setattr(processes, "_group", group)

    def ask(index):
        group.number, group.index, group.client = number, index, store
        group.settled = []
        values = [index, -index, 100 - (index - 5) ** 2]
        return processes.largest("batch", values), len(group.settled)

    with ThreadPoolExecutor(number) as pool:
        found = list(pool.map(ask, range(number)))
    best = max(100 - (index - 5) ** 2 for index in range(number))
    assert [values for values, _ in found] == [[number - 1, 0, best]] * number
    assert [settled for _, settled in found] == [1] + [0] * (number - 1)
    assert len(store.heard) == 2 * (number - 1)  # each once, and each hears the answer


def test_old_answers_are_forgotten(monkeypatch):
    store, group = Store(), processes._Group()
    group.client = store
    monkeypatch.setattr(processes, "_group", group)
    for step in range(processes.KEPT + 3):
        assert processes.largest(f"batch/{step}", [step]) == [step]
    assert len(store.values) == processes.KEPT
    assert "batch/2/all" not in store.values and "batch/3/all" in store.values


def test_one_process_needs_nobody():
    assert processes.told("a") == "a" and processes.largest("b", [1, 2]) == [1, 2]
    assert processes.pieces({"c": 1}) == [{"c": 1}] and processes.is_first()
    with pytest.raises(OSError, match="no room"):
        processes.from_first(lambda: (_ for _ in ()).throw(OSError("no room")))


def test_an_error_of_the_first_ends_all(monkeypatch):
    monkeypatch.setattr(processes, "told", lambda value: [None, "no such folder"])
    group = processes._Group()
    group.client, group.index, group.number = object(), 1, 2
    monkeypatch.setattr(processes, "_group", group)
    with pytest.raises(processes.ProcessesError, match="process 0: no such folder"):
        processes.from_first(lambda: pytest.fail("only the first makes it"))
