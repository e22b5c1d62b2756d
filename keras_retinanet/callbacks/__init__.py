"""Keras callbacks that measure a detector while its network trains."""

from keras_retinanet.callbacks.coco import CocoEval
from keras_retinanet.callbacks.common import RedirectModel
from keras_retinanet.callbacks.eval import Evaluate

__all__ = ["CocoEval", "Evaluate", "RedirectModel"]
