"""SIGTERM during a training, in processes of its own: in one of many tests it ended all of them."""

import subprocess
import sys

from keras_retinanet.bin.train_stop import Stop

BETWEEN_STEPS = """
import os, signal
from keras_retinanet.bin.train_stop import Stop, Terminated, watched
stop = Stop()
with watched(stop):
    assert stop() is None
    os.kill(os.getpid(), signal.SIGTERM)
    ended = stop()
    assert isinstance(ended, Terminated) and ended.code == 143
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
"""


def exit_code(program):
    """Return the exit code of a program, which has 40 s."""
    return subprocess.run([sys.executable, "-c", program], timeout=40).returncode


def test_a_signal_waits_for_the_end_of_the_step():
    assert exit_code(BETWEEN_STEPS) == 0


AT_ONCE = """
import os, signal, sys, time
from keras_retinanet.bin.train_stop import Stop, Terminated, watched
stop = Stop()
stop.at_once = True
try:
    with watched(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
except Terminated:
    sys.exit(7)
"""


def test_a_signal_ends_at_once_what_is_no_step():
    assert exit_code(AT_ONCE) == 7


ENDLESS = """
import os, signal, time
from keras_retinanet.bin.train_stop import Stop, watched
with watched(Stop(), patience=0.2):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


def test_a_step_that_takes_too_long_is_not_waited_for():
    assert exit_code(ENDLESS) == 143


def test_a_time_budget_ends_when_it_is_used_up():
    assert Stop("1h")() is None
    assert "0.000001s is used up" in str(Stop("0.000001s")())
