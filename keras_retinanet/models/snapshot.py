"""Snapshots: one `.keras` file that carries its profile.

The file is what `keras.Model.save` writes, with one more member that plain Keras ignores. It is
written aside and renamed, so that a full disk or a crash leaves the previous file whole.
"""

import json
import os
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_retinanet import __version__
from keras_retinanet.utils.profile import Profile

MEMBER = "keras_retinanet.json"
_ATTRIBUTE = "retinanet_profile"


class SnapshotError(ValueError):
    """A model file that cannot be used, with the path and a remedy."""


def attach_profile(model, profile):
    """Give `model` its profile and return it."""
    setattr(model, _ATTRIBUTE, profile)
    return model


def profile_of(model):
    """Return the profile of `model`, keras-retinanet 1.0's where it has none."""
    return getattr(model, _ATTRIBUTE, None) or Profile()


def has_profile(model):
    """Return whether `model` came with a profile of its own."""
    return getattr(model, _ATTRIBUTE, None) is not None


@contextmanager
def written_aside(path):
    """Give the path of a new file beside `path`, and move it there when all went well."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb+") as stream:
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        aside.chmod(0o666 & ~mask)
        aside.replace(path)
    except OSError as error:  # of a write to a full disk, which names no file
        if error.filename in (None, str(aside)):
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def facts_of(model, profile=None):
    """Return what is stored beside a model: package, version and profile, as JSON values."""
    return {
        "package": "keras-retinanet",
        "version": __version__,
        "profile": (profile or profile_of(model)).to_dict(),
    }


def save_snapshot(model, path, profile=None, extra=None, arrays=()):
    """Write `model` to `path` (.keras) with its profile, atomically.

    Args:
        model: a network or a detector.
        path: of the file; the folder must exist.
        profile: of the model; the one attached to it.
        extra: further JSON values, such as the epoch.
        arrays: further members, (name, array) each.

    Raises:
        OSError: the file could not be written; what was there before is untouched.
    """
    facts = facts_of(model, profile) | (extra or {})
    with written_aside(path) as aside:
        with _unsynchronised(model):
            model.save(aside)
        with zipfile.ZipFile(aside, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MEMBER, json.dumps(facts, indent=1))
        with zipfile.ZipFile(aside, "a", zipfile.ZIP_STORED) as archive:
            for name, array in arrays:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


@contextmanager
def _unsynchronised(model):
    """Let no batch norm of `model` say in here that replicas share its statistics.

    Only TensorFlow opens such a layer, and the run's facts say it, too.
    """
    shared = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if getattr(layer, "synchronized", False)
    ]
    for layer in shared:
        layer.synchronized = False
    try:
        yield
    finally:
        for layer in shared:
            layer.synchronized = True


def trained_profile(model):
    """Return the profile of `model` without what was found out about its weights of before."""
    return replace(profile_of(model), advised_thresholds=(), temperature=1.0)


def rewrite_profile(path, profile):
    """Give the snapshot `path` another profile, atomically; all else stays as it is, to the bit.

    Raises:
        SnapshotError: it is no snapshot with a profile.
        OSError: it cannot be written; what was there is untouched.
    """
    if "profile" not in read_facts(path):
        raise SnapshotError(f"{path}: has no profile; name a file that retinanet-train wrote.")
    with zipfile.ZipFile(path) as old, written_aside(path) as aside:
        facts = json.loads(old.read(MEMBER)) | {"profile": profile.to_dict()}
        with zipfile.ZipFile(aside, "w") as new:
            for member in old.infolist():
                is_facts = member.filename == MEMBER
                content = json.dumps(facts, indent=1).encode() if is_facts else old.read(member)
                new.writestr(member, content, compress_type=member.compress_type)


def read_facts(path):
    """Return what `save_snapshot` stored beside the model: profile, version, extra; {} if none.

    Raises:
        SnapshotError: the file is no `.keras` file, or its facts are damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "config.json" not in names:
                raise SnapshotError(f"{path}: not a Keras model. Name a .keras or .h5 file.")
            facts = json.loads(archive.read(MEMBER)) if MEMBER in names else {}
    except (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, EOFError) as error:
        raise SnapshotError(
            f"{path}: not a Keras model, or a damaged one ({error}). "
            "Name a file that retinanet-train wrote."
        ) from error
    if "profile" in facts:
        facts["profile"] = Profile.from_dict(facts["profile"])
    return facts
