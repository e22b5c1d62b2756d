"""The options of retinanet-predict, and the `Detector` that they ask for."""

import argparse

from keras_retinanet.bin.console import Parser, number
from keras_retinanet.bin.model_files import (
    add_bfloat16,
    add_model_options,
    given_family,
    load_network,
)
from keras_retinanet.bin.picture_options import MAX_PIXELS, add_picture_options, check_sides
from keras_retinanet.bin.predict_benchmark import add_benchmark, check_benchmark
from keras_retinanet.bin.predict_serve import add_serving, check_serving
from keras_retinanet.bin.tile_options import add_tiles, check_tiles

PROG = "retinanet-predict"
OUTPUT = "detections"
# those of predict.formats and predict.options, whose import would load Keras; tests hold them equal
FORMATS = ("json", "csv", "coco", "yolo", "voc", "labelme")
SOFT = ("gaussian", "linear")
MERGES = ("fusion", "nms")
FLIPS = ("flip", "vflip")


def parse_thresholds(text):
    """Return a number, or {class name: number}, None standing for all other classes."""
    share = number(float, low=0, high=1)
    found = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        key = name.strip() or None
        if key in found:
            what = f"class {key!r}" if key else "the threshold of all classes"
            raise argparse.ArgumentTypeError(f"{text!r} gives {what} twice")
        found[key] = share(value.strip())
    return found[None] if list(found) == [None] else found


def parse_words(text):
    """Return the words between commas."""
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise argparse.ArgumentTypeError(f"{text!r} must be words with commas between")
    return words


def parse_formats(text):
    """Return formats of files, each once."""
    words = tuple(dict.fromkeys(parse_words(text)))
    if unknown := [word for word in words if word not in FORMATS]:
        known = ", ".join(FORMATS)
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no format. Choose of: {known}")
    return words


def parse_views(text):
    """Return views: flips, and factors on the size."""
    factor = number(float, low=0.1, high=10)
    return tuple(word if word in FLIPS else factor(word) for word in parse_words(text))


def _add_output(parser):
    parser.add_argument("--output", default=OUTPUT, help="folder for all that is written")
    parser.add_argument(
        "--format", type=parse_formats, help=f"files of detections, of: {','.join(FORMATS)}"
    )
    parser.add_argument(
        "--pictures",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write annotated pictures and videos",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="look through folders with all below them"
    )
    parser.add_argument("--max-frames", type=number(int, low=1), help="of a video or camera (all)")


def _add_detections(parser):
    share, count = number(float, low=0, high=1), number(int, low=1)
    parser.add_argument(
        "--threshold",
        type=parse_thresholds,
        help="least score, 0.5, or by class, cat=0.4,dog=0.6 (what the model advises, else 0.5)",
    )
    parser.add_argument("--classes", type=parse_words, help="names of those to tell (all)")
    parser.add_argument("--max-detections", type=count, help="of a picture (the model's own)")
    parser.add_argument("--nms-threshold", type=share, help="IoU suppressed (the model's own)")
    parser.add_argument(
        "--agnostic", action="store_true", help="a box suppresses those of other classes, too"
    )
    parser.add_argument("--soft-nms", choices=SOFT, help="weaken overlapping boxes instead")
    parser.add_argument(
        "--tta", type=parse_views, help="look at each picture in several views: flip,vflip,0.8,1.25"
    )
    parser.add_argument(
        "--tta-merge", choices=MERGES, default="fusion", help="what becomes of their boxes"
    )
    parser.add_argument("--batch-size", type=count, default=1, help="pictures at a time")
    parser.add_argument("--gpu", help='ids of the GPUs to use, "0" or "0,1"; "cpu" for none')
    add_bfloat16(parser)
    parser.add_argument(
        "--cache",
        action="store_true",
        help="keep the frozen graph beside the model, so that later runs answer sooner",
    )


def make_parser():
    """Return the parser of retinanet-predict."""
    parser = Parser(
        prog=PROG,
        description="Detect in pictures, folders, videos and cameras; write what was found.",
    )
    parser.add_argument("model", help="model file, a network or a detector: .keras or .h5")
    pictures = parser.add_argument(
        "input",
        nargs="+",
        help="picture, folder, glob, list of paths (.txt), video, camera:0, address of a stream",
    )
    _add_output(parser)
    _add_detections(parser)
    add_picture_options(parser, min_side=None, max_side=None, note="; the model's own")
    add_tiles(parser, "the model's own")
    add_model_options(parser)
    add_serving(parser, pictures)
    add_benchmark(parser)
    return parser


def parse_args(args=None):
    """Return the checked options of the command line `args` (sys.argv[1:] by default)."""
    parser = make_parser()
    parsed = parser.parse_args(args)
    try:
        check_sides(parsed)
        check_tiles(parsed)
        check_serving(parsed)
        check_benchmark(parsed)
        if parsed.no_resize and (parsed.image_min_side or parsed.image_max_side):
            raise ValueError(
                "--no-resize and --image-min-side or --image-max-side exclude each other"
            )
        if parsed.cache and (parsed.backbone or parsed.config or parsed.family != "auto"):
            raise ValueError(
                "--cache is for models that tell everything; leave --backbone, --config and "
                "--family out"
            )
        if not parsed.pictures and not parsed.format:
            raise ValueError("--no-pictures leaves nothing to write; add --format")
    except ValueError as error:
        parser.error(str(error))
    return parsed


def make_detector(args, threshold=None):
    """Return the `Detector` that the options ask for, with another `threshold` unless None."""
    from keras_retinanet.predict import Detector

    def load(path):
        return load_network(path, args.backbone, args.config, given_family(args))

    names = (
        *("classes", "max_detections", "nms_threshold", "agnostic", "soft_nms"),
        *("tta_merge", "batch_size", "tile", "tile_overlap", "image_min_side", "image_max_side"),
        *("bfloat16", "cache"),
    )
    return Detector(
        args.model,
        load=load,
        threshold=args.threshold if threshold is None else threshold,
        tta=args.tta or (),
        resize=not args.no_resize,
        exif=not args.ignore_exif,
        # the parser's default is for whole pictures; tiles have a larger one
        max_pixels=None if args.max_pixels == MAX_PIXELS else args.max_pixels,
        **{name: getattr(args, name) for name in names},
    )
