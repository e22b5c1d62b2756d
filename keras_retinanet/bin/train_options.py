"""The options of retinanet-train, and the checks that need no picture and no network.

Defaults that differ from keras-retinanet 1.0 stand in docs/coming-from-1.0.md with the reason.
"""

import argparse
import importlib.util
import re
import sys

from keras_retinanet.bin import train_again, train_memory, train_recipes, train_repeat
from keras_retinanet.bin.console import Parser, add_everywhere, number
from keras_retinanet.bin.datasets import add_datasets, may_measure
from keras_retinanet.bin.durations import duration, interval
from keras_retinanet.bin.picture_options import (
    MAX_PIXELS,
    add_augmentation,
    add_channels,
    settle_augmentation,
)
from keras_retinanet.bin.tile_options import add_tiles, check_tiles
from keras_retinanet.bin.train_objective import NEW_OBJECTIVE, add_objective

PROG = "retinanet-train"
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")
# as in models.freezing, whose import would load Keras; a test holds them equal
ALL_STAGES = 5
BATCH_NORM = ("frozen", "train", "sync")
# How a run trains unless the command line or the snapshot that it goes on from says so.
NEW_RUN = {
    "optimizer": "adam",
    "lr_schedule": "cosine",
    "backbone_rate": 0.1,
    "optimizer_clipnorm": 1.0,
    **train_recipes.NEW_RATES,
    **NEW_OBJECTIVE,
    "dtype": "float32",
    "ema": None,
}
# What shapes a new network; None leaves it to --config, then to models.retinanet.
NEW_NETWORK = {
    "backbone": "resnet50",
    "pyramid_features": None,
    "head_features": None,
    "head_layers": None,
}
PRIOR = 0.01
MOSAIC_OFF = 0.1  # share of the epochs, the last ones
GONE = {
    "multi_gpu": "--multi-gpu is gone: its Keras function is; choose one device with --gpu",
    "multi_gpu_force": "--multi-gpu-force is gone with --multi-gpu",
    "multiprocessing": "--multiprocessing is now threads: use --workers N",
}


def _frequency(text):
    return text if text in ("epoch", "batch") else number(int, low=1)(text)


def _add_start(parser):
    parser.add_argument(
        "--resume",
        metavar="RUN_FOLDER",
        help="let the run of this folder go on as if it had never stopped; needs nothing else",
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--snapshot", help="go on from this snapshot in a new run's folder")
    start.add_argument(
        "--imagenet-weights",
        action="store_const",
        const=True,
        help="start the backbone from ImageNet weights, fetched on first use (yes)",
    )
    start.add_argument("--weights", help="start from any model file; its classes keep their rows")
    start.add_argument("--backbone-weights", help="start the backbone alone from this file")
    start.add_argument("--no-weights", action="store_true", help="start from random weights")


def _add_network(parser):
    parser.add_argument("--backbone", help="name, such as mobilenetv2_1.0 (resnet50)")
    parser.add_argument(
        "--freeze-backbone",
        type=number(int, low=0, high=ALL_STAGES),
        metavar="STAGES",
        help="keep the weights of the first stages: 1 is the stem; without a number all 5 (0)",
    )
    parser.add_argument(
        "--batch-norm",
        choices=BATCH_NORM,
        help="keep its statistics and scales, train them, or over all replicas "
        "(frozen with pretrained weights, else train)",
    )
    parser.add_argument("--config", help=".ini file: anchors, pyramid levels, network sizes")
    whole = number(int, low=1)
    parser.add_argument("--pyramid-features", type=whole, help="channels of the pyramid (256)")
    parser.add_argument("--head-features", type=whole, help="channels of the heads (256)")
    parser.add_argument("--head-layers", type=number(int, low=0), help="depth of the heads (4)")
    add_objective(parser)
    parser.add_argument(
        "--prior-probability",
        type=number(float, above=0, high=0.999),
        help="first score of every anchor; 0.5 for no prior (0.01)",
    )


def _add_optimization(parser):
    train_recipes.add_recipes(parser)
    train_memory.add_memory(parser)
    parser.add_argument("--epochs", type=number(int, low=1), default=50, help="epochs in all")
    parser.add_argument("--initial-epoch", type=number(int, low=0), help="epoch to count from")
    parser.add_argument(
        "--steps", type=number(int, low=1), help="steps an epoch; once through the pictures"
    )
    parser.add_argument(
        "--lr",
        type=number(float, above=0),
        help="learning rate, the peak of the schedule (the recipe's, for the batch)",
    )
    parser.add_argument("--optimizer", choices=("adam", "adamw", "sgd"), help="method (adam)")
    parser.add_argument(
        "--lr-schedule",
        choices=("cosine", "steps", "constant", "plateau"),
        help="cosine; steps with --lr-steps, plateau with --reduce-lr-*",
    )
    parser.add_argument(
        "--backbone-rate",
        type=number(float, above=0),
        help="factor on the learning rate of a pretrained backbone (0.1)",
    )
    parser.add_argument(
        "--optimizer-clipnorm",
        type=number(float, low=0),
        help="largest norm of each variable's gradient; 0 for none (1.0)",
    )
    parser.add_argument("--reduce-lr-patience", type=number(int, low=0), help="epochs (2)")
    parser.add_argument(
        "--reduce-lr-factor", type=number(float, above=0, high=0.999), help="factor (0.1)"
    )
    parser.add_argument("--early-stopping", type=number(int, low=1), help="epochs without gain")
    parser.add_argument(
        "--ema",
        type=number(float, above=0, high=0.999999),
        metavar="DECAY",
        help="measure and keep averaged weights, such as of 0.999; 0.99 is the last 100 steps",
    )
    parser.add_argument("--dtype", choices=DTYPES, help="precision (float32)")
    parser.add_argument("--seed", type=number(int, low=0, high=2**32 - 1), help="repeatable run")
    parser.add_argument(
        "--deterministic", action="store_true", help="the same weights to the bit each time"
    )
    parser.add_argument(
        "--time-budget", type=duration, metavar="TIME", help="end in good order after 2h, say"
    )
    parser.add_argument("--gpu", help='ids of the GPUs to use, "0" or "0,1"; "cpu" for none')


def _add_pictures(parser):
    add_augmentation(parser, "flips")
    add_channels(parser)
    add_tiles(parser, "the snapshot's, or none")
    parser.add_argument(
        "--mosaic-off",
        type=number(int, low=0),
        help="last epochs without mosaic, with scale-jitter instead (a tenth of all)",
    )
    side = number(int, low=1)
    own = "; the snapshot's, or"
    parser.add_argument("--image-min-side", type=side, help=f"smaller side, pixels{own} 800")
    parser.add_argument("--image-max-side", type=side, help=f"larger side, pixels{own} 1333")
    parser.add_argument("--no-resize", action="store_true", help="leave sizes alone")
    parser.add_argument("--group-method", choices=("ratio", "random", "none"), default="ratio",
                        help="how pictures are put into batches")  # fmt: skip
    parser.add_argument("--ignore-exif", action="store_true", help="do not turn pictures upright")
    parser.add_argument("--skip-broken", action="store_true", help="leave broken pictures out")
    parser.add_argument(
        "--max-pixels", type=number(int, low=1), default=MAX_PIXELS, help="refuse larger pictures"
    )
    parser.add_argument("--no-doctor", dest="doctor", action="store_false", default=True,
                        help="do not look for faults of the dataset")  # fmt: skip
    parser.add_argument("--workers", type=number(int, low=0), default=2, help="loader threads")
    parser.add_argument(
        "--max-queue-size", type=number(int, low=1), default=10, help="batches made ahead"
    )


def _add_output(parser):
    parser.add_argument("--snapshot-path", default="./snapshots", help="folder of the runs")
    parser.add_argument("--run-name", help="folder of this run; backbone, dataset and time")
    parser.add_argument(
        "--save-every",
        type=interval,
        default="30m",
        metavar="STEPS|TIME",
        help="write a checkpoint within epochs, too: each 500 steps, or 10m",
    )
    parser.add_argument("--no-snapshots", dest="snapshots", action="store_false", default=True,
                        help="write no run folder")  # fmt: skip
    parser.add_argument("--no-evaluation", dest="evaluation", action="store_false", default=True,
                        help="do not measure after each epoch")  # fmt: skip
    parser.add_argument("--weighted-average", action="store_true", help="mAP weighted by objects")
    parser.add_argument("--compute-val-loss", action="store_true", help="validation losses, too")
    parser.add_argument("--tensorboard-dir", default="", help="folder for TensorBoard's logs")
    parser.add_argument(
        "--tensorboard-freq", type=_frequency, default="epoch", help="epoch, batch or steps"
    )


def _add_gone(parser):
    parser.add_argument("--multi-gpu", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--multi-gpu-force", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--multiprocessing", action="store_true", help=argparse.SUPPRESS)


def _add_options(parser):
    for add in (_add_start, _add_network, _add_optimization, _add_pictures, _add_output, _add_gone):
        add(parser)


def make_parser():
    """Return the parser of retinanet-train."""
    parser = Parser(prog=PROG, description="Train a RetinaNet on your pictures.")
    add_everywhere([parser, *add_datasets(parser, "train", Parser)], _add_options)
    return parser


def _contradictions(args):
    """Yield what is wrong with options that are right one by one."""
    smaller, larger = args.image_min_side, args.image_max_side
    if smaller and larger and smaller > larger:
        yield f"--image-min-side {smaller} is larger than --image-max-side {larger}"
    if args.no_resize and (smaller or larger):
        yield "--no-resize leaves sizes alone; take it or the --image-*-side options away"
    starts = ("snapshot", "imagenet_weights", "weights", "backbone_weights", "no_weights")
    given = ["--" + name.replace("_", "-") for name in starts if getattr(args, name)]
    if len(given) > 1:  # argparse sees it only on one side of the dataset word
        yield f"{' and '.join(given)} exclude each other"
    if args.freeze_backbone and args.no_weights:
        yield "--freeze-backbone with --no-weights would keep the backbone's random weights"
    if args.batch_norm == "frozen" and args.no_weights:
        yield "--batch-norm frozen with --no-weights would keep statistics of nothing"
    if args.snapshot and args.prior_probability is not None:
        yield "--prior-probability starts a new network; leave it out with --snapshot"
    if args.label_smoothing and args.classification_loss == "quality-focal":
        yield "--label-smoothing and quality-focal both set the targets; leave one out"
    if args.no_resize and args.batch_size > 1 and args.group_method != "ratio":
        yield "--no-resize with batches needs --group-method ratio, or --batch-size 1"
    plateau = args.reduce_lr_patience is not None or args.reduce_lr_factor is not None
    if plateau and args.lr_schedule not in (None, "plateau"):
        yield f"--reduce-lr-* go with --lr-schedule plateau, not {args.lr_schedule}"
    yield from train_recipes.rate_contradictions(args)
    if args.initial_epoch is not None and args.initial_epoch >= args.epochs:
        yield f"--initial-epoch {args.initial_epoch} leaves nothing of --epochs {args.epochs}"
    if args.run_name and not re.fullmatch(r"[\w][\w.+-]*", args.run_name):
        yield f"--run-name {args.run_name!r} must be a plain folder name"
    if args.mosaic_off is not None and args.augmentation != "mosaic":
        yield "--mosaic-off goes with --augmentation mosaic"
    if args.mosaic_off is not None and args.mosaic_off > args.epochs:
        yield f"--mosaic-off {args.mosaic_off} is more than --epochs {args.epochs}"
    if args.compute_val_loss and not may_measure(args):
        yield "--compute-val-loss needs --val-annotations"
    if args.early_stopping and not (may_measure(args) and args.evaluation):
        yield "--early-stopping needs --val-annotations and evaluation"
    if args.tensorboard_dir and importlib.util.find_spec("tensorboard") is None:
        yield "--tensorboard-dir needs TensorBoard: pip install tensorboard"


def _settle(args, defaults):
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def check_args(args):
    """Return `args` with what follows from them, or raise ValueError.

    Adds `notices`: one line for each option that does nothing any more. With --snapshot or
    --weights, what that file decides stays None until it is read.
    """
    for problem in _contradictions(args):
        raise ValueError(problem)
    args.notices = [text for name, text in GONE.items() if getattr(args, name)]
    plateau = args.reduce_lr_patience is not None or args.reduce_lr_factor is not None
    if args.lr_steps:
        args.lr_schedule = args.lr_schedule or "steps"
    check_tiles(args)
    settle_augmentation(args, "flips")
    args.lr_schedule = args.lr_schedule or ("plateau" if plateau else None)
    args.imagenet_weights = not args.no_weights
    if not (args.snapshot or args.weights):
        _settle(args, NEW_NETWORK)
    if not args.snapshot:
        _settle(args, {**NEW_RUN, "prior_probability": PRIOR})
    tenth = round(args.epochs * MOSAIC_OFF)
    args.mosaic_off = tenth if args.mosaic_off is None else args.mosaic_off
    args.reduce_lr_patience = 2 if args.reduce_lr_patience is None else args.reduce_lr_patience
    args.reduce_lr_factor = args.reduce_lr_factor or 0.1
    args.workers = max(1, args.workers)
    return args


def _with_stages(words):
    """Return the command line with a number behind every --freeze-backbone.

    argparse would take the word after an option whose value may be left out, such as csv, for it.
    """
    option = "--freeze-backbone"
    bare = [
        word == option and not following.isdigit()
        for word, following in zip(words, [*words[1:], ""], strict=True)
    ]
    return [
        f"{option}={ALL_STAGES}" if alone else word for word, alone in zip(words, bare, strict=True)
    ]


def parse_args(args=None):
    """Return the checked options of the command line `args` (sys.argv[1:] by default).

    With --resume they are as given, for `resumed` to look at.
    """
    parser = make_parser()
    words = [str(word) for word in (sys.argv[1:] if args is None else args)]
    if train_again.is_resumed(words):
        train_again.without_dataset(parser)
        parsed = parser.parse_args(_with_stages(words))
        parsed.words, parsed.notices = words, []
        return parsed
    try:
        repeated = train_repeat.expanded(words)
        words = _with_stages(repeated.words)
        parsed = parser.parse_args(words)
        parsed.words = repeated.words
        parsed.given = train_recipes.given_options(parser, words)
        train_recipes.apply_recipe(parsed)
        args = check_args(parsed)
        train_repeat.restore(args, repeated, parser)
        return args
    except ValueError as error:
        parser.error(str(error))


def resumed(args):
    """Return the options of the run that `args`, of a command line with --resume, names.

    Raises:
        ValueError: the folder is none of a run, or an option differs from the run's.
    """
    parser = make_parser()
    train_again.without_dataset(parser)
    return train_again.resumed_args(
        parser, args, lambda words: parser.parse_args(_with_stages(words))
    )
