"""Loading weights by layer name, with a report of what was loaded, skipped and left.

Everything is read and compared before the first array is set.
"""

from dataclasses import dataclass, field

import keras
import numpy as np

from keras_retinanet.models.weight_files import (
    WeightsError,
    read_keras2_weights,
)


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

    def faults(self, most=3):
        """Return what does not fit as one line of text, cut after `most` findings."""
        lines = list(self.lines())[1:]
        more = [f"{len(lines) - most} more"] if len(lines) > most else []
        return "; ".join(lines[:most] + more)


def _shortened(names, most=8):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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
        raise WeightsError(f"{path}: does not fit: {report.faults()}")
    set_all(path, pairs)
    return report


def set_all(path, pairs):
    """Set every variable of [(variable, array), …], or raise WeightsError and set none."""
    for variable, array in pairs:
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise WeightsError(
                f"{path}: {variable.path} holds values that are no finite numbers; training "
                "diverged or the file is damaged. Take an earlier one."
            )
    for variable, array in pairs:
        variable.assign(array)
