"""SIGTERM during a training."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_retinanet.bin.train_stop import Stop, Terminated, watched


def test_a_signal_waits_for_the_end_of_the_step():
    stop = Stop()
    with watched(stop, patience=600):
        assert stop() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert isinstance(stop(), Terminated) and stop().code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_ends_at_once_what_is_no_step():
    stop = Stop()
    stop.at_once = True
    with pytest.raises(Terminated), watched(stop, 600):
        os.kill(os.getpid(), signal.SIGTERM)
        while True:  # `signal.pause` would miss a signal that was taken before it
            time.sleep(0.01)


ENDLESS = """
import os, signal, time
from keras_retinanet.bin.train_stop import Stop, watched
with watched(Stop(), patience=0.2):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


def test_a_step_that_takes_too_long_is_not_waited_for():
    done = subprocess.run([sys.executable, "-c", ENDLESS], timeout=40)
    assert done.returncode == 143


def test_a_time_budget_ends_when_it_is_used_up():
    assert Stop("1h")() is None
    assert "0.000001s is used up" in str(Stop("0.000001s")())
