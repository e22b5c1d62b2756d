"""Checkpoints: one file with all that a training needs to go on as if it had never stopped.

It is a snapshot of the weights that train, which any command opens, with more members: the
variables of the optimizer (steps, moments, averages, rate) and those of the training model that
are no weights (metrics, random states). Written aside and renamed, so that it is there or not.
"""

import re
import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_retinanet.models.snapshot import SnapshotError, save_snapshot

KEPT = 2  # the last, and the one before in case the last is damaged
_NAME = re.compile(r"step-(\d+)\.keras")


def checkpoint_path(folder, step):
    """Return where the checkpoint after `step` steps of a run lies in `folder`."""
    return Path(folder) / f"step-{step:09d}.keras"


def steps_of(path):
    """Return after how many steps a checkpoint was written, None where it is no checkpoint."""
    found = _NAME.fullmatch(Path(path).name)
    return int(found[1]) if found else None


def checkpoints(folder):
    """Return the checkpoints in `folder`, the last one first."""
    found = [path for path in Path(folder).glob("step-*.keras") if steps_of(path) is not None]
    return sorted(found, key=steps_of, reverse=True)


def tidy(folder, step):
    """Remove what no run of `step` steps goes on from: halves of files, later checkpoints."""
    for path in Path(folder).glob(".step-*"):
        path.unlink(missing_ok=True)  # of a process killed while it wrote
    for path in checkpoints(folder):
        if steps_of(path) > step:
            path.unlink()


def write_checkpoint(folder, step, network, model, facts):
    """Write a checkpoint, then remove all but the last two.

    Args:
        folder: of the checkpoints; exists.
        step: steps of the run so far.
        network: with its profile, whose weights `model` trains.
        model: compiled `TrainingModel`.
        facts: JSON values, as of `save_snapshot`.

    Raises:
        OSError: the file could not be written; those of before are untouched.
    """
    variables = [*_named("model", _other_variables(model)), *_named("optimizer", _state(model))]
    arrays = ((name, keras.ops.convert_to_numpy(variable)) for name, variable in variables)
    save_snapshot(network, checkpoint_path(folder, step), extra=facts, arrays=arrays)
    for path in checkpoints(folder)[KEPT:]:
        path.unlink()


def damage(path):
    """Return what is wrong with the file of a checkpoint, None where it is whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()  # reads every byte, and compares checksums
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        return str(error)
    return None if bad is None else f"its member {bad} is damaged"


def load_model_state(path, model):
    """Set metrics and random states of `model` from a checkpoint."""
    _load(path, _named("model", _other_variables(model)))


def load_optimizer_state(path, model, optimizer):
    """Set all variables of a built optimizer from a checkpoint."""
    _load(path, _named("optimizer", optimizer.variables))


def _state(model):
    return model.optimizer.variables


def _other_variables(model):
    """Return the variables of `model` that are no weights of its network."""
    weights = {id(variable) for variable in model.network.weights}
    found = {id(variable): variable for variable in (*model.variables, *model.metrics_variables)}
    return [variable for key, variable in found.items() if key not in weights]


def _named(kind, variables):
    return [(f"{kind}/{index}", variable) for index, variable in enumerate(variables)]


def _load(path, named):
    with zipfile.ZipFile(path) as archive:
        for name, variable in named:
            try:
                with archive.open(f"{name}.npy") as stream:
                    array = np.lib.format.read_array(stream)
            except KeyError:
                raise SnapshotError(
                    f"{path}: has no {name}; name a run that this version of keras-retinanet wrote"
                ) from None
            if array.shape != tuple(variable.shape):
                raise SnapshotError(
                    f"{path}: {name} has the shape {array.shape}, the training's own has "
                    f"{tuple(variable.shape)}; go on with the options that the run began with"
                )
            variable.assign(array)
