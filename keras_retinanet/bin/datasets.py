"""The dataset sub-commands: one row each, shared by all commands.

A row adds its arguments to a command's parser and makes the generator. `purpose` is "train",
"validation", "evaluate" or "debug".
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

# a test holds them equal to open_images_classes.RELEASES, whose import would load NumPy
OID_VERSIONS = ("v3", "v4", "v5", "v6", "v7", "challenge2018")


@dataclass(frozen=True)
class Dataset:
    """A dataset format on the command line.

    Attributes:
        summary: for --help.
        add_arguments: f(parser, command), command being train, evaluate or debug.
        make: f(args, purpose, options) -> Generator, or None where there is no such part.
        set_argument: the argument of retinanet-debug that names which set is read.
    """

    summary: str
    add_arguments: Callable
    make: Callable
    set_argument: str = "subset"


def _add_csv_arguments(parser, command):
    parser.add_argument("annotations", help="CSV file: path,x1,y1,x2,y2,class")
    parser.add_argument("classes", help="CSV file: class,id")
    if command == "train":
        parser.add_argument(
            "--val-annotations", help="CSV file of the pictures to measure on after each epoch"
        )


def _make_csv(args, purpose, options):
    from keras_retinanet.preprocessing.csv_generator import CSVGenerator

    path = args.val_annotations if purpose == "validation" else args.annotations
    return CSVGenerator(path, args.classes, **options) if path else None


def _add_coco_arguments(parser, command):
    parser.add_argument("coco_path", help="folder with annotations/ and images/")
    if command == "debug":
        parser.add_argument("--coco-set", default="val2017", help="name of the set")


def _make_coco(args, purpose, options):
    from keras_retinanet.preprocessing.coco import CocoGenerator

    set_name = {"train": "train2017", "debug": getattr(args, "coco_set", None)}
    return CocoGenerator(args.coco_path, set_name.get(purpose, "val2017"), **options)


def _add_pascal_arguments(parser, command):
    parser.add_argument("pascal_path", help="folder with ImageSets/, Annotations/, JPEGImages/")
    parser.add_argument("--image-extension", default=".jpg", help="of the pictures' files")
    if command == "debug":
        parser.add_argument("--pascal-set", default="test", help="name of the set")


def _make_pascal(args, purpose, options):
    from keras_retinanet.preprocessing.pascal_voc import PascalVocGenerator

    debug = getattr(args, "pascal_set", None)
    set_name = {"train": "train", "validation": "val", "evaluate": "test", "debug": debug}[purpose]
    extension = args.image_extension
    return PascalVocGenerator(args.pascal_path, set_name, image_extension=extension, **options)


class _Spelling(argparse.Action):
    """Old spelling of a positional: `--kitti_path DIR` stands for `DIR`, the option for nothing."""

    def __init__(self, option_strings, dest, **kwargs):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=argparse.SUPPRESS)

    def __call__(self, parser, namespace, values, option_string=None):
        pass


def _add_kitti_arguments(parser, command):
    parser.add_argument("kitti_path", help="folder with SET/labels/ and SET/images/")
    if command == "evaluate":
        parser.add_argument("--kitti-path", "--kitti_path", action=_Spelling)
    if command == "debug":
        parser.add_argument("subset", help="name of the set")


def _make_kitti(args, purpose, options):
    from keras_retinanet.preprocessing.kitti import KittiGenerator

    subset = {"train": "train", "debug": getattr(args, "subset", None)}.get(purpose, "val")
    return KittiGenerator(args.kitti_path, subset, **options)


def _class_names_list(text):
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_oid_arguments(parser, command):
    parser.add_argument("main_dir", help="folder with the release's files and images/")
    if command == "debug":
        parser.add_argument("subset", help="train, validation or test")
    parser.add_argument("--version", choices=OID_VERSIONS, default="v4", help="release")
    parser.add_argument(
        "--labels-filter", type=_class_names_list, help="classes to keep, with commas between"
    )
    parser.add_argument("--annotation-cache-dir", default=".", help="where the index is kept")
    parser.add_argument("--parent-label", help="class to keep with all below it")


def _make_oid(args, purpose, options):
    from keras_retinanet.preprocessing.open_images import OpenImagesGenerator

    subset = {"train": "train", "debug": getattr(args, "subset", None)}.get(purpose, "validation")
    return OpenImagesGenerator(
        args.main_dir,
        subset,
        version=args.version,
        labels_filter=args.labels_filter,
        annotation_cache_dir=args.annotation_cache_dir,
        parent_label=args.parent_label,
        **options,
    )


DATASETS = {
    "csv": Dataset(
        "two CSV files, annotations and classes", _add_csv_arguments, _make_csv, "annotations"
    ),
    "coco": Dataset("COCO's layout of folders", _add_coco_arguments, _make_coco, "coco_set"),
    "pascal": Dataset(
        "Pascal VOC's layout of folders", _add_pascal_arguments, _make_pascal, "pascal_set"
    ),
    "kitti": Dataset("KITTI's layout of folders", _add_kitti_arguments, _make_kitti),
    "oid": Dataset("Open Images", _add_oid_arguments, _make_oid),
}


def add_datasets(parser, command, make_parser):
    """Add a sub-command for each dataset to `parser`; return the sub-parsers.

    Args:
        parser: of the command.
        command: train, evaluate or debug.
        make_parser: class of the sub-parsers.
    """
    subparsers = parser.add_subparsers(
        dest="dataset_type", required=True, metavar="DATASET", parser_class=make_parser
    )
    made = []
    for name, dataset in DATASETS.items():
        made.append(subparsers.add_parser(name, help=dataset.summary))
        dataset.add_arguments(made[-1], command)
    return made


def make_generator(args, purpose, **options):
    """Return the generator that `args` name for `purpose`, or None."""
    return DATASETS[args.dataset_type].make(args, purpose, options)


def class_names(generator):
    """Return the class names by label; "" for a label that no class has."""
    names = [""] * generator.num_classes()
    for label in range(len(names)):
        if generator.has_label(label):
            names[label] = generator.label_to_name(label)
    return tuple(names)


def some_names(names, most=5):
    """Return the first few of `names` as text."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
