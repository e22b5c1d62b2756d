"""Fetching pretrained weights, or saying soon and plainly that they cannot be fetched."""

import os
import threading
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import keras

PATIENCE = 4.0  # seconds; name look-ups ignore the socket's own time limit


class DownloadError(ValueError):
    """Weights that cannot be fetched, with the place where the file would be looked for."""


def keras_home():
    """Return the folder where Keras keeps what it fetched; Keras tells nobody itself."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()


def _one_line(reason):
    return (str(reason).strip().splitlines() or [type(reason).__name__])[0]


def _reachable(url):
    """Return why `url` does not answer within `PATIENCE`, or None."""
    answer = ["no answer"]

    def ask():
        try:
            request = Request(url, method="HEAD")
            with urlopen(request, timeout=PATIENCE):
                answer[0] = None
        except (OSError, HTTPException) as error:
            answer[0] = _one_line(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answer[0]


def _failure(url, path, reason):
    return DownloadError(
        f"cannot fetch {url} ({reason}). Put that file at {path}, or name another with "
        "--backbone-weights FILE, or start from random weights with --no-weights."
    )


def fetch(url):
    """Return the path of the file at `url` in Keras' cache, fetching it first if need be.

    Raises:
        DownloadError: within 5 seconds, where there is no network.
    """
    name = url.rsplit("/", 1)[-1]
    path = keras_home() / "models" / name
    if path.is_file() and path.stat().st_size:
        return str(path)
    if reason := _reachable(url):
        raise _failure(url, path, reason)
    try:
        return keras.utils.get_file(name, url, cache_subdir="models", cache_dir=str(keras_home()))
    except Exception as error:  # Keras raises no narrower one
        raise _failure(url, path, _one_line(error)) from error
