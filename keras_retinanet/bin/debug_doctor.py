"""retinanet-debug --doctor and --fit-anchors: a dataset examined, anchors fitted to it."""

import argparse

from keras_retinanet.bin.console import number
from keras_retinanet.bin.dataset_rows import DATASETS
from keras_retinanet.bin.datasets import make_generator
from keras_retinanet.bin.output_files import check_new_file
from keras_retinanet.bin.picture_options import generator_options

FAULTS_FOUND = 1  # exit code under --strict


def _count(text):
    return 0 if text == "auto" else number(int, low=1, high=9)(text)


def add_doctor(parser):
    """Add the options of the doctor and of the fitted anchors."""
    parser.add_argument("--doctor", action="store_true", help="examine the dataset, draw nothing")
    parser.add_argument("--report", help="with --doctor: .html file for the findings")
    parser.add_argument("--strict", action="store_true", help="with --doctor: exit 1 on faults")
    parser.add_argument(
        "--against", metavar="SET", help="with --doctor: set that must not share pictures with this"
    )
    parser.add_argument("--fit-anchors", metavar="FILE", help="fit anchors, write a --config file")
    for name in ("ratios", "scales"):
        parser.add_argument(
            f"--num-{name}",
            type=_count,
            metavar="N",
            help=f"with --fit-anchors: how many {name}, or auto; as the config has",
        )


def check_doctor(args):
    """Raise ValueError where options of the doctor contradict each other."""
    for name, needs in (
        ("report", "doctor"),
        ("strict", "doctor"),
        ("against", "doctor"),
        ("num_ratios", "fit_anchors"),
        ("num_scales", "fit_anchors"),
    ):
        if getattr(args, name) not in (None, False) and not getattr(args, needs):
            option, needed = (f"--{word.replace('_', '-')}" for word in (name, needs))
            raise ValueError(f"{option} needs {needed}")


def is_asked(args):
    """Return whether the command line asks for an examination or for anchors."""
    return args.doctor or args.fit_anchors is not None


def run_doctor(args, grid):
    """Examine the dataset and fit anchors, as `args` ask; exit with 1 on faults under --strict.

    Args:
        args: of the command.
        grid: {"anchor_params", "pyramid_levels"} of --config, or {}.
    """
    for path, option in ((args.report, "--report"), (args.fit_anchors, "--fit-anchors")):
        if path:
            check_new_file(path, option)
    subject = _open(args)
    grid, resize = make_grid(**grid), make_resize(args)
    faults = _examine(args, subject, grid, resize) if args.doctor else []
    if args.fit_anchors:
        _fit(args, subject, grid, resize)
    if faults and args.strict:
        raise SystemExit(FAULTS_FOUND)


def _open(args):
    """Return the Subject of the dataset that `args` name."""
    from keras_retinanet.doctor.subject import read_subject

    options = generator_options(args, args.image_min_side, args.image_max_side)
    return read_subject(
        make_generator(args, "debug", as_found=True, channels=args.channels, **options)
    )


def make_grid(anchor_params=None, pyramid_levels=None):
    """Return the doctor's Grid of what a configuration sets."""
    from keras_retinanet.doctor.reach import Grid

    given = {"anchors": anchor_params, "levels": tuple(pyramid_levels or ()) or None}
    return Grid(**{name: value for name, value in given.items() if value is not None})


def make_resize(args):
    """Return the doctor's Resize of a command's options."""
    from keras_retinanet.doctor.coverage import Resize

    if args.no_resize:
        return Resize(None, None)
    return Resize(args.image_min_side, args.image_max_side)


def of_other_set(args):
    """Return `args` for the set that --against names."""
    names = DATASETS[args.dataset_type].set_arguments
    name = next(name for name in names if getattr(args, name))
    return argparse.Namespace(**(vars(args) | {name: args.against}))


def _examine(args, subject, grid, resize):
    """Print what the doctor finds, write the page; return the faults."""
    from keras_retinanet.doctor.examination import examine, lines
    from keras_retinanet.doctor.page import doctor_page

    other = _open(of_other_set(args)) if args.against else None
    exif = not args.ignore_exif
    examination = examine(subject, grid, resize, other, exif)
    for line in lines(examination):
        print(line)
    if args.report:
        _write(args.report, doctor_page(examination, exif))
        print(f"written: {args.report}")
    return examination.faults()


def _fit(args, subject, grid, resize):
    """Fit anchors, print what they reach, and write them."""
    from keras_retinanet.doctor.fitting import fit_anchors
    from keras_retinanet.utils.config import grid_text, read_config_file

    fit = fit_anchors(subject.fitted, subject.sizes, grid, resize, args.num_ratios, args.num_scales)
    config = read_config_file(args.config) if args.config else None
    _write(args.fit_anchors, grid_text(fit.grid.anchors, fit.grid.levels, config))
    count, old = fit.grid.anchors.num_anchors(), grid.anchors.num_anchors()
    print(
        f"{fit.boxes:,} boxes: {fit.before:.1%} have an anchor before, {fit.after:.1%} after; mean "
        f"of the largest IoU {fit.mean_before:.3f} before, {fit.mean_after:.3f} after"
    )
    print(f"ratios {_shown(fit.grid.anchors.ratios)}; scales {_shown(fit.grid.anchors.scales)}")
    heads = "" if count == old else f", not {old}: heads trained with those cannot be kept"
    print(f"written: {args.fit_anchors}; {count} anchors a cell{heads}")


def _shown(values):
    return " ".join(f"{value:g}" for value in values)


def _write(path, text):
    """Write a text file aside and rename it, so that there is never half of it."""
    from keras_retinanet.models.snapshot import written_aside

    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
