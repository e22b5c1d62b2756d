"""Large pictures in tiles: options of train, evaluate and debug."""

from keras_retinanet.bin.console import number

TILE_OVERLAP = 0.2  # as of utils.tiles, whose import would load NumPy; a test holds them equal


def add_tiles(parser, default):
    """Add the options; `default` is said in the help."""
    parser.add_argument(
        "--tile",
        type=number(int, low=0),
        help=f"cut pictures into tiles of so many pixels a side, not resized; 0: none ({default})",
    )
    parser.add_argument(
        "--tile-overlap",
        type=number(float, low=0, high=0.9),
        help=f"share of its side that a tile has in common with the next ({TILE_OVERLAP})",
    )


def check_tiles(args):
    """Raise ValueError where the options of tiles contradict others."""
    if args.tile_overlap is not None and args.tile == 0:
        raise ValueError("--tile-overlap goes with --tile SIZE, not with --tile 0")
    if args.tile and (args.image_min_side or args.image_max_side):
        raise ValueError(
            f"--tile {args.tile} leaves sizes alone, so leave --image-min-side and "
            "--image-max-side out"
        )


def settle_tiles(args, profile):
    """Fill in what the options leave open from `profile`; tiles are not resized.

    Sides on the command line ask for whole pictures, resized.
    """
    if args.tile is None and not (args.image_min_side or args.image_max_side):
        args.tile = profile.tile
    args.tile = args.tile or None
    if args.tile_overlap is None:
        args.tile_overlap = profile.tile_overlap
    args.no_resize = args.no_resize or bool(args.tile)


def tiled(dataset, args, **options):
    """Return the `TiledGenerator` of a dataset.

    Args:
        dataset: the generator of whole pictures.
        args: with `tile` and `tile_overlap`.
        options: of the generator of the tiles.
    """
    from keras_retinanet.preprocessing.tiles import TiledGenerator
    from keras_retinanet.utils.tiles import Tiling

    overlap = TILE_OVERLAP if args.tile_overlap is None else args.tile_overlap
    return TiledGenerator(dataset, Tiling(args.tile, overlap), **options)
