"""The anchors of one pyramid level, laid over its feature map on the device."""

import keras
import numpy as np
from keras import ops

from keras_retinanet.utils.anchors import AnchorParameters, generate_anchors


def anchor_grid(rows, columns, stride, cell, centre=0.5):
    """Return `cell` [A, 4] repeated over a grid of cells: float32 [rows * columns * A, 4].

    Args:
        rows, columns: of the grid.
        stride: pixels from cell to cell, or (vertical, horizontal).
        cell: anchors of one cell, about the origin.
        centre: where in its cell an anchor is centred, in strides.
    """
    down, across = stride if isinstance(stride, tuple) else (stride, stride)
    x = (ops.cast(ops.arange(columns), "float32") + centre) * across
    y = (ops.cast(ops.arange(rows), "float32") + centre) * down
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
        stride: distance of neighbouring cells, pixels; None takes the whole part of the canvas'
            side over the number of cells.
        ratios, scales, centre, rounding, order: as in `AnchorParameters`, whose defaults they
            take.
    """

    def __init__(
        self,
        size,
        stride,
        ratios=None,
        scales=None,
        centre=0.5,
        rounding="none",
        order="ratio",
        **kwargs,
    ):
        super().__init__(**kwargs)
        default = AnchorParameters.default
        self.size = size
        self.stride = stride
        self.ratios = default.ratios if ratios is None else ratios
        self.scales = default.scales if scales is None else scales
        self.centre = centre
        self.rounding = rounding
        self.order = order
        self.num_anchors = len(self.ratios) * len(self.scales)
        self.cell = generate_anchors(size, self.ratios, self.scales, rounding, order)  # [A, 4]

    def call(self, inputs):
        """Return float32 [B, h * w * A, 4].

        Args:
            inputs: features [B, h, w, C]; [features, canvas [B, H, W, C]] without a stride.
        """
        batch, rows, columns = ops.shape(self._features(inputs))[:3]
        stride = self.stride
        if stride is None:
            height, width = ops.shape(inputs[1])[1:3]
            stride = tuple(
                ops.cast(side // cells, "float32")
                for side, cells in ((height, rows), (width, columns))
            )
        grid = anchor_grid(rows, columns, stride, self.cell, self.centre)
        return ops.broadcast_to(grid[None], (batch, rows * columns * self.num_anchors, 4))

    def _features(self, inputs):
        """Return the features, or their shape, of the layer's inputs, or of their shapes."""
        return inputs if self.stride is not None else inputs[0]

    def compute_output_shape(self, input_shape):
        """Return (B, h * w * A, 4); unknown where h or w is."""
        batch, rows, columns = self._features(input_shape)[:3]
        known = rows is not None and columns is not None
        return (batch, rows * columns * self.num_anchors if known else None, 4)

    def compute_output_spec(self, inputs):
        """Return the spec: float32 under every dtype policy."""
        shape = self.compute_output_shape(
            [t.shape for t in inputs] if self.stride is None else inputs.shape
        )
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        """Return every argument."""
        return super().get_config() | {
            "size": self.size,
            "stride": self.stride,
            "ratios": [float(ratio) for ratio in self.ratios],
            "scales": [float(scale) for scale in self.scales],
            "centre": self.centre,
            "rounding": self.rounding,
            "order": self.order,
        }
