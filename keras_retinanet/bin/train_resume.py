"""What a run takes over from the snapshot that it goes on from, and what it must not change."""

from keras_retinanet.bin.train_checks import NEW_NETWORK, NEW_RUN

TRAINABLE = ("batch_norm", "freeze_backbone")  # which weights of the network train


def training_facts(args):
    """Return how this run trains, as JSON values to keep in its snapshots."""
    return {name: getattr(args, name) for name in (*NEW_RUN, "lr", *TRAINABLE)}


def settle_training(args, facts):
    """Fill in what the command line leaves open from the snapshot's facts, else from the defaults.

    Args:
        args: of `parse_args`, with --snapshot.
        facts: of `models.snapshot.read_facts`.

    Raises:
        ValueError: --dtype differs from the network's.
    """
    before = facts.get("training", {})
    if args.dtype and before and args.dtype != before["dtype"]:
        raise ValueError(
            f"--dtype {args.dtype}: the network of {args.snapshot} computes in {before['dtype']}. "
            "Leave --dtype out, or start a new network by --weights"
        )
    args.same_optimizer = all(
        getattr(args, name) in (None, before.get(name, getattr(args, name)))
        for name in ("optimizer", "ema")
    )
    for name, default in {**NEW_RUN, "lr": None}.items():
        if getattr(args, name) is None:
            setattr(args, name, before.get(name, default))
    _settle_trainable(args, facts)


def _settle_trainable(args, facts):
    """Fill in --batch-norm and --freeze-backbone; None where neither snapshot nor option tells."""
    before = facts.get("training", {})
    kept = {name: before.get(name) for name in TRAINABLE}
    given = {name: getattr(args, name) for name in TRAINABLE if getattr(args, name) is not None}
    args.same_trainable = given.items() <= kept.items()
    usual = "frozen" if facts.get("pretrained", True) else "train"
    if given:
        kept = {name: value for name, value in kept.items() if value is not None}
        kept = {"batch_norm": usual, "freeze_backbone": 0, **kept}
    for name in TRAINABLE:
        setattr(args, name, given.get(name, kept[name]))


def check_network_options(args, profile):
    """Raise ValueError where an option that shapes a new network contradicts the snapshot's."""
    from keras_retinanet.utils import config as configuration

    given = {name: getattr(args, name) for name in NEW_NETWORK}
    if args.config:
        config = configuration.read_config_file(args.config)
        grid = configuration.parse_grid(config, args.config)
        given["anchors"] = configuration.over(profile.anchors, config)
        given["levels"] = grid["pyramid_levels"] and tuple(grid["pyramid_levels"])
    for name, value in given.items():
        if value is not None and value != getattr(profile, name):
            option = (
                f"--config {args.config}: its {name}"
                if name in ("anchors", "levels")
                else (f"--{name.replace('_', '-')} {value}")
            )
            raise ValueError(
                f"{option} cannot change the network of {args.snapshot}, which has "
                f"{getattr(profile, name)}. Leave it out, or start a new network by --weights"
            )
    channels = profile.preprocessing.channels
    if args.channels not in (None, channels):
        raise ValueError(
            f"--channels {args.channels}: the network of {args.snapshot} takes {channels}. Leave "
            "it out, or start a new network by --weights, which inflates the first convolution"
        )


def load_optimizer(optimizer, args, facts, report):
    """Restore the optimizer's state that lies beside the snapshot, where it belongs to it."""
    from keras_retinanet.callbacks.snapshots import state_path
    from keras_retinanet.models.optimizer import (
        has_averages,
        load_state,
        steps_in_state,
        swap_averages,
    )
    from keras_retinanet.models.snapshot import SnapshotError

    state = state_path(args.snapshot)
    if not args.same_optimizer:
        report(
            f"--optimizer {args.optimizer}, --ema {args.ema}: another than the snapshot's, so the "
            "optimizer starts afresh"
        )
    elif not state.is_file():
        report(f"{state}: not there, so the optimizer starts afresh")
    elif facts.get("iterations") not in (None, steps_in_state(state)):
        report(f"{state}: of another step than the snapshot, so the optimizer starts afresh")
    else:
        try:
            load_state(optimizer, state)
            if has_averages(optimizer):
                swap_averages(optimizer)  # a snapshot has the averages for its weights
        except SnapshotError:
            if args.same_trainable:
                raise
            report("other weights train than in the snapshot's run, so the optimizer starts afresh")
