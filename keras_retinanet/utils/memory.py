"""Memory of the machine and of its device: how much there is, what is used, how it runs out."""

import resource
import sys
from pathlib import Path

import keras

KIB = 1024
# (name of the error's class, words of its text), as the backends and the system raise them
OUT_OF_MEMORY = (
    ("ResourceExhaustedError", ""),  # tensorflow
    ("OutOfMemoryError", ""),  # torch
    ("XlaRuntimeError", "RESOURCE_EXHAUSTED"),  # jax
    ("JaxRuntimeError", "RESOURCE_EXHAUSTED"),
    ("RuntimeError", "can't allocate memory"),  # torch on a CPU
    ("RuntimeError", "not enough memory"),
    ("MemoryError", ""),
)
# files of cgroups 2 and 1: the limit of a container, and what it uses
CGROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def is_out_of_memory(error):
    """Return whether `error`, or one that it came from, says that memory ran out."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if any(name in names and words in str(error) for name, words in OUT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def available(root="/"):
    """Return the bytes that this process may still take of the machine's memory.

    The least of what the system and its container leave.

    Args:
        root: folder that holds proc and sys.
    """
    root = Path(root)
    found = [_left_in_container(root / "sys/fs/cgroup", *names) for names in CGROUPS]
    meminfo = root / "proc/meminfo"
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * KIB)
    found = [number for number in found if number is not None]
    return min(found) if found else None


def _left_in_container(folder, limit, usage):
    limit, usage = folder / limit, folder / usage
    if not (limit.is_file() and usage.is_file()) or not limit.read_text().strip().isdigit():
        return None
    return int(limit.read_text()) - int(usage.read_text())


def peak_of_process():
    """Return the most bytes that this process has held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * KIB


def _tensorflow():
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _jax():
    import jax

    device = jax.local_devices()[0]
    return None if device.platform == "cpu" else device.memory_stats()["peak_bytes_in_use"]


def _torch():
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def peak_of_device():
    """Return the most bytes held on the accelerator; None where the CPU computes."""
    peaks = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return peaks[keras.backend.backend()]()
