"""A network's weights as a `.h5` file that keras-retinanet 1.0 loads by layer name.

The layout is Keras 2's: one group a layer, with all its weights, those of a head flat in one.
"""

import re

import h5py
import keras
import numpy as np

from keras_retinanet.models.exporting import check_space
from keras_retinanet.models.resnet import CAFFE
from keras_retinanet.models.snapshot import written_aside
from keras_retinanet.models.weight_files import RENAMED
from keras_retinanet.utils.families import FIZYR
from keras_retinanet.weights.fizyr import preprocessing_of_1_0
from keras_retinanet.weights.misfits import check_fits, misfits, style_misfits

KERAS_VERSION = np.bytes_(b"2.4.3")  # of 1.0's last requirements; by it readers tell the layout
BACKBONES = r"resnet(50|101|152)|vgg(16|19)|densenet(121|169|201)|mobilenet\d+_.*"
RESNETS = r"resnet\d+"
# arguments of 1.0, and what its .ini files have; preprocessing goes by the backbone
FREE = (
    *("preprocessing", "levels", "nms", "class_specific_filter"),
    *("anchors.sizes", "anchors.strides", "anchors.ratios", "anchors.scales"),
)
STYLE_FREE = ("conv1_padding",)  # 3 with its keras-resnet 0.1, "same" with 0.2
MOST_ATTRIBUTE = 60_000  # bytes; HDF5 takes 64 KiB


def _preprocessing_misfits(profile):
    theirs = preprocessing_of_1_0(profile.backbone)
    if profile.preprocessing == theirs:
        return []
    return [("preprocessing", profile.preprocessing, theirs)]


def _check(path, profile):
    """Raise WeightsError unless 1.0 computes what the network does."""
    project = "keras-retinanet 1.0"
    if not re.fullmatch(BACKBONES, profile.backbone):
        kinds = "ResNet50, 101, 152, VGG, DenseNet or MobileNet"
        check_fits(path, project, [("backbone", profile.backbone, kinds)])
    found = misfits(profile, FIZYR, FREE) + _preprocessing_misfits(profile)
    if re.fullmatch(RESNETS, profile.backbone):
        found += style_misfits(profile, CAFFE, STYLE_FREE)
    check_fits(path, project, found)


def _layers(network, densenet):
    """Yield (layer's name in Keras 2, {weight's name: array})."""
    old_names = {new: old for old, new in RENAMED.items()} if densenet else {}
    for layer in network.layers:
        weights = {}
        for inner in layer.layers if isinstance(layer, keras.Model) else [layer]:
            name = old_names.get(inner.name, inner.name)
            for variable in inner.weights:
                weights[f"{name}/{variable.name}:0"] = keras.ops.convert_to_numpy(variable)
        yield old_names.get(layer.name, layer.name), weights


def _write_names(group, attribute, names):
    """Store a list of names, in parts where it is too long for one attribute, as Keras 2 did.

    They are strings of one length: h5py gives others as str, which Keras 2 cannot decode.
    """
    names = np.array([name.encode() for name in names], dtype=np.bytes_)
    share = MOST_ATTRIBUTE // names.itemsize
    if len(names) <= share:
        group.attrs[attribute] = names
        return
    for part in range(0, len(names), share):
        group.attrs[f"{attribute}{part // share}"] = names[part : part + share]


def write_fizyr(network, profile, path):
    """Write a network's weights; see `writing.write_weights`."""
    _check(path, profile)
    layers = dict(_layers(network, profile.backbone.startswith("densenet")))
    check_space(path, network)  # HDF5's library does not survive a full disk
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        file.attrs["keras_version"] = KERAS_VERSION
        file.attrs["backend"] = np.bytes_(b"tensorflow")
        _write_names(file, "layer_names", list(layers))
        for name, weights in layers.items():
            group = file.create_group(name)
            _write_names(group, "weight_names", list(weights))
            for weight, array in weights.items():
                group[weight] = array
