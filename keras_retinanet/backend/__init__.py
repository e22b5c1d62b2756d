"""Old names of keras-retinanet 1.0; new code uses `utils.boxes`, `layers` and `keras.ops`."""

from keras_retinanet.backend.backend import bbox_transform_inv, map_fn, resize_images, shift

__all__ = ["bbox_transform_inv", "map_fn", "resize_images", "shift"]
