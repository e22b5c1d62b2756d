"""--devices: a training on several devices of one machine."""

import contextlib
import os

from keras_retinanet.bin.console import number


def add_devices(parser):
    """Add the option."""
    parser.add_argument(
        "--devices",
        type=number(int, low=1),
        default=1,
        metavar="N",
        help="share each step's pictures out among N GPUs of this machine",
    )


def device_contradictions(args):
    """Yield what is wrong with --devices beside the other options."""
    if args.devices == 1:
        return
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend == "torch":
        yield (
            f"--devices {args.devices}: on torch one device trains; "
            "set KERAS_BACKEND to tensorflow or jax"
        )
    if not args.batch_size:
        yield "--batch-size auto is tried on one device; give a number with --devices"
    elif problem := uneven(args.batch_size, args.devices):
        yield problem
    if args.plan:
        yield "--plan measures one device; leave --devices out"
    if backend == "tensorflow" and args.accumulate > 1:
        yield (
            f"--accumulate {args.accumulate}: on TensorFlow with --devices Keras cannot wait with "
            "an update; give a larger --batch-size, or set KERAS_BACKEND to jax"
        )


def uneven(batch, devices, processes=1):
    """Return why `batch` pictures a step cannot be shared out among all devices, or None."""
    every = devices * processes
    if batch % every == 0:
        return None
    where = f"--devices {devices}" + (f" of --processes {processes}" if processes > 1 else "")
    higher = -(-batch // every) * every
    fitting = [size for size in (higher - every, higher) if size]
    return (
        f"--batch-size {batch} counts the pictures of a step on all {where} together "
        f"and must be a multiple of {every}; give {' or '.join(map(str, fitting))}"
    )


def divide(args):
    """Let the processor count as --devices devices where there is no GPU; before Keras is used."""
    if args.devices > 1:
        from keras_retinanet.utils.devices import divide_processor

        divide_processor(args.devices, os.environ.get("KERAS_BACKEND") or "tensorflow")


def shared(args):
    """Return the context in which to build and train the network."""
    from keras_retinanet.utils import processes

    if args.devices == 1 and processes.number() == 1:
        return contextlib.nullcontext()
    from keras_retinanet.utils.devices import shared_among

    return shared_among(args.devices)


def halved(batch, devices):
    """Return about half of `batch`, a multiple of `devices`; 0 where each device has one."""
    return batch // 2 // devices * devices or (devices if batch > devices else 0)
