"""The dataset sub-commands, shared by all commands; each is a row of `dataset_rows`."""

import argparse

from keras_retinanet.bin.dataset_rows import DATASETS, parse_names


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
    _add_ignored(parser)
    made = []
    for name, dataset in DATASETS.items():
        made.append(subparsers.add_parser(name, help=dataset.summary))
        dataset.add_arguments(made[-1], command)
        _add_ignored(made[-1], default=argparse.SUPPRESS)  # it would undo what stands before
    return made


def _add_ignored(parser, **default):
    parser.add_argument(
        "--ignore-class",
        type=parse_names,
        action="extend",
        metavar="NAMES",
        help="class whose boxes are regions to ignore; several with commas between",
        **default,
    )


def make_generator(args, purpose, **options):
    """Return the generator that `args` name for `purpose`, or None."""
    options = {**options, "ignore_classes": tuple(args.ignore_class or ())}
    return DATASETS[args.dataset_type].make(args, purpose, options)


def may_measure(args):
    """Return whether the command line names pictures to measure on, or may do so in a file."""
    return bool(getattr(args, "val_annotations", True) or getattr(args, "coco_path", None))


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
