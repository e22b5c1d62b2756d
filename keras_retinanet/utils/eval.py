"""Old name of `keras_retinanet.evaluation`."""

from keras_retinanet.evaluation import evaluate
from keras_retinanet.evaluation.average_precision import _compute_ap
from keras_retinanet.evaluation.tables import _get_annotations, _get_detections

__all__ = ["_compute_ap", "_get_annotations", "_get_detections", "evaluate"]
