"""Times on the command line: 45s, 30m, 2h, 1.5h, 1d, 1h30m."""

import argparse
import re

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds_of(text):
    """Return the seconds of a time such as 1h30m."""
    return sum(float(number) * SECONDS[unit] for number, unit in _PART.findall(text))


def duration(text):
    """Return `text` if it is a time, as an argparse type."""
    if not _WHOLE.fullmatch(text) or not seconds_of(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 45s, 30m, 2h, 1d or 1h30m")
    return text


def interval(text):
    """Return `text` if it is a number of steps or a time, as an argparse type."""
    if text.isdigit() and int(text) > 0:
        return text
    try:
        return duration(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of steps, such as 500, nor a time, such as 30m"
        ) from None


def is_due(text):
    """Return f(steps, seconds) -> whether the interval `text` has passed."""
    if text.isdigit():
        return lambda steps, seconds: steps >= int(text)
    return lambda steps, seconds: seconds >= seconds_of(text)
