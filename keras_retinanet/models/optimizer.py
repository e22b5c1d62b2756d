"""The optimizer: a lower rate for what is pretrained, and its state in a file."""

from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from keras_retinanet.models.guard import LossScaleOptimizer, guarded, of_summed
from keras_retinanet.models.snapshot import SnapshotError, written_aside

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}
# no decay of what scales and shifts: Goyal et al. 2017 (arXiv:1706.02677, section 5.3)
UNDECAYED = ["gamma", "beta", "bias"]


def with_lower_rate(base, paths, factor):
    """Return a subclass of the optimizer class `base` that slows some variables down.

    Args:
        base: a Keras optimizer class.
        paths: paths of the variables that learn at `factor` times the rate.
        factor: such as 0.1.
    """
    paths = frozenset(paths)

    class LowerRate(base):
        def update_step(self, gradient, variable, learning_rate):
            # TensorFlow hands over its own variable, which has no path
            own = self._trainable_variables[self._get_variable_index(variable)]
            if own.path in paths:
                learning_rate = learning_rate * factor
            super().update_step(gradient, variable, learning_rate)

    LowerRate.__name__ = base.__name__
    return LowerRate


def make_optimizer(
    name,
    rate,
    clipnorm,
    slow_paths=(),
    slow_factor=1.0,
    loss_scaling=False,
    average=None,
    settings=None,
):
    """Return a Keras optimizer that leaves out steps whose gradients are not finite.

    Args:
        name: a key of `OPTIMIZERS`.
        rate: number or schedule.
        clipnorm: largest norm of each variable's gradient, as in 1.0; 0 for none.
        slow_paths, slow_factor: see `with_lower_rate`.
        loss_scaling: for float16, whose small gradients would vanish; it then finds the steps to
            leave out.
        average: decay of an exponential moving average of the weights, such as 0.999; None for
            none. See `swap_averages`.
        settings: further arguments of the Keras optimizer, None as left out: "weight_decay" (not
            of biases, gains and shifts), "momentum", "gradient_accumulation_steps".
    """
    base = (of_summed if loss_scaling else guarded)(OPTIMIZERS[name])
    if slow_paths and slow_factor != 1.0:
        base = with_lower_rate(base, slow_paths, slow_factor)
    options = {key: value for key, value in (settings or {}).items() if value is not None}
    options = ({"momentum": 0.9} if name == "sgd" else {}) | options
    if average is not None:
        options |= {"use_ema": True, "ema_momentum": average}
    optimizer = base(learning_rate=rate, clipnorm=clipnorm or None, **options)
    if "weight_decay" in options:
        optimizer.exclude_from_weight_decay(var_names=UNDECAYED)
    return LossScaleOptimizer(optimizer) if loss_scaling else optimizer


def has_averages(optimizer):
    """Return whether `optimizer` keeps an average of the weights."""
    return bool(getattr(optimizer, "inner_optimizer", optimizer).use_ema)


def swap_averages(optimizer):
    """Exchange the weights and their averages, to the last bit; twice is as before."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    weights, averages = optimizer._trainable_variables, optimizer._model_variables_moving_average
    for weight, average in zip(weights, averages, strict=True):
        value = np.array(keras.ops.convert_to_numpy(weight))  # a copy: torch would give a view
        weight.assign(keras.ops.convert_to_numpy(average))
        average.assign(value)


def _state_of(optimizer):
    """Return the optimizer's variables less the learning rate, which is the run's own."""
    return [v for v in optimizer.variables if not v.path.endswith("learning_rate")]


def write_state(optimizer, path):
    """Write the optimizer's state to the file `path` (.npz)."""
    arrays = [keras.ops.convert_to_numpy(variable) for variable in _state_of(optimizer)]
    with Path(path).open("wb") as stream:
        np.savez(stream, *arrays)


def save_state(optimizer, path):
    """Write the optimizer's state to `path` (.npz), atomically."""
    with written_aside(path) as aside:
        write_state(optimizer, aside)


def steps_in_state(path):
    """Return how many steps the optimizer of the file `path` had done; None where it is damaged."""
    try:
        with Path(path).open("rb") as stream, np.load(stream) as stored:
            return int(stored["arr_0"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile):
        return None


def load_state(optimizer, path):
    """Set the state of a built optimizer from `path`; the learning rate stays its own.

    Raises:
        SnapshotError: the file is damaged or of another optimizer or network.
    """
    try:
        # opened here, since np.load leaves the file open when its content is damaged
        with Path(path).open("rb") as stream, np.load(stream) as stored:
            arrays = [stored[f"arr_{index}"] for index in range(len(stored.files))]
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile) as error:
        raise SnapshotError(f"{path}: not an optimizer state: {error}") from error
    variables = _state_of(optimizer)
    if [tuple(a.shape) for a in arrays] != [tuple(v.shape) for v in variables]:
        raise SnapshotError(
            f"{path}: the state of another optimizer or network; "
            "name the --optimizer of that run, or move the file away to start afresh"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
