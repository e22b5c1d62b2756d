"""RetinaNet object detection on Keras 3."""

__version__ = "2.0.0"
