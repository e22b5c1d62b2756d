"""How boxes are written as deltas from anchors: by corners, or by centre and size.

By corners (keras-retinanet): each corner's offset in anchor widths and heights. By centres
(Ren et al. 2015, arXiv:1506.01497, eq. 2): the centre's offset likewise, and the logarithms of
how much wider and higher the box is.
"""

from dataclasses import asdict, dataclass

from keras import ops

from keras_retinanet.utils import boxes as geometry
from keras_retinanet.utils.boxes import DELTA_MEAN, DELTA_STD

CODINGS = ("corners", "centres")
SMALLEST_SIDE = 1e-6  # pixels; rows that pad a batch have no side, and no logarithm of one


@dataclass(frozen=True)
class BoxCoder:
    """From boxes to deltas and back: decode(encode(boxes, anchors), anchors) == boxes.

    Attributes:
        coding: "corners" or "centres".
        mean, std: standardisation of the deltas; a network predicts (delta - mean) / std.
        pixel: added to widths and heights by families to whom a box from 0 to 9 is 10 wide.
        clamp: largest logarithm of a growth that is decoded; None for no limit.
    """

    coding: str = "corners"
    mean: tuple = DELTA_MEAN
    std: tuple = DELTA_STD
    pixel: float = 0.0
    clamp: float | None = None

    def __post_init__(self):
        if self.coding not in CODINGS:
            raise ValueError(f"coding must be corners or centres. Received: {self.coding!r}")
        for name in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 4:
                raise ValueError(f"{name} must be four numbers. Received: {values}")
            object.__setattr__(self, name, values)

    def to_dict(self):
        """Return the fields as values that JSON can hold."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    def encode(self, boxes, anchors):
        """Return the deltas [..., 4] of `boxes` [..., 4] from `anchors` [..., 4]."""
        if self.coding == "corners":
            return geometry.encode(boxes, anchors, self.mean, self.std)
        deltas = encode_centres(boxes, anchors, self.pixel)
        return geometry.standardise(deltas, self.mean, self.std)

    def decode(self, deltas, anchors):
        """Return the boxes [..., 4] that `deltas` [..., 4] make of `anchors` [..., 4]."""
        if self.coding == "corners":
            return geometry.decode(deltas, anchors, self.mean, self.std)
        deltas = geometry.unstandardise(deltas, self.mean, self.std)
        return decode_centres(deltas, anchors, self.pixel, self.clamp)


def _centres_and_sides(boxes, pixel):
    """Return the centres [..., 2] and sides [..., 2] of `boxes` [..., 4]."""
    sides = boxes[..., 2:] - boxes[..., :2] + pixel
    return boxes[..., :2] + 0.5 * sides, sides


def encode_centres(boxes, anchors, pixel=0.0):
    """Return (tx, ty, tw, th) [..., 4] of eq. 2; arguments as in `BoxCoder`."""
    centres, sides = _centres_and_sides(boxes, pixel)
    anchor_centres, anchor_sides = _centres_and_sides(anchors, pixel)
    offsets = (centres - anchor_centres) / anchor_sides
    growths = ops.log(ops.maximum(sides, SMALLEST_SIDE) / anchor_sides)
    return ops.concatenate([offsets, growths], axis=-1)


def decode_centres(deltas, anchors, pixel=0.0, clamp=None):
    """Return the boxes [..., 4] of (tx, ty, tw, th); arguments as in `BoxCoder`."""
    anchor_centres, anchor_sides = _centres_and_sides(anchors, pixel)
    growths = deltas[..., 2:] if clamp is None else ops.minimum(deltas[..., 2:], clamp)
    centres = deltas[..., :2] * anchor_sides + anchor_centres
    halves = 0.5 * ops.exp(growths) * anchor_sides
    return ops.concatenate([centres - halves, centres + halves - pixel], axis=-1)
