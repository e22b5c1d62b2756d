"""Learning rates over a run."""

import keras
import pytest

from keras_retinanet.models.schedules import WithWarmup, make_schedule
from tests.backends import array


def rates(schedule, steps):
    return [float(array(schedule(step))) for step in steps]


def test_the_steps_of_the_paper_drop_the_rate_to_tenths_behind_a_warmup():
    schedule = make_schedule("steps", 1.0, 90, warmup=10, drops=(60, 80))
    expected = {0: 0.01, 5: 0.505, 10: 1.0, 60: 1.0, 61: 0.1, 80: 0.1, 81: 0.01, 500: 0.01}
    assert rates(schedule, expected) == pytest.approx(list(expected.values()))


def test_a_constant_rate_may_warm_up():
    schedule = make_schedule("constant", 2.0, 100, warmup=4)
    assert rates(schedule, (0, 2, 4, 99, 1000)) == pytest.approx([0.02, 1.01, 2, 2, 0.2])
    assert make_schedule("constant", 2.0, 100, warmup=0) == 2.0


def test_a_cosine_warms_up_for_as_long_as_it_is_told():
    schedule = make_schedule("cosine", 1.0, 200, warmup=100)
    assert rates(schedule, (50, 100, 150)) == pytest.approx([0.505, 1.0, 0.505])


def test_a_schedule_survives_saving():
    schedule = make_schedule("steps", 1.0, 90, warmup=10, drops=(60, 80))
    again = WithWarmup.from_config(schedule.get_config())
    assert again.get_config() == schedule.get_config()
    assert rates(again, (5, 70)) == rates(schedule, (5, 70))
    assert isinstance(again.schedule, keras.optimizers.schedules.PiecewiseConstantDecay)
