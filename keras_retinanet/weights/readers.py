"""The table of readers: which project's file it is, and what is read of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.families import FAMILIES
from keras_retinanet.weights.detectron2 import is_detectron2, read_detectron2
from keras_retinanet.weights.faults import FAULTS, one_line
from keras_retinanet.weights.keras_hub import is_keras_hub, read_keras_hub
from keras_retinanet.weights.keras_hub_presets import is_preset, read_preset
from keras_retinanet.weights.mmdetection import is_mmdetection, read_mmdetection
from keras_retinanet.weights.odtk import is_odtk, read_odtk
from keras_retinanet.weights.published import load_source
from keras_retinanet.weights.tensor_files import read_tensors
from keras_retinanet.weights.torchvision import is_torchvision, read_torchvision


@dataclass(frozen=True)
class Reader:
    """A row of `READERS`.

    Attributes:
        families: keys of `FAMILIES` that its files can be.
        matches: f(tensors) -> whether they are named as this project does.
        read: f(path, TensorFile, family or None) -> `Source`.
    """

    families: tuple
    matches: Callable
    read: Callable


READERS = {
    "torchvision": Reader(
        ("torchvision", "torchvision_trained", "torchvision_v2"), is_torchvision, read_torchvision
    ),
    "Detectron2": Reader(("detectron2",), is_detectron2, read_detectron2),
    "MMDetection": Reader(("mmdetection", "mmdetection_caffe"), is_mmdetection, read_mmdetection),
    "ODTK": Reader(("odtk",), is_odtk, read_odtk),
    "KerasHub": Reader(
        (
            *("torchvision", "torchvision_trained", "torchvision_v2"),
            *("keras_hub", "keras_hub_v2"),
        ),
        is_keras_hub,
        read_keras_hub,
    ),
}


CAFFE2_BLOB = re.compile(r"res\d_\d+_branch\w+_w|res_conv1_bn_\w+")


def _stranger(tensors):
    """Return what a file of no reader is, as far as its names tell."""
    if any(CAFFE2_BLOB.fullmatch(name) for name in tensors):
        return (
            "holds blobs of Caffe2, as Detectron 1 wrote them (batch norm as a scale _bn_s and a "
            "shift _bn_b), which are not read. Take the same network of Detectron2's model zoo."
        )
    few = ", ".join(list(tensors)[:3])
    return (
        f"its tensors ({few}, …) are named as in no detector of {', '.join(READERS)}. The weights "
        "of a backbone alone go to --backbone-weights."
    )


def find_reader(path, tensors, family=None):
    """Return the `Reader` of a file by the names of its tensors.

    Args:
        path: for messages.
        tensors: {name: array}.
        family: what the user says it is, or None.

    Raises:
        WeightsError: it is of no project that is known here, or not of that family.
    """
    for project, reader in READERS.items():
        if not reader.matches(tensors):
            continue
        if family not in (None, *reader.families):
            raise WeightsError(
                f"{path}: its tensors are named as {project} does, which is not {family}; "
                f"name {' or '.join(reader.families)}, or leave --family out."
            )
        return reader
    raise WeightsError(f"{path}: {_stranger(tensors)}")


def load_published(path, family=None):
    """Return the network of a detector that another project wrote, with its profile.

    Args:
        path: `.pth`, `.pkl` or `.safetensors`, or a preset folder of KerasHub.
        family: key of `FAMILIES`, where the tensors do not tell; None finds it.

    Raises:
        WeightsError: one line that names the file and what does not fit.
    """
    if family not in (None, *FAMILIES):
        raise WeightsError(f"unknown family {family!r}. There are {', '.join(FAMILIES)}.")
    file = read_preset(path) if is_preset(path) else read_tensors(path)
    reader = find_reader(path, file.tensors, family)
    return load_source(path, _source(path, reader, file, family))


def _source(path, reader, file, family):
    """Return the `Source` of a file, a reader's surprises as one line."""
    try:
        return reader.read(path, file, family)
    except WeightsError:
        raise
    except FAULTS as error:
        raise WeightsError(
            f"{path}: is not as its project writes such files ({one_line(error)}). "
            "Nothing was loaded."
        ) from error
