"""retinanet-train: from annotated pictures to a trained detector."""

import argparse
import os
import secrets
from functools import partial

from keras_retinanet.bin import (
    process_options,
    train_again,
    train_devices,
    train_memory,
    train_network,
    train_plan,
    train_recipes,
    train_report,
    train_source,
)
from keras_retinanet.bin.console import import_keras, run
from keras_retinanet.bin.datasets import class_names, make_generator, some_names
from keras_retinanet.bin.output_files import check_new_folder
from keras_retinanet.bin.picture_options import augmentation_options
from keras_retinanet.bin.run_folder import begin_run
from keras_retinanet.bin.tile_options import tiled
from keras_retinanet.bin.train_callbacks import (
    begin_again,
    create_callbacks,
    make_callbacks,
    report,
    report_snapshots,
)
from keras_retinanet.bin.train_doctor import look
from keras_retinanet.bin.train_fit import fit
from keras_retinanet.bin.train_objective import make_objective, settle_class_weights
from keras_retinanet.bin.train_old_names import create_models, makedirs, model_with_weights
from keras_retinanet.bin.train_options import PROG, check_args, parse_args, resumed
from keras_retinanet.bin.train_resume import load_optimizer, training_facts
from keras_retinanet.bin.train_stop import SharedStop, Stop, watched
from keras_retinanet.utils import processes

__all__ = [
    "check_args",
    "create_callbacks",
    "create_generators",
    "create_models",
    "main",
    "makedirs",
    "model_with_weights",
    "parse_args",
]

# TensorFlow and torch take any size; JAX compiles for each one, some 20 s
CANVAS_MULTIPLE = {"jax": 128}


def create_generators(args, preprocess_image=None):
    """Return the training generator and the validation generator (or None).

    Args:
        args: of `parse_args`.
        preprocess_image: of the backbone; by default that of `args.backbone`.
    """
    import keras

    from keras_retinanet.models import backbone

    common = {
        "batch_size": args.batch_size or 1,  # 0: not known yet
        "channels": args.channels,
        "image_min_side": args.image_min_side,
        "image_max_side": args.image_max_side,
        "no_resize": args.no_resize,
        "resize_rule": getattr(args, "resize_rule", "opencv"),  # a snapshot's own, if there is one
        "preprocess_image": preprocess_image or backbone(args.backbone).preprocess_image,
        "exif": not args.ignore_exif,
        "skip_broken": args.skip_broken,
        "max_pixels": args.max_pixels,
        "seed": args.seed,
        "canvas_multiple": CANVAS_MULTIPLE.get(keras.backend.backend(), 32),
    }
    changes = augmentation_options(args, args.epochs - args.mosaic_off)
    if args.tile:
        pictures = {**common, "batch_size": 1, "group_method": "none", "shuffle_groups": False}
        train = tiled(make_generator(args, "train", **pictures), args, **changes, **common)
        validation = make_generator(args, "validation", **pictures)
        if validation is not None:
            validation.tiled = tiled(validation, args, shuffle_groups=False, **common)
    else:
        train = make_generator(args, "train", group_method=args.group_method, **changes, **common)
        validation = make_generator(args, "validation", shuffle_groups=False, **common)
    if validation is not None and class_names(validation) != class_names(train):
        raise ValueError(
            f"the classes to measure on ({some_names(class_names(validation))}) are not those to "
            f"train on ({some_names(class_names(train))}); export both parts with the same classes"
        )
    if not any(len(train.load_annotations(i)["labels"]) for i in range(train.size())):
        raise ValueError("no training picture has an object: there is nothing to learn")
    return train, validation


def make_optimizer(args, start, steps):
    """Return the optimizer of this run, for `steps` steps in all."""
    from keras_retinanet.models import optimizer, schedules
    from keras_retinanet.models.retinanet import backbone_layers

    drops = [round(epoch * steps / args.epochs) for epoch in args.lr_steps or ()]
    rate = schedules.make_schedule(args.lr_schedule, args.lr, steps, args.warmup_steps, drops)
    slow = backbone_layers(start.network) if start.pretrained else ()
    return optimizer.make_optimizer(
        args.optimizer,
        rate,
        args.optimizer_clipnorm,
        slow_paths=[variable.path for layer in slow for variable in layer.trainable_variables],
        slow_factor=args.backbone_rate,
        loss_scaling=args.dtype == "mixed_float16",
        settings=train_recipes.optimizer_settings(args),
        average=args.ema,
    )


def make_training_model(args, start, steps):
    """Return the compiled training model, its optimizer restored where a file has its state."""
    from keras_retinanet.models.checkpoint import load_model_state, load_optimizer_state
    from keras_retinanet.models.remat import with_recomputed_parts
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.models.training import TrainingModel

    objective = make_objective(args, profile_of(start.network).classes)
    model = TrainingModel(start.network, objective)
    if args.remat:
        model.core = with_recomputed_parts(model.core)
    optimizer = make_optimizer(args, start, steps)
    optimizer.build(model.trainable_variables)
    if args.resume:
        load_optimizer_state(args.checkpoint, model, optimizer)
    elif args.snapshot:
        load_optimizer(optimizer, args, start.facts, report)
    model.compile(optimizer=optimizer, jit_compile="auto")
    if args.resume:
        load_model_state(args.checkpoint, model)
    return model


def prepare(args):
    """Set devices, precision, seed and determinism, before anything is built."""
    if args.gpu is not None:
        from keras_retinanet.utils.gpu import setup_gpu

        setup_gpu(args.gpu)
    from keras_retinanet.utils.determinism import make_deterministic, prepare_environment

    if args.deterministic:
        prepare_environment(os.environ.get("KERAS_BACKEND", "tensorflow"))
    train_devices.divide(args)
    process_options.join(args)
    keras = import_keras()
    if args.deterministic:
        make_deterministic(keras.backend.backend())
    keras.config.set_dtype_policy(args.dtype or "float32")  # a snapshot's layers have their own
    if args.seed is None:
        # a run must be able to go on with the same order
        args.seed = processes.told(secrets.randbits(32))
    keras.utils.set_random_seed(args.seed)


def shared_out(devices, processes):
    """Return where the pictures of a step go, as the end of a line."""
    if processes == 1:
        return f" on {devices} devices" if devices > 1 else ""
    return f" in {processes} processes" + (f" of {devices} devices" if devices > 1 else "")


def describe(args, start, train, validation, steps):
    """Report what is about to happen."""
    measured = f", {validation.size()} to measure on" if validation is not None else ""
    kind = f"tiles of {train.dataset.size()} pictures" if args.tile else "pictures"
    empty = (train.dataset if args.tile else train).without_objects()
    background = f" ({empty} without objects, as background)" if empty else ""
    report(
        f"{train.size()} {kind}{background}, {train.num_classes()} classes{measured}; "
        f"{args.backbone}, {start.network.count_params():,} parameters; "
        f"{steps} steps of {args.batch_size} an epoch"
        + shared_out(args.devices, processes.number())
    )
    if args.folder is not None:
        report(f"writing to {args.folder}")


def train_on(args, begin, train, validation):
    """Train as `args` say; return the History.

    Args:
        args: of the command, settled.
        begin: a `train_source.Plan`, or what `train_network.open_snapshot` gave.
        train, validation: of `create_generators`.
    """
    from keras_retinanet.models.snapshot import profile_of

    begin = train_source.with_bits(args, begin, train, validation)
    settle_class_weights(args, train, report)
    start = train_network.make_start(args, class_names(train), begin, report)
    generators = train, validation

    def remake(steps=1, **changes):
        """Return a new compiled model of the same network, its optimizer fresh."""
        now = argparse.Namespace(**{**vars(args), "snapshot": None, "resume": None, **changes})
        train_recipes.settle_rates(now, steps)
        return make_training_model(now, start, steps * args.epochs)

    train_memory.settle_batch(args, start.network, generators, remake, report)
    if problem := train_devices.uneven(args.batch_size, args.devices, processes.number()):
        raise ValueError(problem)  # a recipe's batch
    steps = args.steps or len(train)
    if args.resume:
        train_again.check_steps(args, start.facts, steps)
    elif start.epoch >= args.epochs:
        raise ValueError(
            f"{args.snapshot}: has {start.epoch} epochs; --epochs {args.epochs} counts them, "
            f"so give more than {start.epoch}"
        )
    train_recipes.settle_rates(args, steps)
    model = make_training_model(args, start, steps * args.epochs)
    if args.plan:
        train_plan.show(args, model, train, steps, report)
        return None
    args.facts = {"pretrained": start.pretrained, "training": training_facts(args)}
    if not args.resume:
        args.folder = begin_run(args, steps)
    describe(args, start, train, validation, steps)
    for line in train_recipes.resolved_lines(args):
        report(line)
    processes.from_first(lambda: look(args, profile_of(start.network), train, validation, report))
    stop = Stop(args.time_budget)
    callbacks = make_callbacks(args, start, model, generators, steps, SharedStop(stop))

    def fit_on(model, first, steps, kept):
        if first is not None:  # memory ran out, and the epoch begins again in smaller batches
            callbacks[:] = begin_again(args, start, callbacks, first, steps)
        return fit(args, model, start, generators, [kept, *callbacks], steps, report)

    try:
        with watched(stop):
            history = train_memory.fit_in_memory(
                args, model, generators, steps, fit_on, remake, report
            )
        train_report.write_page(args, callbacks, train, report)
        return history
    finally:
        report_snapshots(args, callbacks)


def main(args=None):
    """Run the command with the words `args`; return the History of the training."""
    args = parse_args(args)
    if args.resume:
        args = resumed(args)
        train_again.enter(args)
        for problem in process_options.process_contradictions(args):
            raise ValueError(problem)
    if process_options.starts_others(args):
        train_again.supervise(args, report)
    for notice in args.notices:
        report(notice)
    if args.snapshots and not args.resume:
        check_new_folder(args.snapshot_path, "--snapshot-path")
    if args.tensorboard_dir:
        check_new_folder(args.tensorboard_dir, "--tensorboard-dir")
    prepare(args)
    lost = "start them all again with --resume"
    with process_options.together(PROG, lost), train_devices.shared(args):
        return train_from(args)


def train_from(args):
    """Train from what `args` name; return the History."""
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.utils.image import preprocess_image

    if args.resume:
        last = processes.from_first(lambda: str(train_again.last_whole(args.folder, report)))
        begin = train_again.start_from(args, last, report)
        profile = profile_of(begin.network)
    elif args.snapshot:
        begin = train_network.open_snapshot(args, report)
        profile = profile_of(begin.network)
    else:
        begin = train_source.make_plan(args, report)
        profile = begin.profile
    train_network.settle_pictures(args, profile)
    preprocess = partial(preprocess_image, mode=profile.preprocessing)
    train, validation = train_recipes.settle_by_size(
        args, partial(create_generators, args, preprocess)
    )
    return train_on(args, begin, train, validation)


def console():
    """Run the command as a program."""
    process_options.end(run(main, PROG))


if __name__ == "__main__":
    console()
