"""retinanet-evaluate on exported files, in their own runtimes."""

from pathlib import Path

from keras_retinanet.bin.convert_export import EXPORTS
from keras_retinanet.utils.saved_models import is_saved_model

# options that change what is fixed inside of a file, or look inside of a network
NOT_OF_FILES = ("misses", "store_thresholds", "store_temperature", "backbone", "config")


def is_exported(path):
    """Return whether a model is a file of another runtime."""
    return Path(path).suffix.lower() in EXPORTS or is_saved_model(path)


def check_exported(args):
    """Raise ValueError where an option does not go with an exported file."""
    if args.model is None or not is_exported(args.model):
        return
    for name in NOT_OF_FILES:
        if getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{option} does not go with {args.model}; name the snapshot it was made of"
            )


def open_exported(args, most):
    """Return the runtime of the file `args.model` names.

    Args:
        args: of the command.
        most: detections of a picture that are asked for.

    Raises:
        ValueError: it does not give what the options ask for.
    """
    from keras_retinanet.predict.runtimes import ExportedRuntime, Wanted

    runtime = ExportedRuntime(args.model, Wanted(0.0, bfloat16=args.bfloat16))
    profile = runtime.profile
    if args.score_threshold is not None and args.score_threshold < profile.score_threshold:
        raise ValueError(
            f"--score-threshold {args.score_threshold}: {args.model} gives no scores below "
            f"{profile.score_threshold:g}; convert the snapshot again with a lower one"
        )
    if args.max_detections and most > profile.max_detections:
        raise ValueError(
            f"--max-detections {most}: {args.model} gives at most {profile.max_detections}; "
            "convert the snapshot again with more"
        )
    return runtime


class LevelsRunner:
    """A runtime as `predict_on_batch(levels) -> [boxes, scores, labels]`.

    Args:
        runtime: see `predict.runtimes`.
    """

    def __init__(self, runtime):
        self.runtime = runtime
        self.output_names = ("boxes", "scores", "labels")

    def predict_on_batch(self, levels):
        """Return the rows of pictures that fill their canvas, levels [B, H, W, C]."""
        import numpy as np

        sizes = np.tile(np.array(levels.shape[1:3]), (len(levels), 1))
        rows = self.runtime.detect(levels, sizes)
        return [np.stack(column) for column in zip(*rows, strict=True)]


def unchanged(image):
    """Return a picture as levels: the file preprocesses them itself."""
    return image
