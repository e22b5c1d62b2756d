"""What is settled of the options of retinanet-train before any picture or network is looked at.

Defaults that differ from keras-retinanet 1.0 stand in docs/coming-from-1.0.md with the reason.
"""

import importlib.util
import re

from keras_retinanet.bin import train_recipes
from keras_retinanet.bin.datasets import may_measure
from keras_retinanet.bin.picture_options import settle_augmentation
from keras_retinanet.bin.process_options import process_contradictions
from keras_retinanet.bin.tile_options import check_tiles
from keras_retinanet.bin.train_devices import device_contradictions
from keras_retinanet.bin.train_objective import NEW_OBJECTIVE

# How a run trains unless the command line or the snapshot that it goes on from says so.
NEW_RUN = {
    "optimizer": "adam",
    "lr_schedule": "cosine",
    "backbone_rate": 0.1,
    "optimizer_clipnorm": 1.0,
    **train_recipes.NEW_RATES,
    **NEW_OBJECTIVE,
    "dtype": "float32",
    "ema": None,
}
# What shapes a new network; None leaves it to --config, then to models.retinanet.
NEW_NETWORK = {
    "backbone": "resnet50",
    "pyramid_features": None,
    "head_features": None,
    "head_layers": None,
}
PRIOR = 0.01
MOSAIC_OFF = 0.1  # share of the epochs, the last ones
GONE = {
    "multi_gpu": "--multi-gpu is gone: its Keras function is; say --devices N",
    "multi_gpu_force": "--multi-gpu-force is gone with --multi-gpu",
    "multiprocessing": "--multiprocessing is now threads: use --workers N",
}


def _contradictions(args):
    """Yield what is wrong with options that are right one by one."""
    smaller, larger = args.image_min_side, args.image_max_side
    if smaller and larger and smaller > larger:
        yield f"--image-min-side {smaller} is larger than --image-max-side {larger}"
    if args.no_resize and (smaller or larger):
        yield "--no-resize leaves sizes alone; take it or the --image-*-side options away"
    starts = ("snapshot", "imagenet_weights", "weights", "backbone_weights", "no_weights")
    given = ["--" + name.replace("_", "-") for name in starts if getattr(args, name)]
    if len(given) > 1:  # argparse sees it only on one side of the dataset word
        yield f"{' and '.join(given)} exclude each other"
    if args.freeze_backbone and args.no_weights:
        yield "--freeze-backbone with --no-weights would keep the backbone's random weights"
    if args.batch_norm == "frozen" and args.no_weights:
        yield "--batch-norm frozen with --no-weights would keep statistics of nothing"
    if args.snapshot and args.prior_probability is not None:
        yield "--prior-probability starts a new network; leave it out with --snapshot"
    if args.label_smoothing and args.classification_loss == "quality-focal":
        yield "--label-smoothing and quality-focal both set the targets; leave one out"
    if args.no_resize and args.batch_size > 1 and args.group_method != "ratio":
        yield "--no-resize with batches needs --group-method ratio, or --batch-size 1"
    plateau = args.reduce_lr_patience is not None or args.reduce_lr_factor is not None
    if plateau and args.lr_schedule not in (None, "plateau"):
        yield f"--reduce-lr-* go with --lr-schedule plateau, not {args.lr_schedule}"
    yield from train_recipes.rate_contradictions(args)
    yield from device_contradictions(args)
    yield from process_contradictions(args)
    if args.initial_epoch is not None and args.initial_epoch >= args.epochs:
        yield f"--initial-epoch {args.initial_epoch} leaves nothing of --epochs {args.epochs}"
    if args.run_name and not re.fullmatch(r"[\w][\w.+-]*", args.run_name):
        yield f"--run-name {args.run_name!r} must be a plain folder name"
    if args.mosaic_off is not None and args.augmentation != "mosaic":
        yield "--mosaic-off goes with --augmentation mosaic"
    if args.mosaic_off is not None and args.mosaic_off > args.epochs:
        yield f"--mosaic-off {args.mosaic_off} is more than --epochs {args.epochs}"
    if args.compute_val_loss and not may_measure(args):
        yield "--compute-val-loss needs --val-annotations"
    if args.early_stopping and not (may_measure(args) and args.evaluation):
        yield "--early-stopping needs --val-annotations and evaluation"
    if args.tensorboard_dir and importlib.util.find_spec("tensorboard") is None:
        yield "--tensorboard-dir needs TensorBoard: pip install tensorboard"


def _settle(args, defaults):
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def check_args(args):
    """Return `args` with what follows from them, or raise ValueError.

    Adds `notices`: one line for each option that does nothing any more. With --snapshot or
    --weights, what that file decides stays None until it is read.
    """
    for problem in _contradictions(args):
        raise ValueError(problem)
    args.notices = [text for name, text in GONE.items() if getattr(args, name)]
    plateau = args.reduce_lr_patience is not None or args.reduce_lr_factor is not None
    if args.lr_steps:
        args.lr_schedule = args.lr_schedule or "steps"
    check_tiles(args)
    settle_augmentation(args, "flips")
    args.lr_schedule = args.lr_schedule or ("plateau" if plateau else None)
    args.imagenet_weights = not args.no_weights
    if not (args.snapshot or args.weights):
        _settle(args, NEW_NETWORK)
    if not args.snapshot:
        _settle(args, {**NEW_RUN, "prior_probability": PRIOR})
    tenth = round(args.epochs * MOSAIC_OFF)
    args.mosaic_off = tenth if args.mosaic_off is None else args.mosaic_off
    args.reduce_lr_patience = 2 if args.reduce_lr_patience is None else args.reduce_lr_patience
    args.reduce_lr_factor = args.reduce_lr_factor or 0.1
    args.workers = max(1, args.workers)
    return args
