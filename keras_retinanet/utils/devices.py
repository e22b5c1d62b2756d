"""A training on several devices: each step's pictures are shared out among them.

TensorFlow: `tf.distribute.MirroredStrategy`. JAX: `keras.distribution.DataParallel`. Where there
is no GPU, the processor is divided into as many devices, of use only for trying it out.
"""

import contextlib

from keras_retinanet.utils import processes


class DevicesError(ValueError):
    """There are fewer devices, or the backend is in use already."""


def divide_processor(number, backend):
    """Let the processor count as `number` devices; before the backend is in use.

    Args:
        number: of devices.
        backend: tensorflow or jax.

    Raises:
        DevicesError: the backend is in use.
    """
    try:
        _DIVIDE[backend](number)
    except RuntimeError as error:
        raise DevicesError(f"--devices {number}: {backend} has begun to work: {error}") from error


def _divide_for_tensorflow(number):
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        processor = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * number
        tf.config.set_logical_device_configuration(processor, parts)


def _divide_for_jax(number):
    import jax

    if jax.config.jax_num_cpu_devices != number:
        jax.config.update("jax_num_cpu_devices", number)


_DIVIDE = {"tensorflow": _divide_for_tensorflow, "jax": _divide_for_jax}


def devices(number):
    """Return the names of the first `number` devices of each process that a training may use.

    Raises:
        DevicesError: there are fewer.
    """
    import keras

    if processes.number() > 1:
        return _of_all_processes(number)
    names = keras.distribution.list_devices()
    found = [name for name in names if not name.startswith("cpu")] or names
    if len(found) < number:
        raise DevicesError(
            f"--devices {number}: there are {len(found)} ({', '.join(found)}); give at most that"
        )
    return found[:number]


def _of_all_processes(number):
    import jax

    names = []
    for index in range(processes.number()):
        own = [device for device in jax.devices() if device.process_index == index]
        if len(own) < number:
            raise DevicesError(
                f"--devices {number}: process {index} has {len(own)}; give at most that"
            )
        names += [f"{device.platform}:{device.id}" for device in own[:number]]
    return names


@contextlib.contextmanager
def shared_among(number):
    """Build and train in this context on `number` devices of each process.

    Raises:
        DevicesError: there are fewer.
    """
    import keras

    names = devices(number)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy([name.upper() for name in names]).scope():
            yield
        return
    before = keras.distribution.distribution()
    # our batches are what this process is to have: Keras is not to take a part of them
    whole = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    keras.distribution.set_distribution(whole)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)
