"""Several processes that train one network together: on one machine, or on many.

JAX's own runtime joins them (`jax.distributed`); one process is the coordinator, which all reach.
All run the same program on the devices of all, and what they must agree on goes through the
coordinator as text. Where there is one process, nothing here costs anything.

Every process calls `told`, `gathered` and `pieces` in the same order: that is how they know which
call is which. `largest` has a key, since threads call it.
"""

import io
import itertools
import json

START_SECONDS = 300  # that processes wait for each other to begin
WAIT_SECONDS = 3600  # for an answer: another may be measuring or writing meanwhile
PIECE = 2**20  # bytes of a message; the coordinator takes no more than 4 MB
BRANCHES = 8  # processes that one hears, where all agree on numbers
KEPT = 256  # calls of `largest` after which nobody waits for one any more


class ProcessesError(ValueError):
    """The processes do not come together."""


class _Group:
    """This process among the others; alone, until `start`."""

    def __init__(self):
        self.number, self.index = 1, 0
        self.client = None
        self.calls = itertools.count()
        self.settled = []  # keys of `largest` that all have asked for, or soon will


_group = _Group()


def start(coordinator, number, index, local_devices=None):
    """Join this process to the others; before JAX is used.

    Args:
        coordinator: HOST:PORT of process 0; None where SLURM or Open MPI tell.
        number: of processes.
        index: of this one, from 0.
        local_devices: GPUs of its machine that it takes; None for those that JAX gives it.

    Raises:
        ProcessesError: they do not come together.
    """
    import jax

    try:
        jax.distributed.initialize(coordinator, number, index, initialization_timeout=START_SECONDS)
    except (RuntimeError, ValueError) as error:
        raise ProcessesError(
            f"process {index} of {number} finds no others at {coordinator or 'the first node'}: "
            f"{str(error).splitlines()[0]}. Is process 0 running, and does its port let others in?"
        ) from error
    from jax._src import distributed  # the store of keys, which JAX itself has no other way to

    _group.client = distributed.global_state.client
    _group.number, _group.index = number, index


def is_lost(error):
    """Return whether an error is JAX's own, such as of a process that does not answer."""
    import jax

    return isinstance(error, jax.errors.JaxRuntimeError)


def number():
    """Return how many processes there are."""
    return _group.number


def index():
    """Return which of them this is, from 0."""
    return _group.index


def is_first():
    """Return whether this is the process that writes and speaks."""
    return _group.index == 0


def _say(key, text):
    _group.client.key_value_set(key, text)


def _hear(key):
    return _group.client.blocking_key_value_get(key, WAIT_SECONDS * 1000)


def told(value):
    """Return the first process' `value`, a JSON value, in all of them."""
    if _group.client is None:
        return value
    key = f"told/{next(_group.calls)}"
    if is_first():
        _say(key, json.dumps(value))
        return value
    return json.loads(_hear(key))


def from_first(make):
    """Return what `make()` returns in the first process, a JSON value, in all of them.

    Where it raises ValueError or OSError there, all end with that line.
    """
    if _group.client is None:
        return make()
    value, error = None, None
    if is_first():
        try:
            value = make()
        except (ValueError, OSError) as raised:
            error = raised
    value, wrong = told([value, None if error is None else str(error)])
    if error is not None:
        raise error
    if wrong is not None:
        raise ProcessesError(f"process 0: {wrong}")
    return value


def largest(key, values):
    """Return the largest of each of `values`, whole numbers, over all processes.

    Threads may call it, each key once, in about the same order everywhere.
    """
    if _group.client is None:
        return values
    # a tree: hearing of others takes a millisecond each, and there may be hundreds
    first = BRANCHES * _group.index + 1
    below = range(first, min(first + BRANCHES, _group.number))
    for other in below:
        heard = json.loads(_hear(f"{key}/{other}"))
        values = [max(pair) for pair in zip(values, heard, strict=True)]
    if not is_first():
        _say(f"{key}/{_group.index}", json.dumps(values))
        return json.loads(_hear(f"{key}/all"))
    _say(f"{key}/all", json.dumps(values))
    _group.settled.append(key)
    if len(_group.settled) > KEPT:
        _group.client.key_value_delete(_group.settled.pop(0))
    return values


def pieces(arrays):
    """Return, in the first process, the `arrays` of all processes in their order; elsewhere None.

    Args:
        arrays: {name: array}.
    """
    if _group.client is None:
        return [arrays]
    import numpy as np

    key = f"pieces/{next(_group.calls)}"
    if not is_first():
        file = io.BytesIO()
        np.savez(file, **arrays)
        content = file.getvalue()
        parts = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
        for place, part in enumerate(parts):
            _group.client.key_value_set_bytes(f"{key}/{_group.index}/{place}", part)
        _say(f"{key}/{_group.index}/count", str(len(parts)))
        return None
    found = [arrays]
    for other in range(1, _group.number):
        count = int(_hear(f"{key}/{other}/count"))
        content = b"".join(_heard_bytes(f"{key}/{other}/{place}") for place in range(count))
        found.append(dict(np.load(io.BytesIO(content))))
    _group.client.key_value_delete(key)
    return found


def _heard_bytes(key):
    return _group.client.blocking_key_value_get_bytes(key, WAIT_SECONDS * 1000)
