"""The same numbers to the last bit from run to run, on one machine."""

import os

# GPU only; CPUs sum in one order for a number of threads
_ENVIRONMENT = {
    "jax": ("XLA_FLAGS", "--xla_gpu_deterministic_ops=true"),
    "torch": ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
}


def prepare_environment(backend):
    """Set what a backend reads when it starts; before it is imported.

    Args:
        backend: tensorflow, jax or torch.
    """
    name, value = _ENVIRONMENT.get(backend, (None, None))
    if name and value not in os.environ.get(name, ""):
        os.environ[name] = f"{os.environ.get(name, '')} {value}".strip()


def make_deterministic(backend):
    """Let every operation of `backend` give the same for the same; where one cannot, it fails."""
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
