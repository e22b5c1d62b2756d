"""What a training takes of memory: how many pictures a step, and what to do when they are too many.

Out of memory in a run: the epoch begins again, from the weights and the optimizer's state that it
began with, with half as many pictures a step and twice as many steps to an update.
"""

import gc
import math

from keras_retinanet.bin.console import number
from keras_retinanet.bin.recipes import RECIPES
from keras_retinanet.bin.train_devices import halved

AUTO = 0  # --batch-size auto, until it is known
MOST_PICTURES = 64  # a step, that --batch-size auto goes up to


def batch_size(text):
    """Return the number in `text`, AUTO for auto, as an argparse type."""
    return AUTO if text == "auto" else number(int, low=1)(text)


def add_memory(parser):
    """Add the options."""
    parser.add_argument(
        "--batch-size", type=batch_size, default=1, help="images a step; auto: as many as fit"
    )
    parser.add_argument(
        "--accumulate",
        type=number(int, low=1),
        default=1,
        help="steps to an update of the weights, by the mean of their gradients",
    )
    parser.add_argument(
        "--remat",
        action="store_true",
        help="keep less in memory for the backward pass, and compute it again",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="say what the training takes, from two real steps, and train nothing",
    )


def accumulated(args, batch):
    """Return the steps to an update at `batch` pictures a step, after --batch-size auto.

    As many as make up for the batch of the recipe, where that is larger, unless --accumulate says.
    """
    if args.accumulate > 1 or "accumulate" in getattr(args, "given", ()):
        return args.accumulate
    wanted = RECIPES[args.recipe].options.get("batch_size", 1) if args.recipe else 1
    return max(1, math.ceil(wanted / batch))


def settle_batch(args, network, generators, make, report):
    """Set the batch that --batch-size auto asks for, and group the pictures so.

    Args:
        args: of the command; another --batch-size is left as it is.
        network: that trains.
        generators: for training and validation; the latter may be None.
        make: f(batch_size=…) -> a compiled model of the network.
        report: gets a line of text.
    """
    if args.batch_size != AUTO:
        return
    from keras_retinanet.models.batch_memory import drawn_pictures, largest_batch, try_on

    sides = args.image_min_side, args.image_max_side
    size = (args.tile, args.tile) if args.tile else sides
    most = min(MOST_PICTURES, generators[0].size())

    def try_steps(batch):
        try_on(make(batch_size=batch), drawn_pictures(network, size, batch))

    batch, why = largest_batch(network, size, most, args.remat, try_steps)
    args.batch_size, args.accumulate = batch, accumulated(args, batch)
    report(f"--batch-size auto: {batch}, {args.accumulate} steps to an update; {why}")
    regroup(generators, batch)


def regroup(generators, batch):
    """Let `generators` make batches of `batch` pictures."""
    for generator in generators:
        if generator is not None:
            batches = getattr(generator, "tiled", None) or generator
            batches.batch_size = batch
            batches.begin()


def halve(args):
    """Set half as many pictures a step, and as many more steps to an update.

    Raises:
        ValueError: one picture is too much.
    """
    before = args.batch_size
    args.batch_size = halved(before, args.devices)
    if not args.batch_size:
        what = "one picture a step" if before == 1 else f"one picture on each of {before} devices"
        raise ValueError(
            f"out of memory with {what}; give a smaller --image-min-side and "
            "--image-max-side, --tile, --remat, --dtype mixed_bfloat16 or a smaller --backbone"
        )
    args.accumulate = math.ceil(before * args.accumulate / args.batch_size)
    for name in ("warmup_steps", "steps"):
        if getattr(args, name):
            setattr(args, name, math.ceil(getattr(args, name) * before / args.batch_size))


def fit_in_memory(args, model, generators, steps, fit, remake, report):
    """Return the History of `fit`; where memory runs out, it goes on with smaller batches.

    Args:
        args: of the command.
        model: compiled training model.
        generators: for training and validation; the latter may be None.
        steps: of an epoch.
        fit: f(model, first epoch or None for the run's, steps, callback) -> History.
        remake: f(steps of an epoch) -> a new compiled model of the network.
        report: gets a line of text.
    """
    from keras_retinanet.callbacks.epoch_start import EpochStart
    from keras_retinanet.utils import processes
    from keras_retinanet.utils.memory import is_out_of_memory

    earlier, first, kept = {}, None, EpochStart()
    while True:
        try:
            return with_earlier(fit(model, first, steps, kept), earlier)
        except Exception as error:
            if kept.state is None or not is_out_of_memory(error):
                raise
            if processes.number() > 1:  # the others do not know of it
                raise ValueError(
                    f"process {processes.index()} is out of memory with {args.batch_size} "
                    f"pictures a step on {processes.number()} processes; give a smaller "
                    "--batch-size, --remat or --dtype mixed_bfloat16"
                ) from error
        merge(earlier, model.history)
        pictures, before = args.batch_size, steps
        halve(args)
        model = None
        gc.collect()  # what the failed step held
        regroup(generators, args.batch_size)
        steps = args.steps or len(generators[0])
        model, first = remake(steps), kept.state.epoch
        kept.state.restore(model, steps / before, args.accumulate)
        report(
            f"out of memory with {pictures} pictures a step: epoch {first + 1} begins again "
            f"with {args.batch_size}, {args.accumulate} steps to an update"
        )


def merge(earlier, history):
    """Add the finished epochs of a History to the dict `earlier`."""
    earlier.setdefault("epoch", []).extend(getattr(history, "epoch", []))
    for name, values in getattr(history, "history", {}).items():
        earlier.setdefault("history", {}).setdefault(name, []).extend(values)


def with_earlier(history, earlier):
    """Return the History with the epochs of `earlier` before its own."""
    before = earlier.get("history", {})
    history.epoch = [*earlier.get("epoch", []), *history.epoch]
    history.history = {
        name: [*before.get(name, []), *history.history.get(name, [])]
        for name in {**before, **history.history}
    }
    return history
