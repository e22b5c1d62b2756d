"""The options of retinanet-train that recipes fill in, and what follows from the batch.

An option of the command line comes before the recipe's value, that before the default.
"""

import argparse
import textwrap

from keras_retinanet.bin.console import number
from keras_retinanet.bin.datasets import may_measure
from keras_retinanet.bin.process_options import OWN
from keras_retinanet.bin.recipes import RECIPES, SMALL, SMALL_DATASET, STANDARD

# None: as Keras has it, or as the schedule or the recipe says
NEW_RATES = {"weight_decay": None, "momentum": None, "warmup_steps": None, "lr_steps": None}
MEASURED = ("early_stopping",)  # goes by the mAP
# no options, options of 1.0 that do nothing, of one process, and what is said elsewhere
HIDDEN = {"given", "notices", "facts", "folder", "words", "recipe", "repeat", "plan"}
HIDDEN |= {"multi_gpu", "multi_gpu_force", "multiprocessing", "again", *OWN}
_WIDTH = 98
WHOLE = {"break_on_hyphens": False, "break_long_words": False}  # paths stay in one piece


def epochs_list(text):
    """Return the rising numbers in `text`, commas between, as an argparse type."""
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if not values or any(low >= high for low, high in zip((0, *values), values, strict=False)):
        raise argparse.ArgumentTypeError(f"{text!r} must be rising epochs, such as 8,11")
    return values


def add_recipes(parser):
    """Add the options."""
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        help=f"how to train, by name ({SMALL} for under {SMALL_DATASET} pictures, else {STANDARD})",
    )
    parser.add_argument(
        "--from",
        dest="repeat",
        metavar="CONFIG.JSON",
        help="repeat the run that wrote this file, with the options given beside it",
    )
    parser.add_argument(
        "--weight-decay",
        type=number(float, low=0),
        help="share of a weight that a step takes off, times the rate (0; adamw 0.004)",
    )
    parser.add_argument("--momentum", type=number(float, low=0, high=0.9999), help="of sgd (0.9)")
    parser.add_argument(
        "--warmup-steps",
        type=number(int, low=0),
        help="steps of warm-up (5 %% of all, at most 500)",
    )
    parser.add_argument(
        "--lr-steps",
        type=epochs_list,
        metavar="EPOCHS",
        help="epochs after which the rate falls to a tenth, as 8,11",
    )


def given_options(parser, words):
    """Return the sorted names of the options that the command line `words` names."""
    missing = object()
    names = {action.dest for action in parser._actions}
    seen = parser.parse_args(words, argparse.Namespace(**dict.fromkeys(names, missing)))
    given = {name for name, value in vars(seen).items() if value is not missing}
    return sorted(given | ({"augmentation"} if "random_transform" in given else set()))


def apply_recipe(args):
    """Set what the recipe of `args` says and the command line does not."""
    if args.recipe is not None:
        _fill(args, RECIPES[args.recipe].options)


def _fill(args, options):
    measured = may_measure(args) and args.evaluation
    for name, value in options.items():
        if name == "freeze_backbone" and args.no_weights:
            continue  # it would keep random weights
        if name not in args.given and (measured or name not in MEASURED):
            setattr(args, name, value)


def settle_by_size(args, make):
    """Return the generators of `make`, made again where their number of pictures decides.

    Args:
        args: of the command; without a recipe it gets that for the size of the dataset.
        make: f() -> (training generator, validation generator or None), as `args` say.
    """
    train, validation = make()
    given = getattr(args, "given", None)
    if given is None or args.recipe is not None:
        return train, validation
    pictures = (train.dataset if args.tile else train).size()
    args.recipe = SMALL if pictures < SMALL_DATASET else STANDARD
    before = args.augmentation
    _fill(args, RECIPES[args.recipe].options)
    return (train, validation) if args.augmentation == before else make()


def settle_rates(args, steps):
    """Set learning rate, warm-up and drops for the batch, as far as they are open.

    Args:
        args: of the command.
        steps: of an epoch.
    """
    recipe = RECIPES[args.recipe or STANDARD]
    batch = args.batch_size * args.accumulate
    args.lr = args.lr or recipe.rate(batch)
    if args.warmup_steps is None:
        args.warmup_steps = recipe.warmup_steps(args.batch_size, steps * args.epochs)
    if args.lr_schedule == "steps" and args.lr_steps is None:
        args.lr_steps = recipe.drop_epochs(args.epochs)


def optimizer_settings(args):
    """Return further arguments of the Keras optimizer of `args`; None leaves one to Keras."""
    settings = {
        "weight_decay": args.weight_decay,
        "gradient_accumulation_steps": args.accumulate if args.accumulate > 1 else None,
    }
    return settings | ({"momentum": args.momentum} if args.optimizer == "sgd" else {})


def rate_contradictions(args):
    """Yield what is wrong with options that are right one by one."""
    if args.lr_steps and args.lr_schedule not in (None, "steps"):
        yield f"--lr-steps go with --lr-schedule steps, not {args.lr_schedule}"
    if args.lr_schedule == "steps" and not (args.lr_steps or _drops(args)):
        yield "--lr-schedule steps needs --lr-steps, or a recipe that has them"
    if args.lr_steps and args.lr_steps[-1] >= args.epochs:
        yield f"--lr-steps {args.lr_steps[-1]:g} is not within --epochs {args.epochs}"
    if args.warmup_steps is not None and args.lr_schedule == "plateau":
        yield "--warmup-steps goes with the schedules cosine, steps and constant, not with plateau"
    if args.momentum is not None and args.optimizer not in (None, "sgd"):
        yield f"--momentum goes with --optimizer sgd, not {args.optimizer}"
    if args.repeat:
        yield "--from must be the first word, in place of the dataset"


def _drops(args):
    return args.recipe and RECIPES[args.recipe].drops


def resolved_lines(args):
    """Return lines of text: the recipe, and every option as the run has it."""
    recipe = RECIPES[args.recipe or STANDARD]
    source = f"recipe {args.recipe or STANDARD}: {recipe.source}; COCO AP {recipe.ap}"
    options = {name: value for name, value in vars(args).items() if name not in HIDDEN}
    shown = "; ".join(f"{name} {_shown(value)}" for name, value in sorted(options.items()))
    return [source, *textwrap.wrap(f"options: {shown}", _WIDTH, subsequent_indent="  ", **WHOLE)]


def _shown(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (tuple, list)):
        return ",".join(_shown(item) for item in value)
    return str(value)
