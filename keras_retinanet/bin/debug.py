"""retinanet-debug: look at a dataset as training sees it.

Boxes are green where an anchor is trained on them and red where none is, because no anchor
overlaps them enough: those objects are never learnt.
"""

import argparse
import itertools
import sys
from pathlib import Path

from keras_retinanet.bin.console import Parser, add_everywhere, import_keras, number
from keras_retinanet.bin.console import run as run_command
from keras_retinanet.bin.datasets import add_datasets, make_generator
from keras_retinanet.bin.debug_doctor import add_doctor, check_doctor, is_asked, run_doctor
from keras_retinanet.bin.debug_output import OutputPaths, Window, make_output_path, write_picture
from keras_retinanet.bin.model_files import read_grid
from keras_retinanet.bin.output_files import check_new_folder
from keras_retinanet.bin.picture_options import (
    add_augmentation,
    add_channels,
    add_picture_options,
    augmentation_options,
    check_sides,
    generator_options,
    settle_augmentation,
)
from keras_retinanet.bin.tile_options import add_tiles, tiled

__all__ = ["create_generator", "main", "make_output_path", "parse_args", "run"]

PROG = "retinanet-debug"
RED, GREEN, CYAN = (0, 0, 255), (0, 255, 0), (255, 255, 0)  # blue first
GREY = (160, 160, 160)  # of regions to ignore


def _add_shown(parser):
    parser.add_argument("--anchors", action="store_true", help="draw the anchors of objects")
    parser.add_argument(
        "--show-annotations",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="draw boxes: green with anchors, red without, grey to ignore (yes)",
    )
    parser.add_argument("--display-name", action="store_true", help="write the file's name")
    add_augmentation(parser, "none")
    parser.add_argument("--seed", type=number(int, low=0), help="repeatable augmentation")
    parser.add_argument("--config", help=".ini file: anchors, pyramid levels")


def _add_pictures(parser):
    add_picture_options(parser)
    add_channels(parser)
    add_tiles(parser, "none")
    parser.add_argument(
        "--group-method", choices=("none", "random", "ratio"), help=argparse.SUPPRESS
    )


def _add_output(parser):
    parser.add_argument("--no-gui", action="store_true", help="write files, open no window")
    parser.add_argument("--output-dir", default=".", help="folder for files")
    parser.add_argument("--flatten-output", action="store_true", help="files without sub-folders")


def _add_options(parser):
    for add in (add_doctor, _add_shown, _add_pictures, _add_output):
        add(parser)


def make_parser():
    """Return the parser of retinanet-debug."""
    parser = Parser(prog=PROG, description="Look at annotated pictures as training sees them.")
    add_everywhere([parser, *add_datasets(parser, "debug", Parser)], _add_options)
    return parser


def parse_args(args=None):
    """Return the checked options of the command line `args` (sys.argv[1:] by default)."""
    parser = make_parser()
    parsed = parser.parse_args(args)
    try:
        check_sides(parsed)
        if parsed.tile:
            parsed.no_resize = True
        check_doctor(parsed)
        settle_augmentation(parsed, None)
    except ValueError as error:
        parser.error(str(error))
    return parsed


def create_generator(args, config=None):
    """Return the dataset.

    Args:
        args: of `parse_args`.
        config: of `utils.config.read_config_file`.
    """
    options = generator_options(args, args.image_min_side, args.image_max_side)
    changes = {**augmentation_options(args), "config": config, "seed": args.seed}
    shape = {"channels": args.channels, "no_resize": args.no_resize}
    if args.tile:
        return tiled(make_generator(args, "debug", **shape, **options), args, **changes, **options)
    return make_generator(args, "debug", **changes, **shape, **options)


def trained_anchors(image_shape, boxes, anchor_params=None, pyramid_levels=None):
    """Return the anchors that are trained on `boxes`, and the box of each.

    Args:
        image_shape: (height, width, …) of the resized picture.
        boxes: [M, 4] in its pixels.
        anchor_params, pyramid_levels: the grid; 1.0's by default.

    Returns:
        (anchors [P, 4], indices of boxes [P]).
    """
    import numpy as np

    from keras_retinanet.utils.anchors import anchors_for_shape, compute_gt_annotations

    if not len(boxes):
        return np.zeros((0, 4)), np.zeros(0, int)
    anchors = anchors_for_shape(image_shape, pyramid_levels, anchor_params)
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    height, width = image_shape[:2]
    anchors = anchors[(centres < (width, height)).all(axis=1)]  # training ignores the others
    positive, _, best = compute_gt_annotations(anchors, boxes)
    return anchors[positive], best[positive]


def load_resized(generator, index, visit=0):
    """Return a picture and its annotations as training has them: filtered, augmented, resized.

    The augmentation depends on (the generator's seed, index, visit) alone.
    """
    from keras_retinanet.preprocessing.batches import BATCH, Batch, batch_context
    from keras_retinanet.utils.image_channels import as_shown

    with batch_context(Batch(generator.seed, (BATCH, visit, index))):
        images, annotations = generator.augmented_group([index])
    image, annotations = generator.resize_group_entry(images[0], annotations[0])
    return (image.copy() if generator.channels is None else as_shown(image)), annotations


def draw(generator, index, args, anchor_params=None, pyramid_levels=None, visit=0):
    """Return a picture with what `args` ask for drawn into it, and how many boxes have anchors.

    Args:
        generator: the dataset.
        index: of the picture.
        args: of `parse_args`.
        anchor_params, pyramid_levels: the grid; 1.0's by default.
        visit: another number gives another augmentation.

    Returns:
        (uint8 [H, W, 3] BGR, boxes, boxes with anchors).
    """
    import numpy as np

    from keras_retinanet.preprocessing.annotations import regions_of, without_regions
    from keras_retinanet.utils.visualization import draw_annotations, draw_boxes, draw_caption

    image, annotations = load_resized(generator, index, visit)
    regions, annotations = regions_of(annotations), without_regions(annotations)
    boxes = annotations["bboxes"]
    anchors, owners = trained_anchors(image.shape, boxes, anchor_params, pyramid_levels)
    trained = np.unique(owners)
    if args.anchors:
        draw_boxes(image, anchors, CYAN, thickness=1)
    if args.show_annotations:
        draw_boxes(image, regions, GREY)
        draw_annotations(image, annotations, RED, label_to_name=generator.label_to_name)
        draw_boxes(image, boxes[trained], GREEN)
    if args.display_name:
        name = Path(generator.image_name(index)).name
        draw_caption(image, [0, image.shape[0], 0, 0], name)
    return image, len(boxes), len(trained)


def show(generator, args, window, anchor_params=None, pyramid_levels=None):
    """Show pictures in `window`, augmented anew each time, until the user quits."""
    index = 0
    for visit in itertools.count():
        image, _, _ = draw(generator, index, args, anchor_params, pyramid_levels, visit)
        step = window.show(image)
        if step is None:
            break
        index = (index + step) % generator.size()


def write_all(generator, args, anchor_params=None, pyramid_levels=None):
    """Write every picture; return the paths."""
    paths = OutputPaths(args.output_dir, args.flatten_output)
    total, trained, written = 0, 0, []
    for index in range(generator.size()):
        image, boxes, with_anchors = draw(generator, index, args, anchor_params, pyramid_levels)
        written.append(write_picture(paths.path(generator.image_path(index)), image))
        total, trained = total + boxes, trained + with_anchors
    print(f"{len(written)} pictures written; {trained} of {total} boxes have anchors")
    return written


def run(generator, args, anchor_params=None, pyramid_levels=None):
    """Show the pictures, or write them where there is no window; return the paths written."""
    window = None if args.no_gui else Window.open()
    if window is not None:
        with window:
            show(generator, args, window, anchor_params, pyramid_levels)
        return []
    why = "" if args.no_gui else "there are no windows here, so "
    print(f"{why}writing {generator.size()} pictures to {args.output_dir}", flush=True)
    return write_all(generator, args, anchor_params, pyramid_levels)


def main(args=None):
    """Run the command with the words `args`; return the paths of the pictures written."""
    args = parse_args(args)
    if args.group_method:
        print("--group-method does nothing here: pictures keep the order of the dataset")
    check_new_folder(args.output_dir, "--output-dir")
    import_keras()
    grid = read_grid(args.config) if args.config else {}
    if is_asked(args):
        run_doctor(args, grid)
        return []
    from keras_retinanet.utils.config import read_config_file

    config = read_config_file(args.config) if args.config else None
    generator = create_generator(args, config)
    return run(generator, args, **grid)


def console():
    """Run the command as a program."""
    sys.exit(run_command(main, PROG))


if __name__ == "__main__":
    console()
