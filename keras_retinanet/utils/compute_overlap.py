"""Old name of `keras_retinanet.utils.boxes.overlaps`."""

from keras_retinanet.utils.boxes import overlaps as compute_overlap

__all__ = ["compute_overlap"]
