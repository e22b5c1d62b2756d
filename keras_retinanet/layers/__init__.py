"""The layers of RetinaNet: anchors, padding, upsampling, decoding, clipping, filtering."""

from keras_retinanet.layers.anchors import Anchors
from keras_retinanet.layers.boxes import ClipBoxes, RegressBoxes
from keras_retinanet.layers.detect import Detect
from keras_retinanet.layers.filter_detections import FilterDetections
from keras_retinanet.layers.padding import PadToMultiple
from keras_retinanet.layers.upsample import UpsampleLike

__all__ = [
    "Anchors",
    "ClipBoxes",
    "Detect",
    "FilterDetections",
    "PadToMultiple",
    "RegressBoxes",
    "UpsampleLike",
]
