"""1.0's module of these layers."""

from keras_retinanet.layers.anchors import Anchors
from keras_retinanet.layers.boxes import ClipBoxes, RegressBoxes
from keras_retinanet.layers.upsample import UpsampleLike

__all__ = ["Anchors", "ClipBoxes", "RegressBoxes", "UpsampleLike"]
