"""Reading weight files of Keras 2 and 3.

Keras 2 (`.h5`): one group a layer, the weights of a nested model flat in one group. Keras 3
(`.weights.h5`): one group a layer by class and number, with the layer's name as an attribute.
"""

import json

import h5py
import numpy as np

# names that keras.applications changed between Keras 2 and 3
RENAMED = {"conv1/conv": "conv1_conv", "conv1/bn": "conv1_bn"}


class WeightsError(ValueError):
    """A weight file that cannot be used, with its path and a remedy."""


def _attribute(group, name):
    """Return a list attribute that Keras 2 may have split over name0, name1, …."""
    if name in group.attrs:
        values = list(group.attrs[name])
    else:
        values, index = [], 0
        while f"{name}{index}" in group.attrs:
            values += list(group.attrs[f"{name}{index}"])
            index += 1
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def open_h5(path):
    """Return the open HDF5 file at `path`.

    Raises:
        WeightsError: there is none, or it is something else.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: not a Keras weight file ({reason})") from error


def _guarded(path, read):
    """Return read(the open file), its errors as one line."""
    with open_h5(path) as file:
        try:
            return read(file)
        # h5py tells of damage inside a file by any of these
        except (OSError, KeyError, RuntimeError, TypeError, AttributeError, ValueError) as error:
            reason = (str(error).strip("'\"").splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                f"{path}: a damaged Keras weight file ({reason}). Fetch or write it anew."
            ) from error


def _weights_by_layer(file):
    group = file.get("model_weights", file)
    return {
        RENAMED.get(name, name): {
            weight: np.asarray(group[name][weight])
            for weight in _attribute(group[name], "weight_names")
        }
        for name in _attribute(group, "layer_names")
    }


def read_keras2_weights(path):
    """Return {layer name: {weight name: array}} of a Keras 2 `.h5` file, in the file's order.

    Layers without weights are there, too.

    Raises:
        WeightsError: the file cannot be read, is damaged, or names no layers.
    """
    layers = _guarded(path, _weights_by_layer)
    if not layers:
        raise WeightsError(
            f"{path}: names no layers. Give a whole model (.keras, or .h5 of Keras 2); "
            "a .weights.h5 of a backbone goes to --backbone-weights."
        )
    return layers


def is_keras3_weights(path):
    """Return whether `path` is what Keras 3's `save_weights` writes."""
    return _guarded(path, lambda file: "layers" in file or "_layer_checkpoint_dependencies" in file)


def _named_weights(file):
    found = {}
    for group in file["layers"].values():
        found |= _named_weights(group) if "layers" in group else {}
        stored = group.get("vars", {})
        if len(stored):
            weights = {index: np.asarray(stored[index]) for index in sorted(stored, key=int)}
            found[stored.attrs.get("name")] = weights
    return found


def read_keras3_weights(path):
    """Return {layer name: {index: array}} of a model's `.weights.h5`, nested models' too.

    None where the file does not tell names, as those of the first versions of Keras 3.
    """
    layers = _guarded(path, lambda file: _named_weights(file) if "layers" in file else {})
    return layers if layers and None not in layers else None


def _walk(group, owners):
    """Yield (names of the layers around and of the layer itself, Keras' key, {index: array})."""
    stored = group.get("vars")
    name = None if stored is None else stored.attrs.get("name")
    names = owners if name is None else (*owners, str(name))
    if stored is not None and len(stored):
        key = group.name.rsplit("/", 1)[-1]
        yield names, key, {int(index): np.asarray(stored[index]) for index in stored}
    for key, inner in group.items():
        if key != "vars" and isinstance(inner, h5py.Group):
            yield from _walk(inner, names)


def read_nested_weights(path, part="layers"):
    """Return [(names from the outermost layer to its own, Keras' key, {index: array}), …].

    Args:
        path: `.weights.h5` of a model of models.
        part: group of the file that is read.

    Raises:
        WeightsError: the file cannot be read or is damaged.
    """
    return _guarded(path, lambda file: list(_walk(file[part], ())) if part in file else [])


def read_model_config(path):
    """Return the model's configuration stored in a Keras 2 `.h5` file, {} where there is none."""
    text = _guarded(path, lambda file: file.attrs.get("model_config"))
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise WeightsError(f"{path}: its model_config is no JSON ({error})") from error
