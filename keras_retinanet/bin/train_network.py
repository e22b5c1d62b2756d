"""The network that a training run starts from: new, with some weights, or a snapshot."""

from dataclasses import dataclass, field, replace

from keras_retinanet.bin.datasets import some_names
from keras_retinanet.bin.tile_options import settle_tiles
from keras_retinanet.bin.train_resume import check_network_options, settle_training


@dataclass
class Start:
    """Where a run begins.

    Attributes:
        network: with its profile.
        epoch: epochs that are done.
        pretrained: whether the backbone has trained weights.
        facts: of the snapshot, {} for a new network.
    """

    network: object
    epoch: int = 0
    pretrained: bool = True
    facts: dict = field(default_factory=dict)


def network_options(args):
    """Return the options of `Backbone.retinanet` that the command line and --config give."""
    from keras_retinanet.utils import config as configuration

    options = {"prior_probability": args.prior_probability}
    if args.config:
        config = configuration.read_config_file(args.config)
        with configuration.named(args.config):
            options |= configuration.parse_network(config)
            options |= configuration.parse_grid(config, args.config)
    for name in ("pyramid_features", "head_features", "head_layers"):
        if getattr(args, name) is not None:
            options[name] = getattr(args, name)
    return options


def _with_dataset(network, args, classes):
    """Give `network` the profile of this run."""
    from keras_retinanet.models.snapshot import attach_profile, profile_of

    return attach_profile(
        network,
        replace(
            profile_of(network),
            classes=classes,
            image_min_side=args.image_min_side,
            image_max_side=args.image_max_side,
            resize=not args.no_resize,
            tile=args.tile,
            tile_overlap=args.tile_overlap,
        ),
    )


def new_network(args, classes, report):
    """Return the Start of a new network with the weights that `args` name."""
    from keras_retinanet.models import backbone
    from keras_retinanet.models.by_name import load_by_name
    from keras_retinanet.utils import config as configuration
    from keras_retinanet.utils.model import freeze_batch_norm

    chosen = backbone(args.backbone)
    file = args.backbone_weights
    if not file and not args.weights and args.imagenet_weights:
        file = chosen.download_imagenet()
    options = network_options(args)
    with configuration.named(args.config):
        network = chosen.retinanet(len(classes), backbone_weights=file, **options)
    if args.weights:
        for line in load_by_name(network, args.weights).lines():
            report(f"{args.weights}: {line}")
        freeze_batch_norm(network)
    if args.freeze_backbone:
        _freeze_backbone(network)
    return Start(_with_dataset(network, args, classes), pretrained=bool(file or args.weights))


def _freeze_backbone(network):
    from keras_retinanet.models.retinanet import backbone_layers

    for layer in backbone_layers(network):
        layer.trainable = False


def open_snapshot(args):
    """Return the Start of the network of --snapshot, its classes not yet compared.

    What the command line leaves open of how to train is taken from the snapshot.
    """
    from keras_retinanet.models import load_model
    from keras_retinanet.models.retinanet import network_of
    from keras_retinanet.models.snapshot import profile_of, read_facts

    network = network_of(load_model(args.snapshot))
    if args.freeze_backbone:
        _freeze_backbone(network)
    facts = read_facts(args.snapshot) if args.snapshot.endswith(".keras") else {}
    settle_training(args, facts)
    check_network_options(args, profile_of(network))
    epoch, pretrained = int(facts.get("epoch", 0)), bool(facts.get("pretrained", True))
    return Start(network, epoch, pretrained, facts)


def settle_pictures(args, profile):
    """Fill in what the options leave open from `profile`: tiles, resize, backbone."""
    settle_tiles(args, profile)
    args.image_min_side = args.image_min_side or min(
        profile.image_min_side, args.image_max_side or profile.image_min_side
    )
    args.image_max_side = args.image_max_side or max(profile.image_max_side, args.image_min_side)
    args.backbone, args.resize_rule = profile.backbone, profile.resize_rule


def check_classes(profile, classes, path):
    """Raise ValueError unless the classes of a model are those of the dataset."""
    known = profile.classes
    same = known == classes if any(known) else len(known) in (0, len(classes))
    if not same:
        raise ValueError(
            f"{path}: its {len(known)} classes ({some_names(known)}) are not the dataset's "
            f"{len(classes)} ({some_names(classes)}); give the classes file it was trained with, "
            "or train a new model with --weights"
        )


def make_start(args, classes, snapshot, report):
    """Return the Start that the command line names, its epoch as --initial-epoch says.

    Args:
        args: of the command.
        classes: names by label.
        snapshot: what `open_snapshot` gave, or None for a new network.
        report: gets lines of text.
    """
    from keras_retinanet.models.snapshot import profile_of

    start = snapshot
    if snapshot is None:
        start = new_network(args, classes, report)
    else:
        check_classes(profile_of(start.network), classes, args.snapshot)
        _with_dataset(start.network, args, classes)
    if args.initial_epoch is not None:
        start.epoch = args.initial_epoch
    return start
