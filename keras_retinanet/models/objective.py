"""What a network is trained towards: which anchors hold which box, and what errors cost.

None of it is in the network: weights trained one way load and train on another way.
"""

from dataclasses import dataclass

from keras_retinanet.losses import BOX_LOSSES, CLASSIFICATION_LOSSES, quality_of
from keras_retinanet.utils.assignments import ASSIGNMENTS, with_every_box
from keras_retinanet.utils.targets import assign


def _row(table, name, what):
    if name not in table:
        raise ValueError(f"{what} must be one of {', '.join(table)}. Received: {name!r}")
    return table[name]


@dataclass(frozen=True)
class Objective:
    """The assignment and the losses. The defaults are keras-retinanet 1.0's.

    Attributes:
        classification_loss: a key of `losses.CLASSIFICATION_LOSSES`.
        box_loss: a key of `losses.BOX_LOSSES`.
        box_loss_weight: factor on the box loss; None for the one in its row.
        assignment: a key of `utils.assignments.ASSIGNMENTS`.
        match_all: every box gets an anchor, see `utils.assignments.with_every_box`.
        class_weights: K factors on the class loss of each class's object anchors; None for 1.
        label_smoothing: from 0 to below 0.5, see `ClassificationLoss.function`.
    """

    classification_loss: str = "focal"
    box_loss: str = "smooth-l1"
    box_loss_weight: float | None = None
    assignment: str = "max-iou"
    match_all: bool = False
    class_weights: tuple | None = None
    label_smoothing: float = 0.0

    def __post_init__(self):
        for table, field in (
            (CLASSIFICATION_LOSSES, "classification_loss"),
            (BOX_LOSSES, "box_loss"),
            (ASSIGNMENTS, "assignment"),
        ):
            _row(table, getattr(self, field), field)
        if not 0.0 <= self.label_smoothing < 0.5:
            raise ValueError(
                f"label_smoothing must be from 0 to below 0.5. Received: {self.label_smoothing}"
            )
        if self.label_smoothing and CLASSIFICATION_LOSSES[self.classification_loss].aims_at_quality:
            raise ValueError(
                f"label_smoothing {self.label_smoothing} and {self.classification_loss} both set "
                "the targets of object anchors; leave one out"
            )

    def check_classes(self, number):
        """Raise ValueError unless the class weights are for `number` classes."""
        if self.class_weights is not None and len(self.class_weights) != number:
            raise ValueError(
                f"{len(self.class_weights)} class weights for {number} classes; give one for each"
            )

    def assigned(self, anchors, layout, boxes, labels, sizes):
        """Return state [B, N], labels [B, N] and boxes [B, N, 4] of the anchors.

        Args: as `utils.targets.assign` takes them.
        """
        rule = ASSIGNMENTS[self.assignment].rule
        rule = with_every_box(rule) if self.match_all else rule
        return assign(anchors, boxes, labels, sizes, rule, layout)

    def class_and_box_loss(self, outputs, anchors, assigned, coder):
        """Return the class loss and the weighted box loss of a batch, float32 scalars.

        Args:
            outputs: {"deltas": [B, N, 4], "logits": [B, N, K]}.
            anchors: [N, 4].
            assigned: what `assigned` gave.
            coder: `BoxCoder` of the network.
        """
        state, labels, boxes = assigned
        pairs = (outputs["deltas"], anchors, boxes, state, coder)
        row = CLASSIFICATION_LOSSES[self.classification_loss]
        classification = row.function(
            outputs["logits"],
            labels,
            state,
            quality_of(*pairs) if row.aims_at_quality else None,
            self.class_weights,
            self.label_smoothing,
        )
        row = BOX_LOSSES[self.box_loss]
        weight = row.weight if self.box_loss_weight is None else self.box_loss_weight
        return classification, weight * row.function(*pairs)
