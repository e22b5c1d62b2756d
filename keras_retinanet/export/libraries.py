"""Libraries of other formats, imported when they are needed."""

import contextlib
import importlib
import io
import logging
import warnings


def library(name, extra):
    """Return the module `name`.

    Args:
        name: of a module, with dots.
        extra: of this package, which installs it.

    Raises:
        ValueError: it is not installed; the message has the command.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f'{name.partition(".")[0]} is not installed: pip install "keras-retinanet[{extra}]"'
        ) from error


@contextlib.contextmanager
def quiet():
    """Keep what a library says while it works, its bars and advice, from the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
