"""Files as Keras 2 wrote them, made with h5py from a network of ours.

One group a layer, named in the attribute `layer_names`; in it one dataset a weight, named in
`weight_names` as "layer/kernel:0"; a nested model is one group. A whole model has all this under
`model_weights` and its configuration as JSON in `model_config`.
"""

import json

import h5py
import keras
import numpy as np

OLD_NAMES = {"conv1_conv": "conv1/conv", "conv1_bn": "conv1/bn"}  # of DenseNet
CHUNK = 40  # names an attribute holds here; Keras 2 split at 64 KiB


def randomise(network, seed=0, classes=1.0):
    """Give every weight of `network` a random value, batch norm statistics included.

    Args:
        classes: spread of the class head's kernels; 1 gives scores all over 0 .. 1.
    """
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        shape, kind = tuple(variable.shape), variable.name
        if kind in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
            # the last of a residual block: smaller, or 50 blocks would overflow
            value = value * (0.3 if kind == "gamma" and "branch2c" in variable.path else 1)
        elif kind in ("beta", "moving_mean", "bias"):
            value = rng.normal(0, 0.2, shape)
        else:
            fan_in = np.prod(shape[:2] if "depthwise" in variable.path else shape[:-1])
            value = rng.normal(0, classes * (2 / fan_in) ** 0.5, shape)
        variable.assign(value)
    return network


def _old(name, densenet):
    return OLD_NAMES.get(name, name) if densenet else name


def _inner_layers(layer):
    return layer.layers if isinstance(layer, keras.Model) else [layer]


def stored_layers(network):
    """Return {layer name: {weight name: array}} as Keras 2 would store `network`."""
    densenet = any(layer.name == "conv2_block1_1_conv" for layer in network.layers)
    return {
        _old(layer.name, densenet): {
            f"{_old(inner.name, densenet)}/{variable.name}:0": keras.ops.convert_to_numpy(variable)
            for inner in _inner_layers(layer)
            for variable in inner.weights
        }
        for layer in network.layers
    }


def _source_names(node):
    """Return the names of the layers in an inbound node of Keras 3."""
    if isinstance(node, dict) and "keras_history" in node:
        return [node["keras_history"][0]]
    items = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [name for item in items for name in _source_names(item)]


def keras2_config(config):
    """Return the model_config that Keras 2 would write for Keras 3's `config` of a model."""
    layers = []
    for entry in config["config"]["layers"]:
        own = {key: value for key, value in entry["config"].items() if key != "dtype"}
        own["dtype"] = "float32"
        if entry["class_name"] == "BatchNormalization":
            own["freeze"] = True  # keras_resnet's
        if "layers" in own:
            own = keras2_config({"class_name": "Model", "config": own})["config"]
        nodes = [
            [[name, 0, 0, {}] for name in _source_names(n)] for n in entry.get("inbound_nodes", ())
        ]
        kind = entry["class_name"].split(">")[-1]
        layers.append(
            {"class_name": kind, "name": entry["name"], "config": own, "inbound_nodes": nodes}
        )
    return {"class_name": "Model", "config": {"name": config["config"]["name"], "layers": layers}}


def inference_layers(anchors, **thresholds):
    """Return the configurations of the layers that 1.0's conversion appended to a network."""
    layers = [
        ("Anchors", f"anchors_{i}", {"size": size, "stride": stride})
        for i, (size, stride) in enumerate(zip(anchors.sizes, anchors.strides, strict=True))
    ]
    for _, _, config in layers:
        config["ratios"] = np.float32(anchors.ratios).tolist()
        config["scales"] = np.float32(anchors.scales).tolist()
    filters = {"nms": True, "class_specific_filter": True, "parallel_iterations": 32, **thresholds}
    layers += [
        ("Concatenate", "anchors", {"axis": 1}),
        ("RegressBoxes", "boxes", {"mean": [0, 0, 0, 0], "std": [0.2, 0.2, 0.2, 0.2]}),
        ("ClipBoxes", "clipped_boxes", {}),
        ("FilterDetections", "filtered_detections", filters),
    ]
    return [
        {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": []}
        for kind, name, config in layers
    ]


def _write_names(group, name, values, chunked):
    """Store a list of names, in chunks as Keras 2 did where it was too long for one attribute."""
    values = [value.encode() for value in values]
    if not chunked:
        group.attrs[name] = values
        return
    for index in range(0, len(values), CHUNK):
        group.attrs[f"{name}{index // CHUNK}"] = values[index : index + CHUNK]


def write_layers(path, layers, config=None, chunked=False):
    """Write {layer name: {weight name: array}} to `path` as Keras 2 did.

    Args:
        config: the model_config; None writes weights alone.
        chunked: whether the list of layers is split.
    """
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.4.0"
        group = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            group = file.create_group("model_weights")
            optimizer = file.create_group("optimizer_weights")
            optimizer.attrs["weight_names"] = [b"Adam/iter:0"]
            optimizer["Adam/iter:0"] = 7
        _write_names(group, "layer_names", layers, chunked)
        for name, weights in layers.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                inner[weight] = array
    return path


def write_network(path, network, inference=(), whole=True, **options):
    """Write `network` as keras-retinanet 1.0 would have.

    Args:
        inference: what `inference_layers` gave, for an inference model.
        whole: with its configuration; False writes weights alone.
    """
    config = keras2_config(json.loads(network.to_json()))
    config["config"]["layers"] += list(inference)
    layers = stored_layers(network) | {layer["name"]: {} for layer in inference}
    return write_layers(path, layers, config if whole else None, **options)
