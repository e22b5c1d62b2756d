"""--resume: the run of a folder goes on as it began, from its last whole checkpoint."""

import argparse
import os
import sys
from pathlib import Path

from keras_retinanet.bin.process_options import OWN
from keras_retinanet.bin.run_folder import (
    CHECKPOINTS,
    checkpoint_files,
    read_config,
    remove_halves,
    run_name,
)
from keras_retinanet.bin.supervisor import Supervisor
from keras_retinanet.utils import processes

# what may differ from the run's own options: they change no number but by rounding
FREE = ("resume", "time_budget", "save_every", "workers", "max_queue_size", "gpu", "devices", *OWN)
NOT_GIVEN = ("words", "notices")  # what no option sets
AUTO = "auto"  # --resume auto: go on where there is something to go on from, else begin


def is_resumed(words):
    """Return whether the command line `words` has --resume."""
    return any(word.split("=")[0] == "--resume" for word in words)


def without(words, names):
    """Return the command line `words` less the options `names`, each with its value."""
    kept, words = [], list(words)
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name not in names:
            kept.append(word)
        elif not equals and words:
            words.pop(0)
    return kept


def is_auto(words):
    """Return whether the command line `words` has --resume auto."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(
        word == f"--resume={AUTO}" or (word, value) == ("--resume", AUTO) for word, value in pairs
    )


def settled(words, parse):
    """Return a command line with --resume auto as one with --resume FOLDER, or without.

    Args:
        words: of the command line.
        parse: f(words) -> options, unchecked.

    Raises:
        ValueError: the run has no name to find it again by.
    """
    words = without(words, {"--resume"})
    given = parse(words)
    if not given.run_name:
        raise ValueError("--resume auto needs --run-name, by which the run is found again")
    folder = Path(given.snapshot_path) / given.run_name
    return [*words, "--resume", str(folder)] if checkpoint_files(folder) else words


def supervise(args, report):
    """Train as `args` say in --processes processes; end with their exit code.

    Args:
        args: of the command; of the run, where it goes on.
        report: gets lines of text.
    """
    if args.resume:
        folder, words = args.folder, ["--resume", str(args.folder)]
    else:
        name = args.run_name or run_name(args)
        folder = Path(args.snapshot_path) / name
        words = [*args.words, "--run-name", name, "--resume", AUTO]
    on_cpu = args.gpu == "cpu"
    supervisor = Supervisor(
        words, args.processes, args.devices, folder, args.restarts, report, on_cpu
    )
    sys.exit(supervisor.run())


def without_dataset(parser):
    """Let `parser` do without the dataset word, which the run's folder knows."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            action.required = False


def resumed_args(parser, given, parse):
    """Return the options of the run that `given.resume` names.

    Args:
        parser: of the command.
        given: what the command line says: --resume alone, or with the run's whole command again.
        parse: f(words) -> options, unchecked.

    Raises:
        ValueError: the folder is none of a run, or an option differs from the run's.
    """
    config = read_config(given.resume)
    began = parse(config["command"])
    alone = given.dataset_type is None
    for name, value in vars(given).items():
        before = getattr(began, name, None)
        silent = name in (*FREE, *NOT_GIVEN) or (alone and value == parser.get_default(name))
        if value != before and not silent:
            raise ValueError(
                f"--{name.replace('_', '-')} {value}: the run of {given.resume} began with "
                f"{before} and goes on so; leave it out, or start a new run by "
                f"--snapshot {given.resume}/last.keras"
            )
    free = {
        name: getattr(given, name)
        for name in FREE
        if name in OWN or getattr(given, name) != parser.get_default(name)
    }
    folder = Path(given.resume).absolute()
    return argparse.Namespace(
        **{**config["options"], **free, "resume": str(folder), "folder": folder},
        words=config["command"],
        notices=[],
    )


def enter(args):
    """Go to the folder and the backend in which the run of `args` began.

    Raises:
        ValueError: another backend is in use.
    """
    config = read_config(args.resume)
    used = os.environ.get("KERAS_BACKEND")
    if "keras" in sys.modules:
        used = sys.modules["keras"].backend.backend()
    if used not in (None, config["backend"]):
        raise ValueError(
            f"--resume {args.resume}: the run began on {config['backend']}, this is {used}; "
            f"set KERAS_BACKEND={config['backend']}"
        )
    os.environ["KERAS_BACKEND"] = config["backend"]
    if Path(config["folder"]).is_dir():  # relative paths of the command are read from there
        os.chdir(config["folder"])


def last_whole(folder, report):
    """Return the last checkpoint of a run's folder that is not damaged.

    Args:
        folder: of the run.
        report: gets a line for each that is.

    Raises:
        ValueError: there is none.
    """
    from keras_retinanet.models.checkpoint import checkpoints, damage

    for path in checkpoints(Path(folder) / CHECKPOINTS):
        wrong = damage(path)
        if wrong is None:
            return path
        report(f"{path}: damaged ({wrong}), so the checkpoint before it counts")
    raise ValueError(
        f"--resume {folder}: has no whole checkpoint; go on from {folder}/last.keras by --snapshot"
    )


def start_from(args, path, report):
    """Return the `Start` of a checkpoint; `args` then say what the run is.

    Args:
        args: of `resumed_args`.
        path: of the checkpoint.
        report: gets lines of text.
    """
    from keras_retinanet.bin.train_network import open_snapshot
    from keras_retinanet.models.snapshot import read_facts

    if processes.is_first():
        remove_halves(args.folder)
    args.snapshot = args.checkpoint = str(path)
    # the network is that of the checkpoint, whatever became of the files it was made from
    args.config = args.weights = args.backbone_weights = args.initial_epoch = None
    start = open_snapshot(args, report)
    start.step = read_facts(path)["step"]
    return start


def check_steps(args, facts, steps):
    """Raise ValueError where the dataset gives other steps an epoch than when the run began."""
    if steps != facts["steps"]:
        raise ValueError(
            f"--resume {args.folder}: the run began with {facts['steps']} steps an epoch, the "
            f"dataset now gives {steps}. Put the dataset back as it was, or start a new run by "
            f"--snapshot {args.folder}/last.keras"
        )
