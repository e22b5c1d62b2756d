"""Detections matched with the truths at one IoU: what numbers, lists and pages of them share."""

from dataclasses import dataclass
from functools import cached_property

from keras_retinanet.evaluation.coco_numbers import THRESHOLDS, Matched, prepare
from keras_retinanet.evaluation.errors import find_errors
from keras_retinanet.evaluation.operating_points import operating_points
from keras_retinanet.evaluation.outcomes import Outcomes, outcomes


@dataclass(frozen=True)
class Analysis:
    """What became of each detection and each object of a `Columns`.

    Attributes:
        matched: `coco_numbers.Matched`, for all of COCO's thresholds and `iou_threshold`.
        outcomes: Outcomes at `iou_threshold`.
        iou_threshold: the IoU from which a detection is right.
    """

    matched: Matched
    outcomes: Outcomes
    iou_threshold: float

    @property
    def columns(self):
        """The Columns."""
        return self.matched.columns

    @cached_property
    def errors(self):
        """The Errors at `iou_threshold`."""
        return find_errors(self.matched, self.outcomes, self.iou_threshold)

    @cached_property
    def points(self):
        """What `operating_points` gives: over all classes, and of each."""
        return operating_points(self.outcomes)

    @property
    def sure_score(self):
        """The score of the best F1, above which a detection is told; 0 where nothing is found."""
        best = self.points[0]["best"]["threshold"]
        return best if best == best else 0.0  # nan is no number


def analyse(columns, iou_threshold=0.5):
    """Return the Analysis of Columns at an IoU threshold."""
    matched = prepare(columns, min(THRESHOLDS[0], iou_threshold))
    return Analysis(matched, outcomes(matched, iou_threshold), iou_threshold)
