"""The folder of a run, and config.json in it: how the run came to be.

`command` are the words of the command line, `options` all options as they were settled, `backend`
and `folder` what they were given in. `--resume` reads them.
"""

import json
import time
from pathlib import Path

from keras_retinanet import __version__
from keras_retinanet.bin.process_options import OWN
from keras_retinanet.utils import processes

CONFIG = "config.json"
CHECKPOINTS = "checkpoints"
# what is no option: the words themselves, and what is worked out from them at each start
_NOT_OPTIONS = (
    *("words", "notices", "facts", "folder", "resume", "checkpoint", "epochs_done"),
    *("same_optimizer", "same_trainable", "again", *OWN),
)


def run_name(args):
    """Return the name of a run that begins now."""
    return f"{args.backbone}_{args.dataset_type}_{time.strftime('%Y%m%d-%H%M%S')}"


def make_run_folder(args):
    """Return the new folder of this run, None under --no-snapshots."""
    if not args.snapshots:
        return None
    folder = Path(args.snapshot_path) / (args.run_name or run_name(args))
    lost = getattr(args, "again", False) and not checkpoint_files(folder)  # before its first one
    if folder.exists() and not lost:
        raise ValueError(
            f"{folder}: exists already; give another --run-name, move it away, or go on with "
            f"--resume {folder}"
        )
    folder.mkdir(parents=True, exist_ok=lost)
    return folder


def begin_run(args, steps):
    """Return the new folder of this run with its config.json, None under --no-snapshots.

    Args:
        args: of the command, settled.
        steps: of an epoch.
    """

    def make():
        folder = make_run_folder(args)
        if folder is None:
            return None
        write_config(folder, args, steps)
        return str(folder)

    folder = processes.from_first(make)
    return None if folder is None else Path(folder)


def checkpoint_files(folder):
    """Return the checkpoints of a run's folder, the last one last."""
    return sorted((Path(folder) / CHECKPOINTS).glob("step-*.keras"))


def remove_halves(folder):
    """Remove what a process left that was killed while it wrote into a run's folder."""
    for name in ("last", "best", "history", "curves", "config"):
        for path in Path(folder).glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def options_of(args):
    """Return all options of a run, settled, as JSON values."""
    return {name: value for name, value in vars(args).items() if name not in _NOT_OPTIONS}


def write_config(folder, args, steps):
    """Write config.json.

    Args:
        folder: of the run.
        args: of the command, settled.
        steps: of an epoch.
    """
    import keras

    from keras_retinanet.models.snapshot import written_aside

    config = {
        "package": "keras-retinanet",
        "version": __version__,
        "backend": keras.backend.backend(),
        "folder": str(Path.cwd()),
        "command": args.words,
        "steps_per_epoch": steps,
        "options": options_of(args),
    }
    with written_aside(Path(folder) / CONFIG) as aside:
        aside.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def read_config(folder):
    """Return what `write_config` wrote.

    Raises:
        ValueError: it is not there, or damaged.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ValueError(
            f"--resume {folder}: has no {CONFIG}, so it is no run's folder; name the folder that "
            "retinanet-train said it writes to, or go on from a file by --snapshot"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return {name: config[name] for name in ("backend", "folder", "command", "options")} | config
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: damaged ({error}); go on from {folder}/last.keras by --snapshot"
        ) from error
