"""Loading weights by layer name, with a report of what was loaded, skipped and left.

Reads Keras 2 files (`.h5`: one group a layer, the weights of a nested model flat in one group)
and our own `.keras` files. Everything is read and compared before the first array is set.
"""

import json
from dataclasses import dataclass, field

import h5py
import keras
import numpy as np

# names that keras.applications changed between Keras 2 and 3
RENAMED = {"conv1/conv": "conv1_conv", "conv1/bn": "conv1_bn"}


class WeightsError(ValueError):
    """A weight file that cannot be used, with its path and a remedy."""


@dataclass
class LoadReport:
    """What `load_by_name` did, by layer name.

    Attributes:
        loaded: layers that got all their weights.
        skipped: {layer: (shapes in the file, shapes in the model)} where they differ.
        left: layers of the model that the file does not have.
        unused: layers of the file that the model does not have.
    """

    loaded: list = field(default_factory=list)
    skipped: dict = field(default_factory=dict)
    left: list = field(default_factory=list)
    unused: list = field(default_factory=list)

    def lines(self):
        """Return the report as lines of text."""
        yield f"{len(self.loaded)} layers loaded, {len(self.left)} left as they were"
        for name, (found, wanted) in self.skipped.items():
            yield f"skipped {name}: the file has {found}, the model {wanted}"
        if self.left:
            yield f"not in the file: {_shortened(self.left)}"
        if self.unused:
            yield f"not in the model: {_shortened(self.unused)}"


def _shortened(names, most=8):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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
        except (OSError, KeyError, RuntimeError, TypeError, AttributeError) as error:
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


def read_model_config(path):
    """Return the model's configuration stored in a Keras 2 `.h5` file, {} where there is none."""
    text = _guarded(path, lambda file: file.attrs.get("model_config"))
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise WeightsError(f"{path}: its model_config is no JSON ({error})") from error


def read_layers(path):
    """Return {layer name: {weight name: array}} of a `.h5` or `.keras` file."""
    if str(path).endswith(".keras"):
        from keras_retinanet.models.loading import load_keras_file

        model = load_keras_file(path)
        return {
            layer.name: {w.path: keras.ops.convert_to_numpy(w) for w in layer.weights}
            for layer in model.layers
        }
    return read_keras2_weights(path)


def _parts(layer):
    """Return [(name, weights), …]: the layer's own, or those of each layer of a nested model."""
    if isinstance(layer, keras.Model):
        return [(f"{layer.name}/{inner.name}", inner.weights) for inner in layer.layers]
    return [(layer.name, layer.weights)]


def inner_name(weight):
    """Return the layer in a weight's name: conv of "head/conv/kernel:0"."""
    return f"/{weight}".split("/")[-2]


def _arrays_by_part(layer, weights):
    """Return [(part, its variables, its arrays), …] and the arrays that are left over.

    The weights of a nested model go by the layer in their names where these are the model's:
    Keras 2 wrote those of frozen layers last. Otherwise they go in order.
    """
    parts = [(name, variables) for name, variables in _parts(layer) if variables]
    by_part = {}
    for weight, array in weights.items():
        by_part.setdefault(f"{layer.name}/{inner_name(weight)}", []).append(array)
    if isinstance(layer, keras.Model) and set(by_part) == {name for name, _ in parts}:
        return [(name, variables, by_part[name]) for name, variables in parts], []
    found, rest = [], list(weights.values())
    for name, variables in parts:
        found.append((name, variables, rest[: len(variables)]))
        rest = rest[len(variables) :]
    return found, rest


def _match(layer, weights, report):
    """Return [(variable, array), …] of `layer`, all or nothing for each part."""
    pairs = []
    parts, rest = _arrays_by_part(layer, weights)
    for name, variables, arrays in parts:
        shapes = [tuple(array.shape) for array in arrays]
        wanted = [tuple(variable.shape) for variable in variables]
        if shapes == wanted:
            pairs += zip(variables, arrays, strict=True)
            report.loaded.append(name)
        else:
            report.skipped[name] = (shapes, wanted)
    if rest:
        report.unused.append(f"the last {len(rest)} arrays of {layer.name}")
    return pairs


def match_by_name(model, stored):
    """Return a LoadReport and [(variable, array), …], without setting anything.

    Args:
        model: a network, a detector, or a backbone.
        stored: {layer name: {weight name: array}}.
    """
    report, pairs = LoadReport(), []
    weighted = [layer for layer in model.layers if layer.weights]
    for layer in weighted:
        if stored.get(layer.name):
            pairs += _match(layer, stored[layer.name], report)
        else:
            report.left += [name for name, variables in _parts(layer) if variables]
    names = {layer.name for layer in weighted}
    report.unused += [name for name, weights in stored.items() if weights and name not in names]
    return report, pairs


def load_by_name(model, path, skip_mismatch=True):
    """Set the weights of `model` that the file at `path` has under the same layer names.

    Args:
        model: a network, a detector, or a backbone.
        path: `.h5` of Keras 2 or `.keras`.
        skip_mismatch: leave layers of other shapes as they are; False refuses the file.

    Returns:
        LoadReport.

    Raises:
        WeightsError: the file cannot be read, or has nothing for this model.
    """
    report, pairs = match_by_name(model, read_layers(path))
    if not pairs:
        raise WeightsError(f"{path}: has no layer of this model; is it of another backbone?")
    if report.skipped and not skip_mismatch:
        raise WeightsError(f"{path}: does not fit: {'; '.join(report.lines())}")
    for variable, array in pairs:
        variable.assign(array)
    return report


def load_backbone_file(model, path, name):
    """Load the weights of a backbone alone.

    Args:
        model: what `Backbone.build` gave.
        path: `.weights.h5` of Keras 3, or `.h5` of Keras 2 by layer name.
        name: of the backbone, for messages.
    """
    with open_h5(path) as file:
        keras3 = "layers" in file or "_layer_checkpoint_dependencies" in file
    if not keras3:
        report = load_by_name(model, path)
        if report.left or report.skipped:
            raise WeightsError(f"{path}: does not fit {name}: {'; '.join(report.lines())}")
        return
    try:
        model.load_weights(path)
    except (ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{path}: does not fit {name}: {reason}") from error
