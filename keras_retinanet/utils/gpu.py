"""Choosing the GPUs that a process sees, and whether it computes on one."""

import os


def setup_gpu(gpu_id):
    """Show this process only the GPUs in `gpu_id`; anything but numbers hides all of them.

    Must run before the backend starts using devices.

    Args:
        gpu_id: 0, "0", "0,1", or a word such as "cpu".
    """
    words = [word.strip() for word in str(gpu_id).split(",")]
    numbers = [int(word) for word in words if word.isdigit()]
    chosen = numbers if len(numbers) == len(words) else []
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, chosen)) or "-1"
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        _limit_tensorflow(chosen)


def _limit_tensorflow(chosen):
    """Let TensorFlow see `chosen` and take memory as it needs it."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    # CUDA_VISIBLE_DEVICES counts only before CUDA starts; this counts until the first use
    visible = gpus if len(gpus) == len(chosen) else [gpus[i] for i in chosen if i < len(gpus)]
    tf.config.set_visible_devices(visible, "GPU")
    for gpu in visible:
        tf.config.experimental.set_memory_growth(gpu, True)


def on_gpu():
    """Return whether the backend computes on a GPU."""
    import keras

    if keras.backend.backend() == "torch":
        return keras.ops.zeros(()).device.type != "cpu"
    return not keras.distribution.list_devices()[0].startswith("cpu")
