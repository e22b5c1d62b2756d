"""The network that a training run starts from: new, with some weights, or a snapshot."""

from dataclasses import dataclass, field, replace

from keras_retinanet.bin.datasets import some_names
from keras_retinanet.bin.tile_options import settle_tiles
from keras_retinanet.bin.train_resume import check_network_options, settle_training

COLOURS = 3  # channels that the weights of backbones alone are for


@dataclass
class Start:
    """Where a run begins.

    Attributes:
        network: with its profile.
        epoch: epochs that are done.
        step: steps that are done of the next one.
        pretrained: whether the backbone has trained weights.
        facts: of the snapshot, {} for a new network.
    """

    network: object
    epoch: int = 0
    pretrained: bool = True
    facts: dict = field(default_factory=dict)
    step: int = 0


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


def new_network(args, plan, classes, report):
    """Return the Start of a new network with the weights that `args` name.

    Args:
        args: of the command.
        plan: `bin.train_source.Plan`.
        classes: names by label.
        report: gets lines of text.
    """
    from keras_retinanet.models import backbone

    chosen = backbone(plan.profile.backbone)
    file = args.backbone_weights
    if not file and not args.weights and args.imagenet_weights:
        file = chosen.download_imagenet()
    inflated = file and plan.profile.preprocessing.channels != COLOURS
    network = _build(args, plan.profile, len(classes), None if inflated else file)
    _with_dataset(network, args, classes)
    if inflated:
        _inflate_backbone(network, chosen, file, report)
    if args.weights:
        for line in _start_from(args.weights, plan.source, network).lines():
            report(f"{args.weights}: {line}")
    pretrained = bool(file or args.weights)
    args.batch_norm = args.batch_norm or ("frozen" if pretrained else "train")
    args.freeze_backbone = args.freeze_backbone or 0
    _settle_trainable(network, args, report)
    return Start(network, pretrained=pretrained)


def _build(args, profile, num_classes, backbone_weights):
    """Return a new network; what is wrong with levels or anchors is said of --config."""
    from keras_retinanet.models import backbone
    from keras_retinanet.utils import config as configuration

    with configuration.named(args.config):
        return backbone(profile.backbone).retinanet(
            num_classes,
            backbone_weights=backbone_weights,
            prior_probability=args.prior_probability,
            profile=profile,
        )


def _start_from(path, source, network):
    """Give `network` the weights of `source`, or of the file where that is None."""
    from keras_retinanet.models.by_name import load_by_name
    from keras_retinanet.models.transfer import transfer

    return load_by_name(network, path) if source is None else transfer(source, network, path)


def _inflate_backbone(network, chosen, file, report):
    """Give `network`, of other than three channels, the weights of its backbone for three."""
    import keras

    from keras_retinanet.models.backbone_files import load_backbone_file
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.models.transfer import transfer_backbone

    options = profile_of(network).backbone_options
    model, _ = chosen.build(keras.Input((None, None, COLOURS)), **options)
    load_backbone_file(model, file, chosen.backbone)
    order = chosen.training(file).order
    for line in transfer_backbone(model, network, order, file).lines():
        report(f"{file}: {line}")


def _settle_trainable(network, args, report):
    """Freeze what --freeze-backbone and --batch-norm say."""
    from keras_retinanet.models.freezing import freeze_stages, set_batch_norm

    frozen = freeze_stages(network, args.freeze_backbone)
    if args.freeze_backbone:
        report(f"--freeze-backbone {args.freeze_backbone}: {frozen} layers keep their weights")
    set_batch_norm(network, args.batch_norm)


def open_snapshot(args, report):
    """Return the Start of the network of --snapshot, its classes not yet compared.

    What the command line leaves open of how to train is taken from the snapshot.

    Args:
        args: of the command.
        report: gets lines of text.
    """
    from keras_retinanet.models import load_model
    from keras_retinanet.models.retinanet import network_of
    from keras_retinanet.models.snapshot import profile_of, read_facts

    network = network_of(load_model(args.snapshot))
    facts = read_facts(args.snapshot) if args.snapshot.endswith(".keras") else {}
    settle_training(args, facts)
    check_network_options(args, profile_of(network))
    if args.batch_norm is not None:
        _settle_trainable(network, args, report)
    epoch, pretrained = int(facts.get("epoch", 0)), bool(facts.get("pretrained", True))
    return Start(network, epoch, pretrained, facts)


def settle_pictures(args, profile):
    """Fill in what the options leave open from `profile`: tiles, resize, channels, backbone."""
    settle_tiles(args, profile)
    sides = args.image_min_side or args.image_max_side
    if profile.tile is None and not (profile.resize or sides):
        args.no_resize = True
    args.image_min_side = args.image_min_side or min(
        profile.image_min_side, args.image_max_side or profile.image_min_side
    )
    args.image_max_side = args.image_max_side or max(profile.image_max_side, args.image_min_side)
    args.channels = args.channels or profile.picture_channels
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


def make_start(args, classes, begin, report):
    """Return the Start that the command line names, its epoch as --initial-epoch says.

    Args:
        args: of the command.
        classes: names by label.
        begin: the Start that `open_snapshot` gave, or a Plan of a new network.
        report: gets lines of text.
    """
    from keras_retinanet.models.snapshot import profile_of

    start = begin
    if not isinstance(begin, Start):
        start = new_network(args, begin, classes, report)
    else:
        check_classes(profile_of(start.network), classes, args.snapshot)
        _with_dataset(start.network, args, classes)
    if args.initial_epoch is not None:
        start.epoch = args.initial_epoch
    return start
