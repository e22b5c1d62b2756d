"""Opening model files: our snapshots, plain Keras files, `.h5` of 1.0, other projects' weights."""

import json
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import keras

from keras_retinanet.models.snapshot import (
    MEMBER,
    SnapshotError,
    attach_profile,
    has_profile,
    read_facts,
)
from keras_retinanet.models.weight_files import open_h5
from keras_retinanet.utils.profile import Profile

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def _guarded(path, load):
    """Return load(path), its errors as one line."""
    try:
        return load(path)
    except (SnapshotError, FileNotFoundError):
        raise
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SnapshotError(f"{path}: Keras cannot open this model: {reason[:300]}") from error


def _open_keras_zip(path):
    if Path(path).suffix == ".keras":
        return keras.models.load_model(path, compile=False)
    # Keras goes by the suffix, and 1.0's users name files as they like
    with tempfile.TemporaryDirectory() as folder:
        named = shutil.copyfile(path, Path(folder) / "model.keras")
        return keras.models.load_model(named, compile=False)


def load_keras_file(path):
    """Return the model of a `.keras` file with its profile."""
    facts = read_facts(path)
    model = _guarded(path, _open_keras_zip)
    return attach_profile(model, facts["profile"]) if "profile" in facts else model


def _load_h5(path, backbone_name, anchor_params):
    with open_h5(path) as file:
        facts = file.attrs.get(MEMBER)
    if facts is None:
        from keras_retinanet.weights.fizyr import load_fizyr

        return load_fizyr(path, backbone_name, anchor_params)
    model = _guarded(path, lambda p: keras.models.load_model(p, compile=False))
    return attach_profile(model, Profile.from_dict(json.loads(facts)["profile"]))


def _load_published(path, family):
    """Return the network of another project's file or folder, None where it is no such thing."""
    from keras_retinanet.weights.keras_hub_presets import is_preset
    from keras_retinanet.weights.readers import load_published
    from keras_retinanet.weights.tensor_files import is_tensor_file

    known = is_preset(path) or is_tensor_file(path)
    return load_published(path, family) if known else None


def _load_folder(path, family):
    """Return the network of a preset folder."""
    model = _load_published(path, family)
    if model is None:
        raise SnapshotError(
            f"{path}: a folder, and not a preset of KerasHub, which has a config.json. Name a file."
        )
    return model


def load_model(filepath, backbone_name=None, anchor_params=None, family=None):
    """Return the network or detector of a file, with its profile.

    Args:
        filepath: a snapshot (`.keras`), a `.h5` file that we wrote, a `.h5` file of
            keras-retinanet 0.5 to 1.0, training or inference model, or a detector's weights of
            torchvision, Detectron2, MMDetection or ODTK (`.pth`, `.pkl`, `.safetensors`), or a
            preset folder of KerasHub.
        backbone_name: for files that do not tell; others need none.
        anchor_params: for files of 1.0 that do not tell their anchors.
        family: key of `utils.families.FAMILIES` for weights that do not tell.

    Raises:
        SnapshotError: the file is missing or no model; the message names it.
    """
    path = Path(filepath)
    if path.is_dir():
        return _load_folder(path, family)
    if not path.is_file():
        raise SnapshotError(f"{path}: no such model file")
    with path.open("rb") as stream:
        magic = stream.read(8)
    if magic == HDF5_MAGIC:
        model = _load_h5(path, backbone_name, anchor_params)
    elif (model := _load_published(path, family)) is not None:
        return model
    elif magic[:2] == b"PK":
        model = load_keras_file(path)
    else:
        raise SnapshotError(
            f"{path}: not a model. Name a .keras or .h5 file that retinanet-train wrote, or the "
            "weights of a detector (.pth, .pkl, .safetensors)."
        )
    if not has_profile(model):
        attach_profile(model, guessed_profile(model, backbone_name, anchor_params))
    return model


def guessed_profile(model, backbone_name=None, anchor_params=None):
    """Return the profile of a model that came without: 1.0's, but for what the model tells."""
    from keras_retinanet.models.backbones import find_family
    from keras_retinanet.models.retinanet import feature_levels, network_of

    name = backbone_name or "resnet50"
    profile = Profile(backbone=name, preprocessing=find_family(name)[0].preprocessing)
    levels = feature_levels(model)
    anchors = anchor_params or profile.anchors
    if len(levels) == len(anchors.sizes):
        profile = replace(profile, levels=levels, anchors=anchors)
    try:
        classes = network_of(model).outputs[1].shape[-1]
    except ValueError:  # neither a network nor a detector; whoever uses it says so
        return profile
    return replace(profile, classes=("",) * classes)
