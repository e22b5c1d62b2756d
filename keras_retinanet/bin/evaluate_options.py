"""The options of retinanet-evaluate, and the checks that need no picture and no network."""

import argparse
import sys

from keras_retinanet.bin.console import Parser, add_everywhere, number
from keras_retinanet.bin.datasets import add_datasets
from keras_retinanet.bin.evaluate_exported import check_exported
from keras_retinanet.bin.evaluate_thresholds import BEST, check, parse_rule
from keras_retinanet.bin.model_files import add_bfloat16, add_model_options
from keras_retinanet.bin.picture_options import add_picture_options, check_sides
from keras_retinanet.bin.process_options import add_processes, process_contradictions
from keras_retinanet.bin.tile_options import add_tiles, check_tiles

PROG = "retinanet-evaluate"
MAX_DETECTIONS = 100  # of a model, in a picture; a results file is measured as it is
DRAWS = 500  # as of evaluation.bootstrap, whose import would load NumPy; a test holds them equal
GONE = {
    "convert_model": "--convert-model is not needed any more: a network is converted by itself",
    "group_method": "--group-method does nothing here: pictures of one size go together",
}
# options that say how a model sees pictures, of which a results file needs nothing
OF_MODELS = (
    *("backbone", "config", "save_path", "tile", "tile_overlap", "no_resize", "misses"),
    *("image_min_side", "image_max_side", "coordinator", "processes", "bfloat16", "batch_size"),
)


def _add_measure(parser):
    share = number(float, low=0, high=1)
    parser.add_argument("--score-threshold", type=share, help="least score; the model's own (0.05)")
    parser.add_argument(
        "--iou-threshold",
        type=number(float, above=0, high=1),
        default=0.5,
        help="IoU from which a detection is right; COCO's numbers have their own",
    )
    parser.add_argument(
        "--max-detections",
        type=number(int, low=1),
        help=f"kept in a picture ({MAX_DETECTIONS}; all of a results file)",
    )
    parser.add_argument("--save-path", help="folder for pictures with truth and detections")
    parser.add_argument("--json", help="file for all numbers")
    parser.add_argument(
        "--report", metavar="DIR", help="folder for a page with curves and pictures"
    )


def _add_results(parser):
    parser.add_argument("--results", help="COCO results file to measure, in place of a model")
    parser.add_argument("--save-results", help="file for the detections, as COCO results")
    parser.add_argument(
        "--suspects",
        metavar="FILE",
        help="file for labels that sure detections contradict: .csv, .json (COCO); a folder for "
        "pascal and yolo",
    )
    parser.add_argument(
        "--misses", metavar="FILE", help="JSON file for objects that were missed, with the reason"
    )
    parser.add_argument(
        "--store-thresholds",
        nargs="?",
        const=(BEST, None),
        type=parse_rule,
        metavar="RULE",
        help="write the threshold of each class into the snapshot, for predictions: best-f1, "
        "precision=SHARE or recall=SHARE",
    )
    parser.add_argument(
        "--store-temperature",
        action="store_true",
        help="write into the snapshot what makes scores of predictions say how often they are "
        "right",
    )
    parser.add_argument("--compare", metavar="RESULTS", help="COCO results file to compare with")
    parser.add_argument(
        "--draws",
        type=number(int, low=0),
        default=DRAWS,
        help="of the pictures, for intervals of 95 %%; 0: no intervals",
    )
    parser.add_argument("--seed", type=number(int, low=0), default=0, help="of the draws")


def _add_pictures(parser):
    add_picture_options(parser, min_side=None, max_side=None, note="; the model's own")
    add_tiles(parser, "the model's own")


def _add_machine(parser):
    parser.add_argument("--gpu", help='ids of the GPUs to use, "0" or "0,1"; "cpu" for none')
    parser.add_argument(
        "--batch-size",
        type=number(int, low=1),
        help="pictures, or tiles, of one size that the model gets at a time (1)",
    )
    add_bfloat16(parser)
    add_processes(parser)


def _add_gone(parser):
    parser.add_argument("--convert-model", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--group-method", choices=("none", "random", "ratio"), help=argparse.SUPPRESS
    )


def _add_options(parser):
    groups = (_add_measure, _add_results, _add_pictures, _add_machine, add_model_options, _add_gone)
    for add in groups:
        add(parser)


def make_parser():
    """Return the parser of retinanet-evaluate."""
    parser = Parser(prog=PROG, description="Measure a model on annotated pictures.")
    datasets = add_datasets(parser, "evaluate", Parser)
    for dataset in datasets:
        model = dataset.add_argument(
            "model", help="model file or another project's weights: .keras, .h5, .pth, …"
        )
        parser.replace_by_option(model, "--results")  # the option may stand before DATASET
    add_everywhere([parser, *datasets], _add_options)
    return parser


def parse_args(args=None):
    """Return the checked options of the command line `args` (sys.argv[1:] by default).

    `model` is None where `results` is given. `notices` has one line for each option that does
    nothing any more.
    """
    parser = make_parser()
    parsed = parser.parse_args(args)
    parsed.words = [str(word) for word in (sys.argv[1:] if args is None else args)]
    parsed.model = getattr(parsed, "model", None)
    try:
        check_sides(parsed)
        check_tiles(parsed)
        _check_results(parsed)
        for problem in process_contradictions(parsed):
            raise ValueError(problem)
        check(parsed)
        check_exported(parsed)
    except ValueError as error:
        parser.error(str(error))
    if parsed.no_resize and (parsed.image_min_side or parsed.image_max_side):
        parser.error("--no-resize and --image-min-side or --image-max-side exclude each other")
    parsed.notices = [text for name, text in GONE.items() if getattr(parsed, name)]
    return parsed


def _check_results(args):
    """Raise ValueError where the options about results files contradict others."""
    given = [name for name in OF_MODELS if getattr(args, name)]
    if args.results and given:
        option = f"--{given[0].replace('_', '-')}"
        raise ValueError(f"{option} goes with a model, not with --results")
    if args.compare and not args.draws:
        raise ValueError("--compare needs draws of the pictures, so leave --draws 0 out")
