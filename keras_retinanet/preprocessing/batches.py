"""What differs from one batch to the next: random stream, epoch, sizes its canvas must avoid.

1.0's hooks have no argument for them, and subclasses override them, so they travel in a
context variable, which every thread has for itself.
"""

import itertools
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

ORDER, SHUFFLE, BATCH, LOOSE = range(4)  # what a random stream is for

_current = ContextVar("batch", default=None)
_loose_draws = itertools.count()  # numbers the draws made outside a batch
_python_generators = threading.Lock()  # they refuse to be run by two threads at once


@dataclass(frozen=True)
class Batch:
    """The random stream of a batch, a (height, width) that its canvas must not have, its epoch."""

    rng: np.random.Generator
    unlike: tuple | None = None
    epoch: int = 0


def stream(seed, purpose, *key):
    """Return the random stream of (seed, purpose, key): equal arguments give equal streams."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *key)))


@contextmanager
def batch_context(batch):
    """Make `batch` the current one in this thread."""
    token = _current.set(batch)
    try:
        yield
    finally:
        _current.reset(token)


def current_batch(seed):
    """Return the current batch, or a fresh one where a hook is called by itself."""
    return _current.get() or Batch(stream(seed, LOOSE, next(_loose_draws)))


def current_policy(source):
    """Return the policy of the current batch's epoch, where `source` knows epochs; else itself."""
    batch = _current.get()
    return source.at(batch.epoch if batch else 0) if hasattr(source, "at") else source


def draw(source, kind, seed):
    """Return the next transform or visual effect of a source.

    Args:
        source: None, an object with methods transform(rng) and effect(rng), or a Python
            generator as 1.0 has them; those carry their own state, hence their draws depend on
            the order of the workers.
        kind: "transform" or "effect".
        seed: seed of draws outside a batch.
    """
    if source is None:
        return None
    if hasattr(source, kind):
        return getattr(current_policy(source), kind)(current_batch(seed).rng)
    with _python_generators:
        return next(source)
