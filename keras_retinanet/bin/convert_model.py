"""retinanet-convert-model: from a network or a detector to a detector, in a file of your choice."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from keras_retinanet.bin.console import Parser, number, run
from keras_retinanet.bin.convert_export import (
    EXPORTS,
    FOLDER,
    PROVEN,
    add_export,
    check_export,
    export_proven,
)
from keras_retinanet.bin.model_files import (
    add_model_options,
    given_family,
    load_network,
    start_keras,
)
from keras_retinanet.bin.output_files import check_new_file

__all__ = ["main", "parse_args"]

PROG = "retinanet-convert-model"
FILES = (".keras", ".h5")
# those of weights.writing, whose import would load Keras; a test holds them equal
LAYOUTS = {"torchvision": ".safetensors", "fizyr": ".h5"}
FOLDERS = ("", ".savedmodel")
DETECTOR_OPTIONS = (
    *("nms", "class_specific_filter", "nms_threshold", "score_threshold", "max_detections"),
)


def _add_filter(parser):
    choice = argparse.BooleanOptionalAction
    parser.add_argument("--nms", action=choice, help="suppress overlapping boxes (yes)")
    parser.add_argument(
        "--class-specific-filter",
        action=choice,
        help="suppress within a class; --no-…: only the best class of each box counts (yes)",
    )
    share = number(float, low=0, high=1)
    parser.add_argument("--nms-threshold", type=share, help="IoU that is suppressed (0.5)")
    parser.add_argument("--score-threshold", type=share, help="scores above it are kept (0.05)")
    parser.add_argument("--max-detections", type=number(int, low=1), help="kept in a picture (300)")
    parser.add_argument("--parallel-iterations", type=int, help=argparse.SUPPRESS)


def make_parser():
    """Return the parser of retinanet-convert-model."""
    parser = Parser(
        prog=PROG,
        description="Write a model as a detector: pictures in; boxes, scores and labels out.",
        epilog="Numbers in brackets are those of a new model; a detector keeps its own.",
    )
    parser.add_argument("model_in", help="model file, a network or a detector: .keras or .h5")
    parser.add_argument(
        "model_out",
        help=".keras, .h5, .onnx, .xml (OpenVINO) or .tflite (LiteRT) file, or a folder (no "
        "extension) for a SavedModel",
    )
    parser.add_argument(
        "--layout",
        choices=tuple(LAYOUTS),
        help="write weights alone, in the names of torchvision (.safetensors) or of "
        "keras-retinanet 1.0 (fizyr, .h5)",
    )
    _add_filter(parser)
    add_export(parser)
    add_model_options(parser)
    return parser


def output_kind(model_out):
    """Return what the name of the output asks for: ".keras", ".h5" or "folder".

    Raises:
        ValueError: it asks for something else, or what is there is in the way.
    """
    suffix = Path(model_out).suffix.lower()
    if str(model_out).endswith(("/", os.sep)) or suffix in FOLDERS:
        return FOLDER
    if suffix not in FILES + EXPORTS:
        raise ValueError(
            f"{model_out}: unknown kind of file {suffix!r}; name a .keras, .h5, .onnx, .xml "
            "or .tflite file, or a folder (ending in /) for a SavedModel"
        )
    return suffix


def _check_layout(parsed):
    """Raise ValueError where options or the name of the output do not go with --layout."""
    suffix = LAYOUTS[parsed.layout]
    if Path(parsed.model_out).suffix.lower() != suffix:
        raise ValueError(
            f"{parsed.model_out}: weights in the layout of {parsed.layout} are a {suffix} file; "
            f"name one that ends in {suffix}"
        )
    given = [name for name in DETECTOR_OPTIONS if getattr(parsed, name) is not None]
    if given:
        option = given[0].replace("_", "-")
        raise ValueError(
            f"--{option} is of detectors, and --layout {parsed.layout} writes weights alone; leave "
            "one of them out"
        )


def parse_args(args=None):
    """Return the checked options of the command line `args` (sys.argv[1:] by default)."""
    parser = make_parser()
    parsed = parser.parse_args(args)
    try:
        if parsed.layout:
            _check_layout(parsed)
            parsed.kind = "weights"
        else:
            parsed.kind = output_kind(parsed.model_out)
        check_export(parsed)
        if parsed.kind != FOLDER:
            check_new_file(parsed.model_out, "model_out")
    except ValueError as error:
        parser.error(str(error))
    parsed.notices = []
    if parsed.parallel_iterations is not None:
        parsed.notices = ["--parallel-iterations does nothing any more: the backend chooses"]
    return parsed


def _choose_tensorflow():
    """Make Keras run on TensorFlow, which alone writes graphs; model files fit any backend."""
    if importlib.util.find_spec("tensorflow") is None:
        raise ValueError(
            "SavedModel, ONNX, OpenVINO and LiteRT are written by way of TensorFlow: "
            "pip install tensorflow"
        )
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"


def _network(args):
    return load_network(args.model_in, args.backbone, args.config, given_family(args))


def make_detector(args):
    """Return the detector that the options ask for; a detector's own values where they do not."""
    from keras_retinanet.models import convert_model
    from keras_retinanet.models.snapshot import profile_of

    network = _network(args)
    profile = profile_of(network)
    by_class = args.class_specific_filter
    return convert_model(
        network,
        nms=profile.nms if args.nms is None else args.nms,
        class_specific_filter=profile.class_specific_filter if by_class is None else by_class,
        nms_threshold=args.nms_threshold,
        score_threshold=args.score_threshold,
        max_detections=args.max_detections,
    )


def write(detector, model_out, kind):
    """Write `detector` to `model_out`, as `kind` of `output_kind` says."""
    from keras_retinanet.models.exporting import save_h5
    from keras_retinanet.models.snapshot import save_snapshot

    writers = {".keras": save_snapshot, ".h5": save_h5}
    writers[kind](detector, model_out)


def _write_weights(args):
    """Write the weights alone, in another project's names; return the network."""
    from keras_retinanet.weights.writing import write_weights

    network = _network(args)
    write_weights(network, args.model_out, args.layout)
    return network


def main(args=None):
    """Run the command with the words `args`; return the model that was written."""
    args = parse_args(args)
    for notice in args.notices:
        print(notice)
    if args.kind in PROVEN:
        _choose_tensorflow()
    # GPUs are not worth their start, but what runs on them already must not be disturbed
    start_keras(None if "keras" in sys.modules else "cpu", args.model_in)
    if args.kind == FOLDER:
        from keras_retinanet.models.exporting import check_saved_model_folder

        check_saved_model_folder(args.model_out)
    if args.layout:
        model = _write_weights(args)
    else:
        model = make_detector(args)
        if args.kind in PROVEN:
            export_proven(model, args)
        else:
            write(model, args.model_out, args.kind)
    print(f"written: {args.model_out}")
    return model


def console():
    """Run the command as a program."""
    sys.exit(run(main, PROG))


if __name__ == "__main__":
    console()
