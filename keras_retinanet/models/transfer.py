"""Starting a network from the weights of another one, which knows other classes.

Layers go by name. Three of them are cut to measure: the last one of the class head, whose rows
go by the names of the classes; that of the box head, whose rows go, as the class head's, by the
nearest anchor; and the first convolution, which is inflated for pictures of other channels.
"""

from dataclasses import dataclass, field

import keras

from keras_retinanet.models.by_name import LoadReport, inner_name, match_by_name, set_all
from keras_retinanet.models.cut_weights import cut_anchors, cut_rows, inflate
from keras_retinanet.models.retinanet import backbone_layers
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.class_names import known_classes
from keras_retinanet.utils.nearest_anchors import cell_shapes, nearest_anchors

SHOWN = 12  # names in a line of the report


@dataclass
class TransferReport:
    """What `transfer` did.

    Attributes:
        layers: `LoadReport`; layers cut to measure count as loaded.
        known: {class of the network: class of the source whose rows it got}.
        new: classes that start from the prior.
        named: whether the source's classes have names.
        anchors: lines "new from old", width x height in strides, where anchors changed.
        channels: (of the source, of the network) where the first convolution was inflated.
    """

    layers: LoadReport
    known: dict = field(default_factory=dict)
    new: list = field(default_factory=list)
    named: bool = True
    anchors: list = field(default_factory=list)
    channels: tuple = ()

    def lines(self):
        """Yield the report as lines of text."""
        yield from self.layers.lines()
        if self.known:
            kept = [new if new == old else f"{new} (from {old})" for new, old in self.known.items()]
            yield f"classes that keep their rows: {_listed(kept)}"
        if self.new:
            why = "" if self.named else ", since the file does not name its own"
            yield f"classes that start afresh{why}: {_listed(self.new)}"
        if self.anchors:
            yield f"anchors, width x height in strides: {', '.join(self.anchors)}"
        if self.channels:
            yield "the first convolution, of {} channels, is inflated to {}".format(*self.channels)


def _listed(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


def transfer(source, network, path="the source"):
    """Give `network` the weights of `source` as far as they serve.

    Args:
        source, network: networks with their profiles.
        path: of the source, for messages.

    Returns:
        TransferReport.

    Raises:
        WeightsError: nothing of the backbone fits, or the weights are not finite.
    """
    old, new = profile_of(source), profile_of(network)
    rows = known_classes(new.classes, old.classes)
    nearest = nearest_anchors(old.anchors, new.anchors)
    stored, channels = _backbone_fitted(source, network, old.preprocessing.order)
    stored = _heads_fitted(stored, network, (old.num_classes, rows, nearest))
    layers = _set(stored, network, path)
    report = TransferReport(layers, named=any(old.classes), channels=channels)
    fits = "classification_submodel/pyramid_classification" in layers.loaded
    for name, row in zip(new.classes, rows, strict=True):
        if fits and row is not None:
            report.known[name] = old.classes[row]
        else:
            report.new.append(name)
    if nearest is not None:
        shapes = [[f"{w:.3g}x{h:.3g}" for w, h in cell_shapes(each.anchors)] for each in (new, old)]
        report.anchors = [
            f"{shape} from {shapes[1][index]}"
            for shape, index in zip(shapes[0], nearest, strict=True)
        ]
    return report


def transfer_backbone(model, network, order, path):
    """Give the backbone of `network` the weights of the bare backbone `model`.

    Args:
        model: what `Backbone.build` gave, for other channels.
        network: a network on the same backbone.
        order: of the channels that `model` saw, "bgr" or "rgb".
        path: of the weights, for messages.

    Returns:
        TransferReport, whose lists of classes are empty.
    """
    stored, channels = _backbone_fitted(model, network, order)
    return TransferReport(_set(stored, network, path), channels=channels)


def _set(stored, network, path):
    """Set the weights of `network` that fit by name; return the LoadReport."""
    report, pairs = match_by_name(network, stored)
    backbone = {layer.name for layer in backbone_layers(network) if layer.weights}
    if backbone and not backbone & {name.split("/")[0] for name in report.loaded}:
        raise WeightsError(f"{path}: no layer of the backbone fits: {report.faults()}")
    set_all(path, pairs)
    return report


def _backbone_fitted(source, network, order):
    """Return {layer: {weight: array}} of `source`, its backbone made to fit that of `network`.

    Returns:
        The weights, and (channels of the source, of the network), () where they are equal.
    """
    stored = {
        layer.name: {weight.path: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
        for layer in source.layers
        if layer.weights
    }
    names = _other_numbers(source, network)
    stored = {names.get(name, name): weights for name, weights in stored.items()}
    channels = (source.inputs[0].shape[-1], network.inputs[0].shape[-1])
    if channels[0] == channels[1]:
        return stored, ()
    # pictures of other than three channels are never turned round, so their first is blue
    turned = -1 if order == "rgb" and channels[0] == 3 else 1
    for layer in backbone_layers(network):
        if _sees_the_picture(layer, stored, channels):
            name, kernel = next(iter(stored[layer.name].items()))
            kernel = inflate(kernel[:, :, ::turned], channels[1])
            stored[layer.name] = stored[layer.name] | {name: kernel}
    return stored, channels


def _sees_the_picture(layer, stored, channels):
    """Return whether `layer` is a convolution that differs from the source's in its input alone."""
    if not isinstance(layer, keras.layers.Conv2D) or not stored.get(layer.name):
        return False
    found = next(iter(stored[layer.name].values())).shape
    wanted = tuple(layer.kernel.shape)
    return (found[2:3], wanted[2:3]) == ((channels[0],), (channels[1],)) and (
        found[:2] + found[3:] == wanted[:2] + wanted[3:]
    )


def _other_numbers(source, network):
    """Return {name: name} of backbone layers that Keras numbered, such as normalization_1.

    What has no fellow of its name on either side is the same if shapes are, in order.
    """
    old, new = (
        {layer.name: layer for layer in backbone_layers(model) if layer.weights}
        for model in (source, network)
    )
    spare = [layer for name, layer in old.items() if name not in new]
    missing = [layer for name, layer in new.items() if name not in old]
    shapes = [
        [[tuple(weight.shape) for weight in layer.weights] for layer in layers]
        for layers in (spare, missing)
    ]
    if shapes[0] != shapes[1]:
        return {}
    return {one.name: other.name for one, other in zip(spare, missing, strict=True)}


def _heads_fitted(stored, network, change):
    """Return `stored` with the last layers of both heads made to fit `network`.

    Args:
        stored: {layer: {weight: array}}.
        network: with its profile.
        change: (K of the source, rows of classes, nearest anchors or None).
    """
    classes, rows, nearest = change

    def cut_classes(old, fresh):
        return cut_rows(old, fresh, classes, rows, nearest)

    def cut_boxes(old, fresh):
        return old if nearest is None else cut_anchors(old, 4, nearest)

    stored = _last_cut(stored, network, "classification", cut_classes)
    return _last_cut(stored, network, "regression", cut_boxes)


def _last_cut(stored, network, head, cut):
    """Return `stored` with cut(old, fresh) of the weights of a head's last layer, where it fits."""
    name, last = f"{head}_submodel", f"pyramid_{head}"
    weights = stored.get(name, {})
    model = next((layer for layer in network.layers if layer.name == name), None)
    if model is None or last not in {layer.name for layer in getattr(model, "layers", ())}:
        return stored
    fresh = [keras.ops.convert_to_numpy(weight) for weight in model.get_layer(last).weights]
    own = [path for path in weights if inner_name(path) == last]
    fits = len(own) == len(fresh) and all(
        weights[path].shape[:-1] == array.shape[:-1] for path, array in zip(own, fresh, strict=True)
    )
    if not fits:
        return stored
    made = {path: cut(weights[path], array) for path, array in zip(own, fresh, strict=True)}
    return {**stored, name: weights | made}
