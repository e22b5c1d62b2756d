"""What differs from one batch to the next: random streams, epoch, sizes its canvas must avoid.

1.0's hooks have no argument for them, and subclasses override them, so they travel in context
variables, which every thread has for itself. Each picture has a random stream of its own: it is
augmented the same whichever pictures are loaded beside it, so that several processes may share a
batch.
"""

import itertools
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

ORDER, SHUFFLE, BATCH, LOOSE = range(4)  # what a random stream is for

_current = ContextVar("batch", default=None)
_place = ContextVar("place", default=None)  # of a picture in its batch
_loose_draws = itertools.count()  # numbers the draws made outside a batch
_python_generators = threading.Lock()  # they refuse to be run by two threads at once


def stream(seed, purpose, *key):
    """Return the random stream of (seed, purpose, key): equal arguments give equal streams."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *key)))


@dataclass(frozen=True)
class Batch:
    """A batch that is being made.

    Attributes:
        seed, key: of its random streams.
        unlike: (height, width) that its canvas must not have.
        epoch: counted from 0.
        first: place of the first picture that is made here, in the whole batch.
    """

    seed: int
    key: tuple
    unlike: tuple | None = None
    epoch: int = 0
    first: int = 0
    _streams: dict = field(default_factory=dict)

    @property
    def rng(self):
        """The random stream of the picture at work; outside of any, one of the batch."""
        place = _place.get()
        if place not in self._streams:
            self._streams[place] = stream(self.seed, *self.key, *([] if place is None else [place]))
        return self._streams[place]


@contextmanager
def batch_context(batch):
    """Make `batch` the current one in this thread."""
    token = _current.set(batch)
    try:
        yield
    finally:
        _current.reset(token)


def for_each_picture(step, *groups):
    """Return [step(*one) for one in zip(*groups)], each with the random stream of its picture.

    Within the work on one picture, as when a mosaic loads others, that one's stream goes on.
    """
    if _place.get() is not None:
        return [step(*one) for one in zip(*groups, strict=True)]
    batch, done = _current.get(), []
    for place, one in enumerate(zip(*groups, strict=True), start=batch.first if batch else 0):
        token = _place.set(place)
        try:
            done.append(step(*one))
        finally:
            _place.reset(token)
    return done


def current_batch(seed):
    """Return the current batch, or a fresh one where a hook is called by itself."""
    return _current.get() or Batch(seed, (LOOSE, next(_loose_draws)))


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
