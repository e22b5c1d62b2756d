"""Running a trained detector: `Detector`, and what the command retinanet-predict is made of."""

from keras_retinanet.predict.detector import Detector, Named
from keras_retinanet.predict.results import Result

__all__ = ["Detector", "Named", "Result"]
