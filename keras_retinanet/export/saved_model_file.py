"""A SavedModel, run by TensorFlow alone: without Keras, as servers do."""

import json
from pathlib import Path

from keras_retinanet.models.exporting import OUTPUTS
from keras_retinanet.models.snapshot import MEMBER


class SavedModelFile:
    """A SavedModel in TensorFlow; see `export.runtimes`.

    Attributes:
        takes_files: whether it has the signature that `detect_as_files` asks.

    Raises:
        ValueError: it is none, or none of ours, or TensorFlow is not installed.
    """

    def __init__(self, path):
        try:
            import tensorflow as tf
        except ImportError as error:
            raise ValueError(
                f"{path}: a SavedModel is run by TensorFlow: pip install tensorflow"
            ) from error
        self.facts = _facts(Path(path))
        try:
            self._model = tf.saved_model.load(str(path))  # which its functions need alive
            self._run = self._model.signatures["serving_default"]
            self.takes_files = "serving_bytes" in self._model.signatures
        except Exception as error:  # of many classes, where files are damaged
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{path}: TensorFlow cannot open it: {reason}") from error
        self.version = f"tensorflow {tf.__version__}"

    def detect(self, levels):
        """Return boxes, scores and labels of a batch."""
        import tensorflow as tf

        found = self._run(images=tf.constant(levels))
        return [found[name].numpy() for name in OUTPUTS]

    def detect_as_files(self, pictures):
        """Return boxes, scores and labels of uint8 RGB pictures that are given as PNG files."""
        import tensorflow as tf

        files = tf.stack([tf.io.encode_png(picture) for picture in pictures])
        found = self._model.signatures["serving_bytes"](image_bytes=files)
        return [found[name].numpy() for name in OUTPUTS]


def _facts(folder):
    """Return what the folder says of itself.

    Raises:
        ValueError: nothing: another program wrote it.
    """
    path = folder / MEMBER
    if not path.is_file():
        raise ValueError(
            f"{folder}: has no {MEMBER}; name a SavedModel that retinanet-convert-model wrote"
        )
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return facts | {"profile": facts["profile"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged ({error}); convert the snapshot again") from error
