"""Where the weights are in what a training wrote, and what else it wrote.

The rule. Weights are looked for under the names of `PLAIN`, in this order, again and again as long
as there is one (`{"model": {"state_dict": …}}`); the first that holds tensors counts. Then under
those of `AVERAGED`: an average of the weights (EMA) is taken only where there is nothing else. The
metadata says in its place that there is one, and whether it was read. Where there is none of these
names, the whole dictionary is the weights, but for `NOT_WEIGHTS` and dictionaries without tensors.
Nested dictionaries become dotted names. A "module." before all names (torch's DataParallel) falls.
"""

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.placeholders import Placeholder, quoted
from keras_retinanet.weights.torch_tensors import StoredTensor

PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "module", "blobs")
AVERAGED = ("state_dict_ema", "ema_state_dict", "model_ema", "ema")
NOT_WEIGHTS = {
    *("optimizer", "optimizers", "optimizer_state", "optimizer_state_dict", "optimizer_states"),
    *("scheduler", "lr_scheduler", "lr_schedulers", "scheduler_state_dict", "param_schedulers"),
    *("scaler", "grad_scaler", "amp", "amp_scaler", "loss_scaler", "callbacks", "loops"),
    *("rng_state", "cuda_rng_state", "random_state", "meta", "message_hub"),
}
NOT_READ = "an average of the weights; the plain ones were read"
READ_ALONE = "an average of the weights; read, since there are no plain ones"
COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel
MOST_DEPTH = 16
MOST_NAMES = 200_000


def _is_tensor(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "biufc"
    return isinstance(value, StoredTensor)


def _leaves(tree):
    """Yield (keys, value) of nested dictionaries, in their order."""
    waiting = [((), tree)]
    for _ in range(MOST_NAMES):
        if not waiting:
            return
        keys, value = waiting.pop()
        if not isinstance(value, dict):
            yield keys, value
        elif len(keys) < MOST_DEPTH and len(value) + len(waiting) < MOST_NAMES:
            waiting += [((*keys, key), value[key]) for key in reversed(value)]
        else:
            break
    raise WeightsError(
        f"its weights are nested deeper than {MOST_DEPTH} dictionaries or more than {MOST_NAMES}."
    )


def _flat(tree):
    """Return {dotted name: value} of nested dictionaries."""
    found = {}
    for keys, value in _leaves(tree):
        if not all(isinstance(key, (str, int)) for key in keys):
            raise WeightsError(f"a weight's name is {quoted(keys)}, not made of strings.")
        name = ".".join(map(str, keys))
        if name in found:
            raise WeightsError(f"it has two weights named {quoted(name)}.")
        found[name] = value
    return found


def _holds_tensors(tree):
    return isinstance(tree, dict) and any(_is_tensor(value) for _, value in _leaves(tree))


def _whole_network(placeholder):
    return WeightsError(
        f"it holds a whole network, an object of the class {quoted(placeholder.name)}, which is "
        "not made. In torch, save model.state_dict()."
    )


def _chosen(content):
    """Return (the dictionary of the weights, what else there is, whether it was within another)."""
    meta, is_contained = {}, False
    for _ in range(MOST_DEPTH):
        if (key := _container(content)) is None:
            break
        rest = {name: value for name, value in content.items() if name != key}
        averages = [name for name in AVERAGED if isinstance(rest.get(name), (dict, Placeholder))]
        meta |= rest | dict.fromkeys(averages, NOT_READ)
        if key in AVERAGED:
            meta[key] = READ_ALONE
        content, is_contained = content[key], True
    beside = {} if is_contained else _beside(content)
    tree = {key: value for key, value in content.items() if key not in beside}
    return tree, beside | meta, is_contained


def _beside(content):
    """Return what is no weight in a dictionary that has weights at its top."""
    return {
        key: value
        for key, value in content.items()
        if key in NOT_WEIGHTS or (isinstance(value, dict) and not _holds_tensors(value))
    }


def _container(content):
    held = [key for key in (*PLAIN, *AVERAGED) if key in content]
    if not held:
        return None
    found = next((key for key in held if _holds_tensors(content[key])), None)
    unmade = next((key for key in held if isinstance(content[key], Placeholder)), None)
    if found is None and unmade is not None and not _is_tensor(content[unmade]):
        raise _whole_network(content[unmade])
    return found


def _without_module(tensors):
    """Return the tensors without a "module." that stands before all their names."""
    names = [name for name in tensors if name != COUNTER]
    if not all(name.startswith("module.") for name in names):
        return tensors
    return {name.removeprefix("module."): tensors[name] for name in names}


def _check_is_metadata(name, value, is_contained):
    """Raise WeightsError where something that is not made stands in a tensor's place."""
    if isinstance(value, Placeholder) and (is_contained or "." in name):
        raise WeightsError(
            f"tensor {quoted(name)} is made by {quoted(value.name)}, which is not read. Save the "
            "state_dict alone, of plain tensors."
        )


def _parted(content):
    """Return ({name: tensor}, metadata) of a dictionary."""
    tree, meta, is_contained = _chosen(content)
    tensors = {}
    for name, value in _flat(tree).items():
        if _is_tensor(value):
            tensors[name] = value
        else:
            _check_is_metadata(name, value, is_contained)
            meta[name] = value
    return _without_module(tensors), meta


def select(content, make):
    """Return ({name: array}, metadata) of an unpickled object.

    Args:
        content: of any type.
        make: function of a name and a StoredTensor, its array.

    Raises:
        WeightsError: it holds no tensors, a network instead of its weights, or a weight that is
            made by something that is not read.
    """
    if isinstance(content, Placeholder) and not _is_tensor(content):
        raise _whole_network(content)
    if not isinstance(content, dict):
        raise WeightsError(
            f"it holds a {type(content).__name__}, not a dictionary of named tensors. In torch, "
            "save model.state_dict()."
        )
    stored, meta = _parted(content)
    if not stored:
        raise WeightsError(f"it holds no tensors; its keys are {quoted(list(content))}.")
    tensors = {
        name: make(name, value) if isinstance(value, StoredTensor) else np.asarray(value)
        for name, value in stored.items()
    }
    return {name: _native(array) for name, array in tensors.items()}, meta


def _native(array):
    return array.astype(array.dtype.newbyteorder("="), copy=False)
