"""The layers of RetinaNet, padding, and grouped convolution."""

from keras_retinanet.layers.anchors import Anchors
from keras_retinanet.layers.boxes import ClipBoxes, RegressBoxes
from keras_retinanet.layers.detect import Detect
from keras_retinanet.layers.filter_detections import FilterDetections
from keras_retinanet.layers.grouped import GroupedConv2D
from keras_retinanet.layers.padding import PadToMultiple
from keras_retinanet.layers.upsample import UpsampleLike

__all__ = [
    "Anchors",
    "ClipBoxes",
    "Detect",
    "FilterDetections",
    "GroupedConv2D",
    "PadToMultiple",
    "RegressBoxes",
    "UpsampleLike",
]
