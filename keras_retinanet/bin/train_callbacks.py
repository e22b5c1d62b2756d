"""What happens after each epoch of retinanet-train, and what is said about it."""

import math
import sys


def report(text):
    """Print a line at once, over a moving one."""
    clear = "\r\x1b[K" if sys.stderr.isatty() and sys.stdout.isatty() else ""
    print(f"{clear}{text}", flush=True)


def create_callbacks(model, training_model, prediction_model, validation_generator, args):
    """Return the callbacks of a run in their order.

    Args:
        model: the network, which snapshots keep.
        training_model: what `fit` is called on.
        prediction_model: detector of `model`, for measuring.
        validation_generator: pictures to measure on, or None.
        args: of `parse_args`; `args.folder` is the run's folder, None for no files.
    """
    import keras

    from keras_retinanet.callbacks import Evaluate, RedirectModel
    from keras_retinanet.callbacks.history import History
    from keras_retinanet.callbacks.progress import Progress, moving_line
    from keras_retinanet.callbacks.snapshots import KeepBest, KeepLast

    made, board = [], None
    folder = getattr(args, "folder", None)
    if folder is not None:
        made.append(KeepLast(model, folder, extra=args.facts))
    if args.tensorboard_dir:
        board = keras.callbacks.TensorBoard(
            args.tensorboard_dir, update_freq=args.tensorboard_freq, write_graph=False
        )
    if args.evaluation and validation_generator is not None:
        evaluate = Evaluate(
            validation_generator,
            tensorboard=board,
            weighted_average=args.weighted_average,
            verbose=0,
            coco=True,
        )
        made.append(RedirectModel(evaluate, prediction_model))
    if folder is not None:
        made.append(KeepBest(model, folder, extra=args.facts))
        made.append(History(folder / "history.csv"))
    made += _rate_and_stop(args)
    made += [board] if board else []
    return [*made, Progress(args.batch_size, report, moving_line())]


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
    from keras_retinanet.callbacks.snapshots import KeepBest, KeepLast

    last = next((item for item in callbacks if isinstance(item, KeepLast)), None)
    best = next((item for item in callbacks if isinstance(item, KeepBest)), None)
    if last is None or not last.written:
        return
    if best.best is not None:
        value, epoch = best.best
        shown = f"{abs(value):.4f}" if math.isfinite(value) else "nan: the training diverged"
        report(f"best: epoch {epoch}, {best.monitored} {shown}, {best.path}")
    if last.written < args.epochs:
        report(f"epoch {last.written} is kept; go on with --snapshot {last.path}")
