"""The options of retinanet-train.

Defaults that differ from keras-retinanet 1.0 stand in docs/coming-from-1.0.md with the reason.
"""

import argparse
import sys

from keras_retinanet.bin import (
    process_options,
    train_again,
    train_memory,
    train_recipes,
    train_repeat,
)
from keras_retinanet.bin.console import Parser, add_everywhere, number
from keras_retinanet.bin.datasets import add_datasets
from keras_retinanet.bin.durations import duration, interval
from keras_retinanet.bin.picture_options import (
    MAX_PIXELS,
    add_augmentation,
    add_channels,
)
from keras_retinanet.bin.tile_options import add_tiles
from keras_retinanet.bin.train_checks import check_args
from keras_retinanet.bin.train_devices import add_devices
from keras_retinanet.bin.train_objective import add_objective

PROG = "retinanet-train"
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")
# as in models.freezing, whose import would load Keras; a test holds them equal
ALL_STAGES = 5
BATCH_NORM = ("frozen", "train", "sync")


def _frequency(text):
    return text if text in ("epoch", "batch") else number(int, low=1)(text)


def _add_start(parser):
    parser.add_argument(
        "--resume",
        metavar="RUN_FOLDER",
        help="let the run of this folder go on as if it had never stopped; needs nothing else. "
        "auto: that of --run-name, or begin it",
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
    add_devices(parser)
    process_options.add_processes(parser)
    process_options.add_restarts(parser)


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
    parser.add_argument("--no-report", dest="report", action="store_false", default=True,
                        help="write no page about the best epoch at the end")  # fmt: skip
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
    again = train_again.is_auto(words)
    if again:
        words = _settled(parser, words)
    if train_again.is_resumed(words):
        train_again.without_dataset(parser)
        parsed = parser.parse_args(_with_stages(words))
        parsed.words, parsed.notices = words, []
        return parsed
    try:
        repeated = train_repeat.expanded(words)
        words = _with_stages(repeated.words)
        parsed = parser.parse_args(words)
        parsed.words = train_again.without(repeated.words, process_options.OWN_OPTIONS)
        parsed.again = again
        parsed.given = train_recipes.given_options(parser, words)
        train_recipes.apply_recipe(parsed)
        args = check_args(parsed)
        train_repeat.restore(args, repeated, parser)
        return args
    except ValueError as error:
        parser.error(str(error))


def _settled(parser, words):
    def parse(words):
        return parser.parse_args(_with_stages(train_repeat.expanded(words).words))

    try:
        return train_again.settled(words, parse)
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
