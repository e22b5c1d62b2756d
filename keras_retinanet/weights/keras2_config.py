"""The model_config of a Keras file: its layers, and whether a network of ours computes the same.

Equal names and shapes are not enough: a convolution that pads or strides otherwise takes the
same weights and gives other numbers.
"""

from dataclasses import dataclass

from keras_retinanet.models.weight_files import RENAMED, WeightsError

WINDOWS = ("Conv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D")
SYNONYMS = {"swish": "silu"}
PAIRS = ("kernel_size", "pool_size", "strides", "dilation_rate")


@dataclass(frozen=True)
class ConfiguredLayer:
    """A layer as a model's configuration has it.

    Attributes:
        kind: name of its class.
        config: its arguments.
        source: name of the first layer that it was called on, or None.
    """

    kind: str
    config: dict
    source: str | None


def _first_source(node):
    """Return the name in the first ["name", 0, 0, …] within an inbound node of Keras 2 or 3."""
    if isinstance(node, dict):
        node = node.get("keras_history") or list(node.values())
    if not isinstance(node, (list, tuple)):
        return None
    if len(node) >= 3 and isinstance(node[0], str):
        return node[0]
    return next((name for item in node if (name := _first_source(item))), None)


def configured_layers(config):
    """Return {layer name: ConfiguredLayer} of a functional model, nested models' layers too.

    Args:
        config: a model_config of Keras 2 or 3; {} gives {}.
    """
    found = {}
    inner = config.get("config") if isinstance(config, dict) else None
    for entry in inner.get("layers", ()) if isinstance(inner, dict) else ():
        name = entry.get("name") or entry["config"]["name"]
        source = _first_source(entry.get("inbound_nodes", ()))
        kind = entry["class_name"].split(">")[-1]
        found[RENAMED.get(name, name)] = ConfiguredLayer(kind, entry["config"], source)
        found |= configured_layers(entry)
    return found


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def _padding(layer, layers):
    """Return ((top, bottom), (left, right)) that `layer` sees, or "same" where sizes decide."""
    sizes = _pair(layer.config.get("kernel_size") or layer.config["pool_size"])
    unstrided = _pair(layer.config["strides"]) == (1, 1) and sizes[0] % 2 == 1
    if layer.config["padding"] == "same" and (sizes == (1, 1) or unstrided):
        return tuple((size // 2, size // 2) for size in sizes)
    if layer.config["padding"] == "same":
        return "same"
    before = layers.get(layer.source)
    if before is None or before.kind != "ZeroPadding2D":
        return ((0, 0), (0, 0))
    return tuple(_pair(amount) for amount in _pair(before.config["padding"]))


def _arithmetic(layer, layers):
    """Return {argument: value} of what decides the layer's numbers besides its weights."""
    facts = {key: _pair(layer.config[key]) for key in PAIRS if layer.config.get(key)}
    if layer.kind in WINDOWS:
        facts["padding"] = _padding(layer, layers)
    if isinstance(activation := layer.config.get("activation"), str):
        facts["activation"] = SYNONYMS.get(activation, activation)
    if epsilon := layer.config.get("epsilon"):
        facts["epsilon"] = f"{epsilon:.2g}"
    return facts


def _same_on_even_sides(padding, other, sizes):
    """Return whether two paddings of a window of stride 2 differ on odd sides only."""
    return {padding, other} == {"same", tuple((size // 2 - 1, size // 2) for size in sizes)}


def check_same_arithmetic(path, found, wanted):
    """Compare the layers of a file with ours of the same names.

    Args:
        path: of the file, for the message.
        found, wanted: `configured_layers` of the file and of our network.

    Returns:
        The names of layers that give our numbers only where the height and width that they see
        are even: Keras before 2.4 padded MobileNet's conv1 at the right and bottom alone, and
        keras.applications pads EfficientNet so, where the library of 1.0 took "same".

    Raises:
        WeightsError: one computes otherwise.
    """
    even_only = []
    for name in [name for name in found if name in wanted]:
        theirs = _arithmetic(found[name], found)
        ours = _arithmetic(wanted[name], wanted)
        for key in [key for key in theirs if key in ours]:
            sizes = ours.get("kernel_size") or ours.get("pool_size")
            if key == "padding" and _same_on_even_sides(theirs[key], ours[key], sizes):
                even_only.append(name)
            elif theirs[key] != ours[key]:
                raise WeightsError(
                    f"{path}: layer {name} has {key} {theirs[key]}, ours {ours[key]}, so that "
                    "its weights would give other results; no network of this version fits."
                )
    return even_only
