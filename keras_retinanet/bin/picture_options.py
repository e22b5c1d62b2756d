"""How pictures are read and resized: the options that evaluate and debug share."""

import argparse

from keras_retinanet.bin.console import number

# those of utils.image, whose import would load OpenCV; a test holds them equal
MIN_SIDE, MAX_SIDE = 800, 1333
MAX_PIXELS = 178_956_970
# the names in preprocessing.augmentation, likewise
AUGMENTATIONS = (
    *("flips", "random-transform", "scale-jitter", "overhead", "colours"),
    *("large-scale-jitter", "multi-scale", "crop", "mosaic"),
)


def add_picture_options(parser, min_side=MIN_SIDE, max_side=MAX_SIDE, note=""):
    """Add the options; `note` says in the help where sides come from that have no default."""
    side = number(int, low=1)
    parser.add_argument(
        "--image-min-side", type=side, default=min_side, help=f"smaller side, pixels{note}"
    )
    parser.add_argument(
        "--image-max-side", type=side, default=max_side, help=f"larger side, pixels{note}"
    )
    parser.add_argument("--no-resize", action="store_true", help="leave sizes alone")
    parser.add_argument("--ignore-exif", action="store_true", help="do not turn pictures upright")
    parser.add_argument(
        "--max-pixels", type=number(int, low=1), default=MAX_PIXELS, help="refuse larger pictures"
    )


def add_channels(parser):
    """Add the option for pictures that are not 8 bits of blue, green and red."""
    parser.add_argument(
        "--channels",
        type=number(int, low=1),
        help="read pictures as they are, with so many channels of 8 or 16 bits (8 bits of colour)",
    )


def check_sides(args):
    """Raise ValueError where the sides contradict each other; None is not given."""
    smaller, larger = args.image_min_side, args.image_max_side
    if smaller and larger and smaller > larger:
        raise ValueError(f"--image-min-side {smaller} is larger than --image-max-side {larger}")


def generator_options(args, smaller, larger):
    """Return the options of a generator that gives every picture once, in the dataset's order."""
    return {
        "image_min_side": smaller,
        "image_max_side": larger,
        "exif": not args.ignore_exif,
        "max_pixels": args.max_pixels,
        "group_method": "none",
        "shuffle_groups": False,
    }


def add_augmentation(parser, default):
    """Add the choice of random changes; `default` is said in its help."""
    parser.add_argument(
        "--augmentation", choices=AUGMENTATIONS, help=f"random changes of the pictures ({default})"
    )
    parser.add_argument(
        "--random-transform", action="store_true", help="as --augmentation random-transform"
    )
    parser.add_argument(
        "--augment-with",
        type=_function_path,
        metavar="MODULE:FUNCTION",
        help="your own function (image, boxes, labels) -> the same, called last; its code runs",
    )


def _function_path(text):
    """Return `text` if it has the form module:function."""
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise argparse.ArgumentTypeError(f"{text!r} must be module:function, as my_changes:blur")
    return text


def augmentation_options(args, epochs_with_mosaic=None):
    """Return the options of a generator that `args` name: a policy, a function.

    Args:
        args: of `add_augmentation`, settled.
        epochs_with_mosaic: the policy mosaic gives way from this epoch on, counted from 0.
    """
    from dataclasses import replace

    from keras_retinanet.preprocessing.augmentation import AUGMENTATIONS as POLICIES
    from keras_retinanet.preprocessing.augmentation import Mosaic
    from keras_retinanet.preprocessing.user_function import load_function

    policy = POLICIES[args.augmentation] if args.augmentation else None
    if isinstance(policy, Mosaic) and epochs_with_mosaic is not None:
        policy = replace(policy, until=epochs_with_mosaic)
    function = load_function(args.augment_with) if args.augment_with else None
    return {"augmentation": policy, "augment": function}


def settle_augmentation(args, default):
    """Set `args.augmentation` from both options.

    Raises:
        ValueError: they contradict each other.
    """
    if args.random_transform and args.augmentation not in (None, "random-transform"):
        raise ValueError(f"--random-transform contradicts --augmentation {args.augmentation}")
    args.augmentation = args.augmentation or (
        "random-transform" if args.random_transform else default
    )
