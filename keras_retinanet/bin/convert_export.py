"""ONNX, OpenVINO, LiteRT files and SavedModels by retinanet-convert-model."""

import argparse
from pathlib import Path

from keras_retinanet.bin.console import Refused, number
from keras_retinanet.bin.convert_measure import (
    ALLOWED_LOSS,
    dataset_pictures,
    dataset_words,
    judged,
)

# keys of export.proven.FORMATS less the folder's, whose import would load Keras; a test holds
# them equal
EXPORTS = (".onnx", ".xml", ".tflite")
COMPUTE_IN_BFLOAT16 = (".xml",)  # those of `export.runtimes.can_bfloat16`; the same test
EXPORT_WORDS = ".onnx, .xml and .tflite"
FOLDER = "folder"  # `convert_model.output_kind` of a SavedModel
PROVEN = (FOLDER, *EXPORTS)  # kinds that TensorFlow writes and the gate compares
SMALLER = ("half", "int8")  # options; AP decides about their files
CALIBRATION_PICTURES = 128  # see docs/export.md


def _size(text):
    """Return "HEIGHTxWIDTH" as two numbers."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH in pixels, such as 512x640")
    return int(height), int(width)


def add_export(parser):
    """Add the options of exported files."""
    group = parser.add_argument_group(EXPORT_WORDS)
    group.add_argument(
        "--size",
        type=_size,
        help="HEIGHTxWIDTH of all pictures (any; .tflite: what holds any)",
    )
    group.add_argument("--batch", type=number(int, low=1), help="in a batch (any; .tflite: 1)")
    group.add_argument(
        "--trt", action="store_true", help="end in TensorRT's operator EfficientNMS_TRT"
    )
    smaller = group.add_mutually_exclusive_group()
    smaller.add_argument(
        "--half",
        action="store_true",
        help="keep weights in float16: half the file; --measure-on must show that it does no harm",
    )
    smaller.add_argument(
        "--int8",
        action="store_true",
        help="keep weights in whole numbers of 8 bits, a quarter of the file, and compute in them "
        "in .xml and .tflite; --measure-on must show how little it costs",
    )
    group.add_argument(
        "--calibrate-on",
        metavar="DATASET",
        help="for --int8: what stands before the model in retinanet-evaluate, in quotes; 128 of "
        "its pictures show what range numbers have",
    )
    group.add_argument(
        "--measure-on",
        metavar="DATASET",
        help="what stands before the model in retinanet-evaluate, in quotes: AP before and after",
    )
    group.add_argument(
        "--pictures",
        nargs="+",
        metavar="FILE",
        help="pictures on which the file is proven equal (drawn ones)",
    )


def check_export(parsed):
    """Raise ValueError where options of exported files meet another kind of file."""
    for name in ("size", "batch", "trt", "pictures", *SMALLER, "calibrate_on", "measure_on"):
        of_folders = name in ("pictures", "measure_on")
        if getattr(parsed, name) and parsed.kind not in (PROVEN if of_folders else EXPORTS):
            option = f"--{name.replace('_', '-')}"
            kinds = f"SavedModels, {EXPORT_WORDS}" if of_folders else EXPORT_WORDS
            raise ValueError(f"{option} is for {kinds}, not for {parsed.model_out}; leave it out")
    for name in SMALLER:
        if getattr(parsed, name) and not parsed.measure_on:
            raise ValueError(
                f'--{name} needs --measure-on, such as --measure-on "csv val.csv classes.csv": AP '
                "must show what it costs"
            )
    if parsed.measure_on:
        if parsed.trt or parsed.nms is False:
            raise ValueError("--measure-on needs detections; leave --trt and --no-nms out")
        parsed.measured = dataset_words("measure-on", parsed.measure_on, parsed.model_in)
    _check_calibration(parsed)
    for path in parsed.pictures or ():
        if not Path(path).is_file():
            raise ValueError(f"--pictures: {path}: there is no such file")
    if parsed.trt and parsed.kind != ".onnx":
        raise ValueError(f"--trt is for .onnx, not for {parsed.model_out}; leave it out")
    if parsed.trt and parsed.nms is False:
        raise ValueError("--trt ends in a suppression, and --no-nms in none; leave one of them out")


def _check_calibration(parsed):
    """Raise ValueError where --calibrate-on is missing, or nothing needs it."""
    if parsed.int8 and not parsed.calibrate_on:
        raise ValueError(
            '--int8 needs --calibrate-on, such as --calibrate-on "csv train.csv classes.csv": its '
            "pictures show what range the network's numbers have"
        )
    if parsed.calibrate_on and not parsed.int8:
        raise ValueError("--calibrate-on is for --int8; leave it out")
    if parsed.calibrate_on:
        parsed.calibrated = dataset_words("calibrate-on", parsed.calibrate_on, parsed.model_in)


def _file_pictures(paths, profile):
    """Return the pictures of files as the network sees them, blue first."""
    from keras_retinanet.predict.pictures import FilePicture
    from keras_retinanet.predict.views import placed
    from keras_retinanet.utils.image import DEFAULT_MAX_PIXELS

    return [
        placed(FilePicture(path, profile, True, DEFAULT_MAX_PIXELS).image, profile)[0]
        for path in paths
    ]


def _levels(images, profile, size):
    """Return pictures, blue first, as levels, red first, on canvases of `size`."""
    import numpy as np

    from keras_retinanet.preprocessing.canvas import lay_out

    if size:
        cut = [image[: size[0], : size[1]] for image in images]
        images = [lay_out([image], size, image.dtype)[0] for image in cut]
    kind = f"uint{profile.preprocessing.bits}"  # not every resize rule rounds to levels
    images = [np.rint(image).astype(kind) for image in images]
    return [image[..., ::-1] if image.shape[-1] == 3 else image for image in images]


def _precision(args, profile, size):
    """Return the `Precision` that the options ask for."""
    from keras_retinanet.export.precision import EXACT, HALF, INT8, Precision

    if not args.int8:
        return Precision(HALF) if args.half else EXACT
    found = dataset_pictures(args.calibrated, profile, CALIBRATION_PICTURES)
    print(f"calibrating on {len(found)} pictures")
    return Precision(INT8, tuple(_levels(found, profile, size)))


def export_proven(detector, args):
    """Write `detector` as another runtime's file or a SavedModel, proven."""
    from keras_retinanet.export import proven
    from keras_retinanet.models.snapshot import profile_of

    profile = profile_of(detector)
    kind = proven.FOLDER if args.kind == FOLDER else args.kind
    size, batch = proven.FORMATS[kind].shape(profile, args.size, args.batch)
    pictures = args.pictures and _levels(_file_pictures(args.pictures, profile), profile, size)
    outputs = "trt" if args.trt else "all-boxes" if args.nms is False and kind else "detections"
    options = {"size": size, "batch": batch, "outputs": outputs, "kind": kind}
    options["precision"] = _precision(args, profile, size)
    if args.measure_on:
        allowed = ALLOWED_LOSS[options["precision"].name]
        options["judge"] = judged(args.measured, detector, allowed)
    try:
        report = proven.export(detector, args.model_out, pictures, **options)
    except proven.Rejected as error:
        raise Refused(str(error)) from error
    print(f"{proven.report_path(args.model_out)}: {report['line']}")
