"""Anchors: the reference boxes of every cell of every pyramid level.

An anchor of cell (row, column) is centred on ((column + 0.5) * stride, (row + 0.5) * stride).
Order, outermost first: level, row, column, ratio (height / width), scale. Both are 1.0's; other
families of published weights set them otherwise. Host functions (NumPy) carry keras-retinanet
1.0's names; `layers.Anchors` lays the same grid on the device.
"""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np

from keras_retinanet.utils.boxes import DELTA_MEAN, DELTA_STD, covered_shares
from keras_retinanet.utils.boxes import overlaps as compute_overlap

DEFAULT_LEVELS = (3, 4, 5, 6, 7)
NEGATIVE_OVERLAP = 0.4
POSITIVE_OVERLAP = 0.5
REGION = -2  # label of a box that marks a region to ignore, not an object
REGION_SHARE = 0.5  # of a background anchor's area inside a region from which it is ignored


CHOICES = {
    "stride_rule": ("fixed", "floor"),
    "rounding": ("none", "whole", "base"),
    "order": ("ratio", "scale"),
}


def _numbers(values, kind):
    return tuple(kind(value) for value in np.asarray(values).ravel().tolist())


@dataclass(frozen=True)
class AnchorParameters:
    """Shape of the anchors: one size and stride for each level, ratios and scales for all.

    Defaults are those of Lin et al. 2017 (arXiv:1708.02002, section 4): three ratios and three
    scales a third of an octave apart.

    Attributes:
        sizes: side of the square anchor at scale 1, pixels, for each level.
        strides: distance of neighbouring cells, pixels, for each level.
        ratios: height / width.
        scales: factors on `sizes`.
        centre: where in its cell an anchor is centred, in strides from the top left corner.
        stride_rule: "fixed", or "floor": the whole part of the canvas' side over the number of
            cells, which torchvision takes in place of `strides`.
        rounding: "none"; "whole": sides cut to whole pixels, then corners rounded; "base": sides
            at scale 1 rounded to whole pixels, and x2, y2 those of the last pixel inside, as in
            the code of Ren et al. 2015 (arXiv:1506.01497).
        order: which is outermost in a cell, "ratio" or "scale".
    """

    sizes: tuple = (32, 64, 128, 256, 512)
    strides: tuple = (8, 16, 32, 64, 128)
    ratios: tuple = (0.5, 1.0, 2.0)
    scales: tuple = field(default=(2**0, 2 ** (1 / 3), 2 ** (2 / 3)))
    centre: float = 0.5
    stride_rule: str = "fixed"
    rounding: str = "none"
    order: str = "ratio"
    default: ClassVar["AnchorParameters"]

    def __post_init__(self):
        for name in ("sizes", "strides", "ratios", "scales"):
            values = _numbers(getattr(self, name), float)
            if not values or not all(np.isfinite(v) and v > 0 for v in values):
                raise ValueError(
                    f"anchor {name} must be positive numbers, at least one. Received: {values}"
                )
            if name in ("sizes", "strides") and all(v.is_integer() for v in values):
                values = _numbers(values, int)
            object.__setattr__(self, name, values)
        if len(self.sizes) != len(self.strides):
            raise ValueError(
                "anchors need one size and one stride for each level. Received: "
                f"{len(self.sizes)} sizes {self.sizes}, {len(self.strides)} strides {self.strides}"
            )
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(
                    f"anchor {name} must be one of {', '.join(known)}. Received: {value!r}"
                )

    def num_anchors(self):
        """Return the number of anchors of a cell."""
        return len(self.ratios) * len(self.scales)

    def cell(self, index):
        """Return the anchors [A, 4] of one cell of the level `index`, about the origin."""
        return generate_anchors(
            self.sizes[index], self.ratios, self.scales, self.rounding, self.order
        )

    def stride(self, index, canvas, cells):
        """Return the (vertical, horizontal) distance of neighbouring cells of a level, pixels.

        Args:
            index: of the level.
            canvas: (height, width), pixels.
            cells: (rows, columns) of the level on that canvas.
        """
        if self.stride_rule == "fixed":
            return self.strides[index], self.strides[index]
        return int(canvas[0]) // int(cells[0]), int(canvas[1]) // int(cells[1])

    def to_dict(self):
        """Return the parameters as values that JSON can hold."""
        values = asdict(self).items()
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values}


AnchorParameters.default = AnchorParameters()


# Roundings: f(sides [S] of squares, ratios [R], side at scale 1) -> corners [R, S, 4].


def _unrounded(sides, ratios, base_size):
    widths = np.sqrt(sides[None, :] ** 2 / ratios[:, None])
    heights = widths * ratios[:, None]
    return np.stack([-widths, -heights, widths, heights], axis=-1) / 2


def _whole(sides, ratios, base_size):
    return np.round(_unrounded(np.floor(sides), ratios, base_size))


def _base(sides, ratios, base_size):
    widths = np.round(np.sqrt(base_size**2 / ratios))
    shapes = np.stack([widths, np.round(widths * ratios)], axis=-1)  # [R, 2]
    halves = shapes[:, None] * (sides / base_size)[None, :, None] / 2
    return np.concatenate([-halves, halves - 1], axis=-1)


ROUNDINGS = {"none": _unrounded, "whole": _whole, "base": _base}


def generate_anchors(base_size=16, ratios=None, scales=None, rounding="none", order="ratio"):
    """Return the anchors [R * S, 4] of one cell, centred on the origin.

    Args:
        base_size: side at scale 1, pixels.
        ratios, scales, rounding, order: as in `AnchorParameters`.
    """
    default = AnchorParameters.default
    ratios = np.asarray(default.ratios if ratios is None else ratios, dtype=np.float32)
    scales = np.asarray(default.scales if scales is None else scales, dtype=np.float32)
    # the side is a float32 product, as in 1.0: published weights were trained on it
    sides = (np.float32(base_size) * scales).astype(np.float64)
    corners = ROUNDINGS[rounding](sides, ratios.astype(np.float64), base_size)
    if order == "scale":
        corners = corners.swapaxes(0, 1)
    return corners.reshape(-1, 4)


def shift(shape, stride, anchors, centre=0.5):
    """Return `anchors` [A, 4] repeated over a grid of `shape` (rows, columns): [H * W * A, 4].

    Args:
        shape: (rows, columns).
        stride: pixels from cell to cell, or (vertical, horizontal).
        anchors: of one cell, about the origin.
        centre: as in `AnchorParameters`.
    """
    down, across = np.broadcast_to(stride, 2)
    x = (np.arange(shape[1]) + centre) * across
    y = (np.arange(shape[0]) + centre) * down
    x, y = np.meshgrid(x, y)
    centres = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    return (centres + anchors[None]).reshape(-1, 4)


def guess_shapes(image_shape, pyramid_levels):
    """Return each level's (rows, columns) for a network that rounds up, such as ResNet."""
    image_shape = np.asarray(image_shape[:2])
    return [(image_shape + 2**level - 1) // 2**level for level in pyramid_levels]


def layer_shapes(image_shape, model):
    """Return {layer name: output shape} of `model` for one image of `image_shape`.

    Left out are nested models and layers that are called more than once.
    """
    import keras

    inputs = keras.KerasTensor((1, *image_shape), dtype=model.inputs[0].dtype)
    known = [layer for layer in model.layers if not isinstance(layer, keras.Model)]
    outputs = {layer.name: layer.output for layer in _with_one_output(known)}
    probe = keras.Model(model.inputs, outputs)
    return {name: tensor.shape for name, tensor in probe.compute_output_spec(inputs).items()}


def _with_one_output(layers):
    found = []
    for layer in layers:
        try:
            if not isinstance(layer.output, (list, tuple, dict)):
                found.append(layer)
        except (AttributeError, ValueError):  # used more than once, or never
            continue
    return found


def make_shapes_callback(model):
    """Return f(image_shape, levels) -> true (rows, columns) of each level of `model`."""

    def get_shapes(image_shape, pyramid_levels):
        shapes = layer_shapes(image_shape, model)
        return [shapes[f"P{level}"][1:3] for level in pyramid_levels]

    return get_shapes


def anchors_for_shape(image_shape, pyramid_levels=None, anchor_params=None, shapes_callback=None):
    """Return all anchors [N, 4] float64 of an image of `image_shape` (height, width, ...)."""
    levels = DEFAULT_LEVELS if pyramid_levels is None else pyramid_levels
    params = anchor_params or AnchorParameters.default
    shapes = (shapes_callback or guess_shapes)(image_shape, levels)
    if len(shapes) != len(params.sizes):
        raise ValueError(
            f"{len(shapes)} pyramid levels need as many anchor sizes. Received: {params.sizes}"
        )
    return np.concatenate(
        [
            shift(
                shape, params.stride(index, image_shape, shape), params.cell(index), params.centre
            )
            for index, shape in enumerate(shapes)
        ]
    )


def _four(values, name):
    if not isinstance(values, (np.ndarray, list, tuple)):
        raise ValueError(f"{name} must be an array, list or tuple. Received: {type(values)}")
    return np.asarray(values)


def bbox_transform(anchors, gt_boxes, mean=None, std=None):
    """Return the deltas [N, 4] from `anchors` [N, 4] to `gt_boxes` [N, 4] (NumPy)."""
    mean = _four(DELTA_MEAN if mean is None else mean, "mean")
    std = _four(DELTA_STD if std is None else std, "std")
    widths = anchors[:, 2] - anchors[:, 0]
    heights = anchors[:, 3] - anchors[:, 1]
    sides = np.stack([widths, heights, widths, heights], axis=1)
    return ((gt_boxes[:, :4] - anchors) / sides - mean) / std


def compute_gt_annotations(
    anchors, annotations, negative_overlap=NEGATIVE_OVERLAP, positive_overlap=POSITIVE_OVERLAP
):
    """Return (is object [N], is ignored [N], index of the best box [N]) for each anchor."""
    overlap = compute_overlap(anchors, annotations)
    best = np.argmax(overlap, axis=1)
    highest = overlap[np.arange(len(overlap)), best]
    positive = highest >= positive_overlap
    return positive, (highest > negative_overlap) & ~positive, best


def _targets_per_image(anchors, image_shape, annotations, num_classes, thresholds):
    """Return regression [N, 5] and labels [N, K + 1] of one image."""
    regression = np.zeros((len(anchors), 4 + 1), dtype=np.float32)
    labels = np.zeros((len(anchors), num_classes + 1), dtype=np.float32)
    is_region = np.asarray(annotations["labels"]) == REGION
    boxes = np.asarray(annotations["bboxes"])
    if is_region.any():
        covered = covered_shares(anchors, boxes[is_region]).max(axis=1) >= REGION_SHARE
        regression[covered, -1] = labels[covered, -1] = -1
    boxes, kinds = boxes[~is_region], np.asarray(annotations["labels"])[~is_region]
    if len(boxes):
        positive, ignored, best = compute_gt_annotations(anchors, boxes, *thresholds)
        for states in (regression[:, -1], labels[:, -1]):
            states[ignored], states[positive] = -1, 1
        classes = kinds[best[positive]].astype(int)
        labels[np.flatnonzero(positive), classes] = 1
        regression[:, :-1] = bbox_transform(anchors, boxes[best])
    if image_shape is not None:
        centres = (anchors[:, :2] + anchors[:, 2:]) / 2
        outside = (centres[:, 0] >= image_shape[1]) | (centres[:, 1] >= image_shape[0])
        regression[outside, -1] = labels[outside, -1] = -1
    return regression, labels


def anchor_targets_bbox(
    anchors,
    image_group,
    annotations_group,
    num_classes,
    negative_overlap=NEGATIVE_OVERLAP,
    positive_overlap=POSITIVE_OVERLAP,
):
    """Return dense targets for a bare network: regression [B, N, 5], labels [B, N, K + 1].

    The last column is the anchor's state: 1 object, 0 background, -1 ignored. Anchors centred
    beyond an image's own right or bottom edge, on padding, are ignored.

    Args:
        anchors: [N, 4] of the batch's canvas.
        image_group: B images, of which only the shapes are read.
        annotations_group: B dictionaries with `bboxes` [M, 4] and `labels` [M]; background
            anchors in boxes of label `REGION` are ignored.
        num_classes: K.
    """
    if len(image_group) != len(annotations_group) or not len(annotations_group):
        raise ValueError(
            "one annotation for each image, and at least one image, are needed. Received: "
            f"{len(image_group)} images, {len(annotations_group)} annotations"
        )
    thresholds = (negative_overlap, positive_overlap)
    targets = [
        _targets_per_image(anchors, image.shape, annotations, num_classes, thresholds)
        for image, annotations in zip(image_group, annotations_group, strict=True)
    ]
    regression, labels = zip(*targets, strict=True)
    return np.stack(regression), np.stack(labels)
