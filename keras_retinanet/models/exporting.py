"""Writing a detector for others: Keras' `.h5`, and TensorFlow's SavedModel.

Nothing half-written stays behind: a file or folder is made aside and renamed.
"""

import errno
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras

from keras_retinanet.models.snapshot import MEMBER, facts_of, profile_of, written_aside
from keras_retinanet.utils.normalisation import normalised

BYTES_OF_A_WEIGHT = 4  # float32, under every dtype policy
SPACE_BESIDE_WEIGHTS = 2_000_000  # bytes; configuration, names and HDF5's own tables
OUTPUTS = ("boxes", "scores", "labels")


@contextmanager
def _without_legacy_notice():
    """Keep Keras from advising against `.h5`, which whoever names such a file has chosen."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def save_h5(model, path, profile=None):
    """Write `model` to `path` (.h5) with its profile, atomically.

    Args:
        model: a network or a detector.
        path: of the file; the folder must exist.
        profile: of the model; the one attached to it.

    Raises:
        OSError: the file could not be written; what was there before is untouched.
    """
    facts = json.dumps(facts_of(model, profile))
    check_space(path, model)  # HDF5's library does not survive a full disk
    with written_aside(path) as aside, _without_legacy_notice():
        model.save(aside)
        with h5py.File(aside, "a") as file:
            file.attrs[MEMBER] = facts


def check_space(path, model):
    """Raise OSError unless there is room for a file of the model's weights at `path`."""
    weights = BYTES_OF_A_WEIGHT * model.count_params()
    needed = weights + max(weights // 10, SPACE_BESIDE_WEIGHTS)
    if shutil.disk_usage(Path(path).parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def export_saved_model(detector, folder, profile=None):
    """Write `detector` as a SavedModel that TensorFlow alone can run, atomically.

    Its signature `serving_default` takes `images`, uint8 RGB [B, H, W, 3], already resized (for
    pictures of N channels or 16 bits uint8 or uint16 [B, H, W, N], in the file's order), and
    returns boxes [B, D, 4] in their pixels, scores [B, D], labels int32 [B, D], padded with -1.
    `serving_bytes` takes `image_bytes`, string [B], JPEG or PNG files of any sizes, and returns
    the same in pixels of each file; it is there for pictures of three channels of 8 bits that are
    resized by OpenCV's rule, and does not turn pictures as their EXIF data ask for.
    `keras_retinanet.json` in the folder has the class names and the resize rule.

    Args:
        detector: from `models.convert_model`, on the TensorFlow backend.
        folder: new, or an empty one.
        profile: of the detector; the one attached to it.

    Raises:
        ValueError: another backend, or the folder is not empty.
        OSError: it could not be written.
    """
    folder = Path(folder)
    check_saved_model_folder(folder)
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "a SavedModel is written by TensorFlow, and Keras runs on "
            f"{keras.backend.backend()} here; convert in a process with KERAS_BACKEND=tensorflow"
        )
    profile = profile or profile_of(detector)
    facts = facts_of(detector, profile) | {
        "input": f"images: {_input_text(profile)}, resized as resize says",
        "resize": _resize_facts(profile),
        "outputs": "boxes: x1 y1 x2 y2 in pixels of the input; scores; labels; padded with -1",
    }
    try:
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    try:
        _write_saved_model(detector, aside, profile)
        (aside / MEMBER).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        mask = os.umask(0)
        os.umask(mask)
        aside.chmod(0o777 & ~mask)
        if folder.is_dir():  # empty; not every system renames onto a folder
            folder.rmdir()
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _resize_facts(profile):
    """Return how pictures are resized before they are given to a SavedModel, or None."""
    if not profile.resize:
        return None
    return {
        "rule": profile.resize_rule,
        "min_side": profile.image_min_side,
        "max_side": profile.image_max_side,
    }


def check_saved_model_folder(folder):
    """Raise ValueError unless a new folder can take the place of `folder`."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file; a SavedModel is a folder, so name a new one")
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is a folder with files in it; name a new one, or empty it")
    if not folder.parent.is_dir():
        raise ValueError(f"{folder}: there is no folder {folder.parent}; make it first")


def _input_text(profile):
    """Return what a SavedModel takes, in words."""
    channels, bits = profile.preprocessing.channels, profile.preprocessing.bits
    order = "RGB " if channels == 3 else ""
    return f"uint{bits} {order}[batch, height, width, {channels}]"


def takes_bytes(profile):
    """Return whether a SavedModel of `profile` has the signature of files' bytes."""
    plain = profile.preprocessing.channels == 3 and profile.preprocessing.bits == 8
    return plain and (not profile.resize or profile.resize_rule == "opencv")


def resized(image, profile):
    """Return a picture uint8 [H, W, 3] as the network sees it, in levels, and its scale.

    It is what `serving_bytes` does, in TensorFlow.
    """
    import tensorflow as tf

    if not profile.resize:
        return image, tf.constant(1.0)
    shape = tf.shape(image)[:2]
    smaller, larger = (
        tf.cast(value, tf.float32) for value in (tf.reduce_min(shape), tf.reduce_max(shape))
    )
    scale = tf.minimum(profile.image_min_side / smaller, profile.image_max_side / larger)
    size = tf.maximum(tf.cast(tf.round(tf.cast(shape, tf.float32) * scale), tf.int32), 1)
    levels = tf.round(tf.image.resize(image, size))  # the rule rounds to whole levels
    return tf.cast(levels, tf.uint8), scale


def _of_bytes(serve, profile):
    """Return f(string [B]) -> what `serve` returns, boxes in pixels of each file."""
    import tensorflow as tf

    def of_one(file):
        image = tf.io.decode_image(file, channels=3, expand_animations=False)
        image, scale = resized(tf.ensure_shape(image, (None, None, 3)), profile)
        found = {name: values[0] for name, values in serve(image[None]).items()}
        is_there = found["labels"][:, None] >= 0
        return found | {"boxes": tf.where(is_there, found["boxes"] / scale, -1.0)}

    kinds = (tf.float32, tf.float32, tf.int32)
    signature = {name: tf.TensorSpec(None, kind) for name, kind in zip(OUTPUTS, kinds, strict=True)}
    return lambda image_bytes: tf.map_fn(of_one, image_bytes, fn_output_signature=signature)


def _write_saved_model(detector, folder, profile):
    import tensorflow as tf

    preprocessing = profile.preprocessing
    shape = (None, None, None, preprocessing.channels)
    images = tf.TensorSpec(shape, f"uint{preprocessing.bits}", name="images")

    def serve(images):
        found = detector(normalised(images, preprocessing, order="rgb"), training=False)
        return dict(zip(OUTPUTS, found[: len(OUTPUTS)], strict=True))

    archive = keras.export.ExportArchive()
    archive.track(detector)
    archive.add_endpoint("serving_default", serve, input_signature=[images])
    if takes_bytes(profile):
        files = tf.TensorSpec((None,), tf.string, name="image_bytes")
        archive.add_endpoint("serving_bytes", _of_bytes(serve, profile), input_signature=[files])
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:  # TensorFlow's own writer raises no OSError
        raise OSError(f"the SavedModel cannot be written: {error.message}") from error
