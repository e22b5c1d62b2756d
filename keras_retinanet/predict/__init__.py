"""Running a trained detector: `Detector`, and what the command retinanet-predict is made of."""

import importlib

_HOMES = {"Detector": "detector", "Named": "detector", "Result": "results"}

__all__ = ["Detector", "Named", "Result"]


def __getattr__(name):
    # late, because commands look at their inputs before they wait for Keras
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
