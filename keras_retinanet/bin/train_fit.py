"""`fit` on the raw view of the training pictures, whatever may end it."""

from functools import partial

from keras_retinanet.bin.datasets import some_names


def feed_of(network):
    """Return f(Loader) -> what `fit` takes, for the pictures that `network` takes."""
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.preprocessing.feed import fit_input

    preprocessing = profile_of(network).preprocessing
    return partial(fit_input, channels=preprocessing.channels, dtype=f"uint{preprocessing.bits}")


def picture_names(generator):
    """Return f(step of the run) -> names of the pictures of its batch."""

    def names(step):
        epoch, index = divmod(step, len(generator))
        return [generator.image_name(i) for i in generator.epoch_groups(epoch)[index]]

    return names


def fit(args, model, start, generators, callbacks, steps, report):
    """Run `keras.Model.fit` on the raw view of the training generator; return its History.

    Args:
        args: of the command.
        model: compiled training model.
        start: `train_network.Start`.
        generators: for training and validation; the latter may be None.
        callbacks: of the run.
        steps: of an epoch.
        report: gets lines of text.
    """
    from keras_retinanet.callbacks.checkpoints import RunEnded
    from keras_retinanet.preprocessing.batch_parts import own_part
    from keras_retinanet.preprocessing.loader import Loader

    first, ahead = start.epoch * steps + start.step, args.max_queue_size
    with Loader(generators[0], args.workers, ahead, first, part=own_part()) as loader:
        try:
            history = model.fit(
                feed_of(start.network)(loader),
                steps_per_epoch=steps,
                initial_epoch=start.epoch,
                epochs=args.epochs,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
        except RunEnded as ended:
            report(f"{ended}")
            history = model.history
    for part in generators:
        if part is not None and part.skipped:
            names = some_names(part.skipped, most=3)
            report(f"{len(part.skipped)} broken pictures were left out: {names}")
    return history
