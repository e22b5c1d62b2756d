"""The dataset formats on the command line, one row each.

A row adds its arguments to a command's parser and makes the generator. `purpose` is "train",
"validation", "evaluate" or "debug".
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# a test holds them equal to open_images_classes.RELEASES, whose import would load NumPy
OID_VERSIONS = ("v3", "v4", "v5", "v6", "v7", "challenge2018", "challenge2019")


@dataclass(frozen=True)
class Dataset:
    """A dataset format on the command line.

    Attributes:
        summary: for --help.
        add_arguments: f(parser, command), command being train, evaluate or debug.
        make: f(args, purpose, options) -> Generator, or None where there is no such part.
        set_arguments: those of retinanet-debug that name which set is read; the first given counts.
    """

    summary: str
    add_arguments: Callable
    make: Callable
    set_arguments: tuple = ("subset",)


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


def parse_names(text):
    """Return the names of an option's text, with commas between."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_allow_outside(parser):
    parser.add_argument(
        "--allow-outside", action="store_true", help="read pictures outside of the dataset, too"
    )


def _add_coco_arguments(parser, command):
    folder = parser.add_argument("coco_path", help="folder with annotations/ and images/")
    parser.add_argument("--annotations", help="JSON file, in place of the folder")
    parser.add_argument("--images", help="folder of its pictures; that of the JSON file")
    if command == "train":
        parser.add_argument("--val-annotations", help="JSON file of pictures to measure on")
        parser.add_argument("--val-images", help="folder of its pictures; that of the JSON file")
    if command == "debug":
        parser.add_argument("--coco-set", default="val2017", help="name of the set")
    _add_allow_outside(parser)
    parser.replace_by_option(folder, "--annotations")


def _make_coco(args, purpose, options):
    from keras_retinanet.preprocessing.coco import CocoGenerator

    options = {**options, "allow_outside": args.allow_outside}
    validation = (getattr(args, "val_annotations", None), getattr(args, "val_images", None))
    if not args.annotations:
        if args.images or any(validation):
            raise ValueError("--images and --val-annotations go with --annotations, not a folder")
        set_name = {"train": "train2017", "debug": getattr(args, "coco_set", None)}
        return CocoGenerator(args.coco_path, set_name.get(purpose, "val2017"), **options)
    if validation[1] and not validation[0]:
        raise ValueError("--val-images goes with --val-annotations")
    path, images = validation if purpose == "validation" else (args.annotations, args.images)
    if not path:
        return None
    name = Path(path).stem
    return CocoGenerator(None, name, annotation_file=path, image_dir=images, **options)


def _add_pascal_arguments(parser, command):
    parser.add_argument("pascal_path", help="folder with ImageSets/, or with XML files")
    parser.add_argument("--image-extension", default=".jpg", help="of the pictures' files")
    parser.add_argument("--classes", help="names with commas between, a file, or auto")
    parser.add_argument("--skip-difficult", action="store_true", help="ignore difficult objects")
    parser.add_argument("--skip-truncated", action="store_true", help="ignore truncated objects")
    if command == "train":
        parser.add_argument("--train-set", default="train", help="name of the set to train on")
        parser.add_argument("--val-set", default="val", help="name of the set to measure on")
    else:
        parser.add_argument("--pascal-set", default="test", help="name of the set")
    _add_allow_outside(parser)


def _make_pascal(args, purpose, options):
    from keras_retinanet.preprocessing.class_lists import parse_class_list
    from keras_retinanet.preprocessing.pascal_voc import FROM_FILES, PascalVocGenerator

    sets = {"train": "train_set", "validation": "val_set"}
    classes = args.classes
    if classes and classes != FROM_FILES:
        classes = parse_class_list(classes)
    return PascalVocGenerator(
        args.pascal_path,
        getattr(args, sets.get(purpose, "pascal_set")),
        classes=classes,
        image_extension=args.image_extension,
        skip_truncated=args.skip_truncated,
        skip_difficult=args.skip_difficult,
        allow_outside=args.allow_outside,
        **options,
    )


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


def _add_oid_arguments(parser, command):
    parser.add_argument("main_dir", help="folder with the release's files and images/")
    if command == "debug":
        parser.add_argument("subset", help="train, validation or test")
    parser.add_argument("--version", choices=OID_VERSIONS, default="v4", help="release")
    parser.add_argument(
        "--labels-filter", type=parse_names, help="classes to keep, with commas between"
    )
    parser.add_argument("--annotation-cache-dir", default=".", help="where the index is kept")
    parser.add_argument("--parent-label", help="class to keep with all below it")
    parser.add_argument(
        "--skip-group-of",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="ignore boxes around groups of objects (yes)",
    )


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
        skip_group_of=args.skip_group_of,
        **options,
    )


def _add_yolo_arguments(parser, command):
    parser.add_argument("data_file", help="data.yaml, or its folder")
    if command != "train":
        choices = ("train", "val", "test")
        parser.add_argument("--yolo-set", choices=choices, default="val", help="name of the set")
    _add_allow_outside(parser)


def _make_yolo(args, purpose, options):
    from keras_retinanet.preprocessing.yolo import YoloGenerator
    from keras_retinanet.preprocessing.yolo_files import read_data_file

    set_name = {"train": "train", "validation": "val"}.get(purpose) or args.yolo_set
    if purpose == "validation" and "val" not in read_data_file(args.data_file, True).sets:
        return None
    return YoloGenerator(args.data_file, set_name, allow_outside=args.allow_outside, **options)


DATASETS = {
    "csv": Dataset(
        "two CSV files, annotations and classes", _add_csv_arguments, _make_csv, ("annotations",)
    ),
    "coco": Dataset(
        "COCO's layout of folders, or a JSON file",
        _add_coco_arguments,
        _make_coco,
        ("annotations", "coco_set"),
    ),
    "pascal": Dataset(
        "Pascal VOC's layout of folders, or XML files",
        _add_pascal_arguments,
        _make_pascal,
        ("pascal_set",),
    ),
    "kitti": Dataset("KITTI's layout of folders", _add_kitti_arguments, _make_kitti),
    "oid": Dataset("Open Images", _add_oid_arguments, _make_oid),
    "yolo": Dataset(
        "YOLO's data.yaml and text files", _add_yolo_arguments, _make_yolo, ("yolo_set",)
    ),
}
