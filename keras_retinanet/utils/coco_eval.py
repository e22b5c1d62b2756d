"""Old name of `keras_retinanet.evaluation.coco_files`."""

from keras_retinanet.evaluation.coco_files import evaluate_coco

__all__ = ["evaluate_coco"]
