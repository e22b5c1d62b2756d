"""What a new network is to be: the switches of the model that --weights names, and the options."""

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from keras_retinanet.bin.train_checks import NEW_NETWORK

SIZES = ("pyramid_features", "head_features", "head_layers")


@dataclass(frozen=True)
class Plan:
    """A new network before it is built.

    Attributes:
        profile: what it shall be, its classes not yet known.
        source: the network of --weights, None without, or where the file goes by layer name.
    """

    profile: object
    source: object = None


def make_plan(args, report):
    """Return the Plan of the new network that the command line describes.

    Args:
        args: of the command.
        report: gets lines of text.

    Raises:
        ValueError: options that contradict each other or the model of --weights.
    """
    source = open_source(args, report) if args.weights else None
    if source is None and args.backbone is None:
        args.backbone = NEW_NETWORK["backbone"]
    return Plan(new_profile(args, source), source)


def open_source(args, report):
    """Return the network of the file of --weights; None for one to be read by layer name."""
    from keras_retinanet.models import backbone
    from keras_retinanet.models.retinanet import network_of
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.models.weight_files import WeightsError

    if args.backbone:
        backbone(args.backbone)  # an unknown name ends here
    if _says_nothing_of_itself(args.weights):
        report(f"{args.weights}: a model without a profile, so its layers go by name")
        return None
    try:
        network = network_of(_load(args))
    except WeightsError as error:
        if not _is_hdf5(args.weights):
            raise
        reason = str(error).removeprefix(f"{args.weights}: ")
        report(f"{args.weights}: its layers go by name, since it is no whole model ({reason})")
        return None
    found = profile_of(network).backbone
    if args.backbone and not _same_backbone(args.backbone, found):
        raise ValueError(
            f"--backbone {args.backbone}: the weights of {args.weights} are of {found} and would "
            "be useless. Leave --backbone out, or name other weights"
        )
    return network


def _says_nothing_of_itself(path):
    """Return whether `path` is a `.keras` file that plain Keras wrote."""
    from keras_retinanet.models.snapshot import read_facts

    return str(path).endswith(".keras") and "profile" not in read_facts(path)


def _is_hdf5(path):
    """Return whether `path` is a `.h5` file, which may hold layers of Keras 2 and no RetinaNet."""
    from keras_retinanet.models.loading import HDF5_MAGIC

    with Path(path).open("rb") as stream:
        return stream.read(len(HDF5_MAGIC)) == HDF5_MAGIC


def _load(args):
    """Return the model of --weights; the anchors of --config serve where the file needs them."""
    from keras_retinanet.models import load_model
    from keras_retinanet.models.weight_files import WeightsError
    from keras_retinanet.utils import config as configuration

    try:
        return load_model(args.weights, args.backbone)
    except WeightsError:
        if not args.config:
            raise
    config = configuration.read_config_file(args.config)
    anchors = configuration.parse_anchor_parameters(config)
    return load_model(args.weights, args.backbone, anchor_params=anchors)


def _same_backbone(one, other):
    """Return whether two names are of one architecture: mobilenet224_1 is mobilenet128_1.0."""

    def plain(name):
        family, _, alpha = re.sub(r"^mobilenet\d+_", "mobilenet_", name).partition("_")
        return family, float(alpha) if re.fullmatch(r"\d*\.?\d+", alpha) else alpha

    return plain(one) == plain(other)


def new_profile(args, source=None):
    """Return the profile of a new network, its classes and picture sides not yet known.

    Args:
        args: of the command; `backbone` may be None with a source.
        source: network whose switches count where the command line leaves them open.
    """
    from keras_retinanet.models import backbone
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.utils import config as configuration
    from keras_retinanet.utils.normalisation import for_channels
    from keras_retinanet.utils.profile import Profile

    if source is None:
        training = backbone(args.backbone).training(args.backbone_weights)
        base = Profile(
            backbone=args.backbone,
            preprocessing=training.preprocessing,
            backbone_options=training.options,
        )
    else:
        base = profile_of(source)
    given = {} if args.backbone is None else {"backbone": args.backbone}
    if args.config:
        config = configuration.read_config_file(args.config)
        with configuration.named(args.config):
            given |= _config_fields(config, base, args.config, source)
    given |= {name: getattr(args, name) for name in SIZES if getattr(args, name) is not None}
    with configuration.named(args.config):
        profile = replace(base, **given)
    if args.channels is None:
        return profile
    return replace(profile, preprocessing=for_channels(profile.preprocessing, args.channels))


def _config_fields(config, base, path, source):
    """Return {field of the profile: value} that a configuration file gives."""
    from keras_retinanet.utils import config as configuration

    if source is None:
        configuration.parse_grid(config, path)  # says how anchors and levels go together
    levels = configuration.parse_pyramid_levels(config)
    return {
        **configuration.parse_network(config),
        "anchors": configuration.over(base.anchors, config),
        "levels": base.levels if levels is None else tuple(levels),
    }


def with_bits(args, begin, train, validation):
    """Return `begin` for the bits of the pictures; the generators preprocess accordingly.

    Args:
        args: of the command.
        begin: Plan, or the Start of --snapshot.
        train, validation: generators; the latter may be None.

    Raises:
        ValueError: the pictures have other bits than those of the snapshot.
    """
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.utils import config as configuration
    from keras_retinanet.utils.image import preprocess_image
    from keras_retinanet.utils.normalisation import bits_of

    dtype = "uint8"
    if train.channels is not None:
        dtype = train.load_image(train.groups[0][0]).dtype
    if not isinstance(begin, Plan):
        with configuration.named(args.snapshot):
            profile_of(begin.network).preprocessing.check_bits(dtype)
        return begin
    preprocessing = replace(begin.profile.preprocessing, bits=bits_of(dtype))
    for generator in (train, validation, getattr(validation, "tiled", None)):
        if generator is not None:
            generator.preprocess_image = partial(preprocess_image, mode=preprocessing)
    return replace(begin, profile=replace(begin.profile, preprocessing=preprocessing))
