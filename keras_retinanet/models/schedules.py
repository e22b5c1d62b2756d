"""Learning rates over a run: Keras' own schedules, with a linear warm-up before each."""

import math

import keras
from keras import ops

SCHEDULES = ("cosine", "steps", "constant", "plateau")
WARMUP_SHARE = 0.05  # of all steps, at most WARMUP_STEPS
WARMUP_STEPS = 500
LOWEST = 0.01  # share of the peak at the start of a warm-up and at the end of a cosine
DROP = 0.1  # factor at each of the steps of the paper's schedule


class WithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule behind a linear warm-up to the rate that it has when the warm-up ends.

    Keras' cosine has a warm-up of its own; its other schedules have none.

    Args:
        schedule: a Keras schedule, whose steps count from the start of the run.
        peak: rate at the end of the warm-up.
        steps: of the warm-up.
    """

    def __init__(self, schedule, peak, steps):
        self.schedule = schedule
        self.peak = peak
        self.steps = steps

    def __call__(self, step):
        """Return the rate of a step."""
        done = ops.cast(step, "float32") / self.steps
        warm = self.peak * (LOWEST + (1 - LOWEST) * done)
        return ops.where(done < 1, warm, self.schedule(step))

    def get_config(self):
        """Return the arguments."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "peak": self.peak, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        """Return the schedule of `get_config`."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["peak"], config["steps"])


def make_schedule(kind, rate, steps, warmup=None, drops=()):
    """Return a learning rate for `steps` steps in all.

    Args:
        kind: "cosine": a linear warm-up, then half a cosine to 1 % (Loshchilov & Hutter 2017,
            arXiv:1608.03983, without restarts); "steps": the paper's, to a tenth at each of
            `drops`; "constant"; "plateau", which a callback lowers: `rate` itself.
        rate: the peak.
        steps: of the whole run.
        warmup: steps of warm-up; None for 5 % of all, at most 500, under a cosine, else 0.
        drops: steps after which the rate falls.
    """
    if kind == "cosine":
        return _cosine(rate, steps, warmup)
    if kind == "plateau" or (kind == "constant" and not warmup):
        return rate
    drops = list(drops) or [steps]  # Keras wants one
    values = [rate * DROP**done for done in range(len(drops) + 1)]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(drops, values)
    return WithWarmup(schedule, rate, warmup) if warmup else schedule


def _cosine(rate, steps, warmup):
    usual = min(WARMUP_STEPS, math.ceil(WARMUP_SHARE * steps))
    warmup = max(1, usual if warmup is None else warmup)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate * LOWEST,
        decay_steps=max(1, steps - warmup),
        alpha=LOWEST,
        warmup_target=rate,
        warmup_steps=warmup,
    )
