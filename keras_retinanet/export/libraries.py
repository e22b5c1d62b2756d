"""Libraries of other formats, imported when they are needed."""

import importlib


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
            f"{name.partition('.')[0]} is not installed: pip install keras-retinanet[{extra}]"
        ) from error
