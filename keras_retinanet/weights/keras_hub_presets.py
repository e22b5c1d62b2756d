"""Preset folders of KerasHub: JSON that says what the network is, and two `.weights.h5`.

`model.weights.h5` has backbone and pyramid, `task.weights.h5` the heads. A tensor is called
"owner/layer.weight": backbone/stack0_block0_1_conv.kernel, fpn/lateral_conv_P3.bias,
box_head/conv2d_0.kernel, whatever the model around it was called.
"""

import json
from pathlib import Path

from keras_retinanet.models.weight_files import WeightsError, read_nested_weights
from keras_retinanet.weights.tensor_files import TensorFile

CONFIG, TASK, PREPROCESSOR = "config.json", "task.json", "preprocessor.json"
BODY, HEADS = "model.weights.h5", "task.weights.h5"
OWNERS = ("fpn", "box_head", "classification_head")  # all else is the backbone's
# Keras' key of a layer's group, less its number: the names of its weights, in Keras' order
WEIGHTS = {
    "conv2d": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "group_normalization": ("gamma", "beta"),
}
LAST_LAYER = "prediction_layer"  # an attribute of a head, so that its key tells no class


def is_preset(path):
    """Return whether `path` is a folder that looks like a preset of KerasHub."""
    path = Path(path)
    return path.is_dir() and (path / CONFIG).is_file()


def _json(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path.parent}: has no {path.name}. Save a whole detector, by "
            "RetinaNetObjectDetector.save_to_preset."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: cannot be read as JSON ({error}). Fetch it anew.") from error
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise WeightsError(f"{path}: is no configuration of KerasHub.")
    return content


def _word(key, index):
    """Return the name of a layer's weight from its group's key and its number."""
    kind, _, number = key.rpartition("_")
    kind = kind if number.isdigit() else key
    words = WEIGHTS["conv2d"] if kind == LAST_LAYER else WEIGHTS.get(kind, ())
    return words[index] if index < len(words) else str(index)


def _tensors(path):
    """Return {name: array} of one of a preset's weight files."""
    if not path.is_file():
        raise WeightsError(f"{path.parent}: has no {path.name}. Fetch it anew.")
    found = {}
    for names, key, weights in read_nested_weights(path):
        if not names:
            raise WeightsError(
                f"{path}: does not tell the names of its layers. Save the preset anew, with the "
                "Keras of today."
            )
        owner = next((name for name in names if name in OWNERS), "backbone")
        for index, array in weights.items():
            name = f"{owner}/{names[-1]}.{_word(key, index)}"
            if name in found:
                raise WeightsError(f"{path}: has two weights called {name}.")
            found[name] = array
    return found


def read_preset(path):
    """Return the TensorFile of a preset folder; its `meta` has the JSON files by name.

    Raises:
        WeightsError: a file is missing, damaged or something else.
    """
    path = Path(path)
    meta = {name: _json(path / name) for name in (CONFIG, TASK)}
    if (path / PREPROCESSOR).is_file():
        meta[PREPROCESSOR] = _json(path / PREPROCESSOR)
    return TensorFile(_tensors(path / BODY) | _tensors(path / HEADS), meta, "preset")
