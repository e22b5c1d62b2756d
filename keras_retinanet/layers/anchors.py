"""The anchors of one pyramid level, laid over its feature map on the device."""

import keras
import numpy as np
from keras import ops

from keras_retinanet.utils.anchors import AnchorParameters, generate_anchors


def anchor_grid(rows, columns, stride, cell):
    """Return `cell` [A, 4] repeated over a grid of cells: float32 [rows * columns * A, 4]."""
    x = (ops.cast(ops.arange(columns), "float32") + 0.5) * stride
    y = (ops.cast(ops.arange(rows), "float32") + 0.5) * stride
    cell = ops.convert_to_tensor(np.asarray(cell, dtype=np.float32))
    shape = (rows, columns, 1)
    x = ops.broadcast_to(ops.reshape(x, (1, -1, 1)), shape)
    y = ops.broadcast_to(ops.reshape(y, (-1, 1, 1)), shape)
    centres = ops.stack([x, y, x, y], axis=-1)  # [rows, columns, 1, 4]
    return ops.reshape(centres + ops.reshape(cell, (1, 1, -1, 4)), (-1, 4))


@keras.saving.register_keras_serializable("keras_retinanet")
class Anchors(keras.layers.Layer):
    """Lay anchors over a feature map.

    Args:
        size: side of the square anchor at scale 1, pixels.
        stride: distance of neighbouring cells, pixels.
        ratios, scales: as in `AnchorParameters`, whose defaults they take.
    """

    def __init__(self, size, stride, ratios=None, scales=None, **kwargs):
        super().__init__(**kwargs)
        default = AnchorParameters.default
        self.size = size
        self.stride = stride
        self.ratios = default.ratios if ratios is None else ratios
        self.scales = default.scales if scales is None else scales
        self.num_anchors = len(self.ratios) * len(self.scales)
        self.cell = generate_anchors(size, self.ratios, self.scales)  # [A, 4]

    def call(self, features):
        """Return float32 [B, h * w * A, 4] for features [B, h, w, C]."""
        shape = ops.shape(features)
        grid = anchor_grid(shape[1], shape[2], self.stride, self.cell)
        return ops.broadcast_to(grid[None], (shape[0], shape[1] * shape[2] * self.num_anchors, 4))

    def compute_output_shape(self, input_shape):
        """Return (B, h * w * A, 4); unknown where h or w is."""
        batch, rows, columns = input_shape[:3]
        known = rows is not None and columns is not None
        return (batch, rows * columns * self.num_anchors if known else None, 4)

    def compute_output_spec(self, features):
        """Return the spec: float32 under every dtype policy."""
        return keras.KerasTensor(self.compute_output_shape(features.shape), dtype="float32")

    def get_config(self):
        """Return size, stride, ratios and scales."""
        return super().get_config() | {
            "size": self.size,
            "stride": self.stride,
            "ratios": [float(ratio) for ratio in self.ratios],
            "scales": [float(scale) for scale in self.scales],
        }
