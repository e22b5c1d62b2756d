"""The dataset sub-commands: one row each, shared by all commands.

A row adds its arguments to a command's parser and makes the generator. `purpose` is "train",
"validation", "evaluate" or "debug".
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """A dataset format on the command line.

    Attributes:
        summary: for --help.
        add_arguments: f(parser, command), command being train, evaluate or debug.
        make: f(args, purpose, options) -> Generator, or None where there is no such part.
    """

    summary: str
    add_arguments: Callable
    make: Callable


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


DATASETS = {
    "csv": Dataset("two CSV files, annotations and classes", _add_csv_arguments, _make_csv),
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
