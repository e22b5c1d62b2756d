"""The model that a command line names: its options, its network, its detector."""

from dataclasses import replace
from pathlib import Path

from keras_retinanet.bin.console import import_keras

# those of utils.families, whose import would load Keras; a test holds them equal
FAMILIES = (
    *("fizyr", "torchvision", "torchvision_trained", "torchvision_v2", "detectron2"),
    *("mmdetection", "mmdetection_caffe", "odtk", "keras_hub", "keras_hub_v2"),
)


def add_model_options(parser):
    """Add what a command needs to read model files that do not tell everything."""
    parser.add_argument("--backbone", help="of a file of 1.0 whose layers do not tell it")
    parser.add_argument("--config", help=".ini file: anchors in place of the model's own")
    add_family(parser)


def add_bfloat16(parser):
    """Add the option for networks that compute in bfloat16."""
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="compute in bfloat16, which processors that have it do twice as fast",
    )


def notice_of_bfloat16(args):
    """Return a line where --bfloat16 will not be faster here, None elsewhere."""
    from keras_retinanet.utils.processor import has_bfloat16

    if args.bfloat16 and args.gpu in (None, "cpu") and has_bfloat16() is False:
        return "--bfloat16: this processor has no instructions for it, so that it is slower"
    return None


def add_family(parser):
    """Add the option for published weights that do not tell what they are."""
    parser.add_argument(
        "--family",
        choices=("auto", *FAMILIES),
        default="auto",
        help="what published weights were trained with, where their file does not tell (auto)",
    )


def given_family(args):
    """Return the family that the command line names, None for auto."""
    return None if args.family == "auto" else args.family


def start_keras(gpu=None, model=None):
    """Import Keras and show it the GPUs that `gpu` names (all for None, none for "cpu").

    That takes seconds, before which a file or folder `model` that does not exist is told.
    """
    if model is not None and not Path(model).exists():
        raise ValueError(f"{model}: no such model file")
    import_keras()
    if gpu is not None:
        from keras_retinanet.utils.gpu import setup_gpu

        setup_gpu(gpu)


def load_network(path, backbone=None, config=None, family=None, report=print):
    """Return the network of a model file, with its profile.

    Args:
        path: of a network or a detector; `.keras`, or `.h5`, also of 1.0.
        backbone: where the file does not tell.
        config: path of an .ini file whose anchors replace those of the file.
        family: of published weights that do not tell; None finds it.
        report: gets a notice where `backbone` is not needed.

    Raises:
        ValueError: one line that names the file.
    """
    from keras_retinanet.models import backbone as find_backbone
    from keras_retinanet.models import load_model
    from keras_retinanet.models.retinanet import network_of
    from keras_retinanet.models.snapshot import attach_profile, profile_of
    from keras_retinanet.utils.config import over, read_config_file

    if backbone:
        find_backbone(backbone)
    grid = read_grid(config) if config else {}
    model = load_model(path, backbone, grid.get("anchor_params"), family)
    try:
        network = network_of(model)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    profile = profile_of(network)
    if backbone and backbone != profile.backbone:
        report(f"--backbone {backbone} is not used: {path} says {profile.backbone}")
    if not config:
        return network
    _check_grid(config, grid, path, profile)
    anchors = over(profile.anchors, read_config_file(config))
    return attach_profile(network, replace(profile, anchors=anchors))


def read_grid(config):
    """Return {"anchor_params", "pyramid_levels"} of the .ini file at `config`."""
    from keras_retinanet.utils.config import parse_grid, read_config_file

    return parse_grid(read_config_file(config), config)


def _check_grid(config, grid, path, profile):
    """Raise ValueError unless the anchors of `config` fit the network that `path` holds."""
    number, wanted = grid["anchor_params"].num_anchors(), profile.anchors.num_anchors()
    if number != wanted:
        raise ValueError(
            f"{config}: {number} anchors a cell, but {path} was trained with {wanted}; "
            "give the --config of its training, or leave it out"
        )
    levels = tuple(grid["pyramid_levels"] or profile.levels)
    sizes = grid["anchor_params"].sizes
    if levels != profile.levels or len(sizes) != len(levels):
        raise ValueError(
            f"{config}: {len(sizes)} anchor sizes on levels {levels}, but {path} has levels "
            f"{profile.levels}; give the --config of its training, or leave it out"
        )
