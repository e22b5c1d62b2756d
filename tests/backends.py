"""Gradients and plain arrays, whatever the backend."""

import keras
import numpy as np


def array(tensor):
    """Return a tensor as a NumPy array."""
    return keras.ops.convert_to_numpy(tensor)


def gradient(function, at):
    """Return d function(x) / dx at `at` (NumPy float32) for a function to a scalar."""
    at = np.asarray(at, dtype=np.float32)
    return _GRADIENTS[keras.backend.backend()](function, at)


def _tensorflow(function, at):
    import tensorflow as tf

    x = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tf.convert_to_tensor(tape.gradient(value, x)).numpy()


def _jax(function, at):
    import jax

    return np.asarray(jax.grad(function)(jax.numpy.asarray(at)))


def _torch(function, at):
    import torch

    x = torch.tensor(at, requires_grad=True)
    return torch.autograd.grad(function(x), x)[0].numpy()


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def out_of_memory():
    """Return the error that the backend raises where memory runs out."""
    return _OUT_OF_MEMORY[keras.backend.backend()]()


def _tensorflow_memory():
    import tensorflow as tf

    return tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


def _jax_memory():
    import jax

    return jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")


def _torch_memory():
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


_OUT_OF_MEMORY = {
    "tensorflow": _tensorflow_memory,
    "jax": _jax_memory,
    "torch": _torch_memory,
}
