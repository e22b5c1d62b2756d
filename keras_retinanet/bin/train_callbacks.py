"""What happens after each epoch of retinanet-train, and what is said about it."""

import math
import sys

from keras_retinanet.utils import processes


def report(text):
    """Print a line at once, over a moving one; of several processes the first speaks."""
    if not processes.is_first():
        return
    clear = "\r\x1b[K" if sys.stderr.isatty() and sys.stdout.isatty() else ""
    print(f"{clear}{text}", flush=True)


ADVICE = (
    "a lower --lr or --optimizer-clipnorm, a longer look at the pictures named "
    "(retinanet-debug --doctor), or --dtype mixed_bfloat16 or float32 in place of mixed_float16"
)


def bad_batches(generator, first_step):
    """Return the callback that names batches whose loss is not finite."""
    from keras_retinanet.bin.train_fit import picture_names
    from keras_retinanet.callbacks.bad_batches import BadBatches

    return BadBatches(picture_names(generator), first_step, report, ADVICE)


def checkpoint_callbacks(args, start, steps, stop, callbacks):
    """Return `callbacks` among those that write checkpoints and go on from one.

    Args:
        args: of the command, with `folder`.
        start: `train_network.Start`.
        steps: of an epoch.
        stop: `train_stop.Stop`.
        callbacks: of `create_callbacks`.
    """
    from keras_retinanet.bin.durations import is_due
    from keras_retinanet.bin.run_folder import CHECKPOINTS
    from keras_retinanet.callbacks.checkpoints import Checkpoints, Place, Resumed

    if args.folder is None:
        return callbacks
    first = Checkpoints(
        start.network,
        args.folder / CHECKPOINTS,
        Place(start.epoch, start.step, steps),
        args.facts,
        is_due(args.save_every),
        stop,
        writes=processes.is_first(),
    )
    first.others = callbacks
    last = [Resumed(args.checkpoint, start.facts, callbacks)] if args.resume else []
    return [first, *callbacks, *last]


def make_callbacks(args, start, model, generators, steps, stop):
    """Return all callbacks of a run in their order.

    Args:
        args: of the command.
        start: `train_network.Start`.
        model: the training model.
        generators: for training and validation; the latter may be None.
        steps: of an epoch.
        stop: what may end the training early.
    """
    from keras_retinanet.models import convert_model
    from keras_retinanet.predict.runner import Runner

    train, validation = generators
    pending = start.facts.get("pending") is not None
    args.epochs_done = start.epoch - pending  # whose row of history.csv is final
    detector = Runner(convert_model(start.network))
    callbacks = create_callbacks(start.network, model, detector, validation, args)
    if not processes.is_first():
        callbacks = without_writers(callbacks)
    callbacks = [bad_batches(train, start.epoch * steps + start.step), *callbacks]
    return checkpoint_callbacks(args, start, steps, stop, callbacks)


def without_writers(callbacks):
    """Return `callbacks`, in place of each that writes files or speaks one that does nothing."""
    import keras

    from keras_retinanet.callbacks.best_detections import BestDetections
    from keras_retinanet.callbacks.curves import Curves
    from keras_retinanet.callbacks.history import History
    from keras_retinanet.callbacks.pictures import Pictures
    from keras_retinanet.callbacks.progress import Progress
    from keras_retinanet.callbacks.snapshots import KeepBest, KeepLast

    writers = (
        BestDetections,
        KeepLast,
        KeepBest,
        History,
        Curves,
        Pictures,
        Progress,
        keras.callbacks.TensorBoard,
    )
    return [
        keras.callbacks.Callback() if isinstance(callback, writers) else callback
        for callback in callbacks
    ]


def begin_again(args, start, callbacks, epoch, steps):
    """Return the callbacks of a run whose epoch begins again with other steps, and say so on disk.

    Args:
        args: of the command, with the new batch.
        start: `train_network.Start`, which is put to that epoch.
        callbacks: of `make_callbacks`.
        epoch: that begins again.
        steps: of an epoch from now on.
    """
    from keras_retinanet.bin.run_folder import write_config
    from keras_retinanet.callbacks.bad_batches import BadBatches
    from keras_retinanet.callbacks.checkpoints import Checkpoints, Continued, Place, Resumed
    from keras_retinanet.callbacks.history import History
    from keras_retinanet.callbacks.progress import Progress

    start.epoch, start.step = epoch, 0
    place = Place(epoch, 0, steps)
    again = (Resumed, Continued)
    callbacks = [callback for callback in callbacks if not isinstance(callback, again)]
    for callback in callbacks:
        if isinstance(callback, Checkpoints):
            callback.begin_again(place)
        elif isinstance(callback, BadBatches):
            callback.begin_again(place.done)
        elif isinstance(callback, Progress):
            callback.batch_size = args.batch_size
        elif isinstance(callback, History):
            callback.done = epoch
    if args.folder is not None:
        write_config(args.folder, args, steps)
    return [*callbacks, Continued(callbacks)]


def create_callbacks(model, training_model, prediction_model, validation_generator, args):
    """Return the callbacks of a run in their order.

    Args:
        model: the network, which snapshots keep.
        training_model: what `fit` is called on.
        prediction_model: detector of `model`, for measuring.
        validation_generator: pictures to measure on, or None.
        args: of `parse_args`; `args.folder` is the run's folder, None for no files.
    """
    from keras_retinanet.callbacks.averages import AveragesIn, AveragesOut
    from keras_retinanet.callbacks.progress import Progress, moving_line
    from keras_retinanet.callbacks.snapshots import KeepLast

    folder, averaged = getattr(args, "folder", None), getattr(args, "ema", None) is not None
    board = _board(args)
    made = [AveragesIn()] if averaged else []
    if folder is not None:
        made.append(KeepLast(model, folder, extra=args.facts))
    if validation_generator is not None:
        made += _measuring(args, model, prediction_model, validation_generator, board)
    if folder is not None:
        made += _keeping(args, model, folder)
        made += _best_detections(made)
    made += _rate_and_stop(args)
    made += [AveragesOut()] if averaged else []
    made += [board] if board else []
    return [*made, Progress(args.batch_size, report, moving_line())]


def _board(args):
    """Return Keras' TensorBoard callback, as far as asked for."""
    import keras

    if not args.tensorboard_dir:
        return None
    return keras.callbacks.TensorBoard(
        args.tensorboard_dir, update_freq=args.tensorboard_freq, write_graph=False
    )


def _measuring(args, model, prediction_model, generator, board):
    """Return the callbacks that measure on the pictures of `generator`, as far as asked for."""
    from keras_retinanet.bin.train_fit import feed_of
    from keras_retinanet.callbacks import Evaluate, RedirectModel
    from keras_retinanet.callbacks.pictures import Pictures
    from keras_retinanet.callbacks.validation import ValidationLoss

    made = []
    if args.compute_val_loss:
        made.append(ValidationLoss(generator.tiled or generator, feed_of(model)))
    if args.evaluation:
        evaluate = Evaluate(
            generator,
            tensorboard=board if processes.is_first() else None,
            weighted_average=args.weighted_average,
            verbose=0,
            coco=True,
        )
        made.append(RedirectModel(evaluate, prediction_model))
        made += [Pictures(evaluate, board)] if board else []
    return made


def _best_detections(callbacks):
    """Return the callback that keeps what was found at the best epoch, where one measures."""
    from keras_retinanet.callbacks import Evaluate, RedirectModel
    from keras_retinanet.callbacks.best_detections import BestDetections
    from keras_retinanet.callbacks.snapshots import KeepBest

    inner = [item.callback for item in callbacks if isinstance(item, RedirectModel)]
    measuring = [item for item in inner if isinstance(item, Evaluate)]
    keeping = [item for item in callbacks if isinstance(item, KeepBest)]
    return [BestDetections(measuring[0], keeping[0])] if measuring and keeping else []


def _keeping(args, model, folder):
    """Return the callbacks that write down what was measured."""
    from keras_retinanet.callbacks.curves import Curves
    from keras_retinanet.callbacks.history import History
    from keras_retinanet.callbacks.snapshots import KeepBest

    history = folder / "history.csv"
    return [
        KeepBest(model, folder, extra=args.facts),
        History(history, getattr(args, "epochs_done", 0)),
        Curves(history),
    ]


def _rate_and_stop(args):
    """Return the callbacks that lower the rate and end the training, as far as asked for."""
    import keras

    made = []
    if args.lr_schedule == "plateau":
        factor, patience = args.reduce_lr_factor, args.reduce_lr_patience
        made.append(keras.callbacks.ReduceLROnPlateau("loss", factor=factor, patience=patience))
    if args.early_stopping:
        made.append(keras.callbacks.EarlyStopping("mAP", patience=args.early_stopping, mode="max"))
    return made


def report_snapshots(args, callbacks):
    """Say what is kept, and how to go on where the run was cut short."""
    from keras_retinanet.callbacks.checkpoints import Checkpoints
    from keras_retinanet.callbacks.snapshots import KeepBest

    kinds = {type(item): item for item in callbacks}
    best, kept = kinds.get(KeepBest), kinds.get(Checkpoints)
    if best is not None and best.best is not None:
        value, epoch = best.best
        shown = f"{abs(value):.4f}" if math.isfinite(value) else "nan: the training diverged"
        report(f"best: epoch {epoch}, {best.monitored} {shown}, {best.path}")
    if kept is not None and kept.place is not None and kept.place.epoch < args.epochs:
        place = kept.place
        inside = f", step {place.step} of {place.steps} of the next" if place.step else ""
        report(f"kept: epoch {place.epoch}{inside}; go on with --resume {args.folder}")
