"""Why an object was missed: a trace of its boxes through the detector's own steps.

Boxes are (x1, y1, x2, y2) in one frame, whichever: IoU does not change with the scale. A pair is
an (anchor, class); it fits an object where its decoded box overlaps it by the IoU that counts. Of
an object that nothing found, the first of these that holds is the reason:

- shared: a detection of its class fits, but counts for another object;
- suppressed: the best pair of its class that fits went in NMS;
- candidates: that pair was left out before NMS, which only takes so many;
- detections: that pair was left out after it, for the limit of detections;
- no anchor: no anchor overlaps it enough to be trained on it;
- anchors shared: all that do overlap another object more, and are trained on that;
- localisation: a pair above the threshold belongs to it by its class, but overlaps it too little;
- class: a pair that fits is above the threshold under another class;
- score: pairs that fit do not reach the threshold.

The first four are of pairs above the threshold, so that the network did its part.
"""

from dataclasses import asdict, dataclass

import numpy as np

from keras_retinanet.evaluation.errors import BACKGROUND
from keras_retinanet.utils.anchors import POSITIVE_OVERLAP
from keras_retinanet.utils.boxes import overlaps

REASONS = (
    *("shared", "suppressed", "candidates", "detections"),
    *("no anchor", "anchors shared", "localisation", "class", "score"),
)
KEPT, SUPPRESSED, NO_CANDIDATE, OVER_LIMIT = range(4)


@dataclass(frozen=True)
class Dense:
    """What a network says of a picture, before anything is selected.

    Attributes:
        anchors: [N, 4].
        boxes: [N, 4], decoded and clipped.
        scores: [N, K].
        inside: bool [N], anchors centred in the picture, which training looks at.
        counts: number of anchors of each level for which `Rules.level_candidates` counts.
    """

    anchors: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    inside: np.ndarray
    counts: tuple


@dataclass(frozen=True)
class Rules:
    """How scores become detections; see `layers.candidates.Rule`.

    Attributes:
        score_threshold: of the detections that count.
        iou_threshold: from which a detection is right.
        nms, nms_threshold, class_specific_filter, nms_within, candidates, level_candidates,
            max_detections: as there.
    """

    score_threshold: float
    iou_threshold: float = 0.5
    nms: bool = True
    nms_threshold: float = 0.5
    class_specific_filter: bool = True
    nms_within: str = "class"
    candidates: int | None = None
    level_candidates: int | None = None
    max_detections: int = 300


@dataclass(frozen=True)
class Pairs:
    """Pairs above the threshold, best score first.

    Attributes:
        anchors, labels, scores: [P].
        fates: int8 [P]: KEPT, SUPPRESSED, NO_CANDIDATE or OVER_LIMIT.
        rivals: [P], the place of the pair that suppressed it; -1 for none.
    """

    anchors: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    fates: np.ndarray
    rivals: np.ndarray


@dataclass(frozen=True)
class Miss:
    """Why an object was missed; None where a number does not apply.

    Attributes:
        reason: of `REASONS`.
        anchor_iou: the largest of any anchor that training looks at.
        score: the best of its class among pairs that fit; of localisation, of the loose pair.
        iou: the largest with a decoded box; of localisation, with the loose pair's.
        other_label, other_score: of what suppressed it or it was taken for.
        other_box: of the same, a list of four.
        other_iou: of that box with the suppressed one, or with the object.
    """

    reason: str
    anchor_iou: float
    score: float | None
    iou: float
    other_label: int | None = None
    other_score: float | None = None
    other_box: list | None = None
    other_iou: float | None = None

    def to_dict(self):
        """Return what is known, for JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def follow(dense, rules):
    """Return the `Pairs` of a picture with what became of each."""
    scores = dense.scores
    if not rules.class_specific_filter:
        best = scores.argmax(axis=1)
        scores = np.where(np.arange(scores.shape[1]) == best[:, None], scores, -np.inf)
    anchors, labels = np.nonzero(scores > rules.score_threshold)
    order = np.argsort(-scores[anchors, labels], kind="stable")
    anchors, labels = anchors[order], labels[order]
    fates = np.full(len(order), OVER_LIMIT, np.int8)
    rivals = np.full(len(order), -1)
    fates[~_candidates(anchors, dense.counts, rules)] = NO_CANDIDATE
    _suppress(_in_order(dense.boxes)[anchors], labels, fates, rivals, rules)
    return Pairs(anchors, labels, scores[anchors, labels], fates, rivals)


def _candidates(anchors, counts, rules):
    """Return which pairs [P] of sorted `anchors` reach NMS."""
    levels = np.searchsorted(np.cumsum(counts), anchors, side="right")
    reach = np.ones(len(anchors), bool)
    if rules.level_candidates is not None:
        for level in range(len(counts)):
            reach[np.flatnonzero(levels == level)[rules.level_candidates :]] = False
    if rules.candidates is not None:
        reach[np.flatnonzero(reach)[rules.candidates :]] = False
    return reach


def _in_order(boxes):
    first, second = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)


def _suppress(boxes, labels, fates, rivals, rules):
    """Settle the fates of sorted pairs with `boxes` [P, 4] in place: greedy NMS, and the limit."""
    apart = rules.class_specific_filter and rules.nms_within == "class"
    labels = labels if apart else np.zeros_like(labels)
    waiting = fates == OVER_LIMIT
    for _ in range(rules.max_detections):
        if not waiting.any():
            return
        best = int(np.argmax(waiting))
        fates[best], waiting[best] = KEPT, False
        if rules.nms:
            rows = np.flatnonzero(waiting & (labels == labels[best]))
            gone = rows[overlaps(boxes[rows], boxes[[best]])[:, 0] > rules.nms_threshold]
            fates[gone], rivals[gone], waiting[gone] = SUPPRESSED, best, False


def trace(boxes, labels, missed, dense, rules):
    """Return the `Miss` of each missed object of a picture.

    Args:
        boxes: [M, 4], all objects of the picture, in the frame of `dense`.
        labels: [M], the network's classes; -1 for a class that it does not know.
        missed: rows of the objects that nothing found.
        dense: Dense.
        rules: Rules.
    """
    pairs = follow(dense, rules)
    decoded = overlaps(_in_order(dense.boxes), boxes)  # [N, M]
    reached = np.where(dense.inside[:, None], overlaps(dense.anchors, boxes), 0.0)  # [N, M]
    scene = _Scene(np.asarray(labels), dense, rules, pairs, decoded, reached)
    return [scene.reason_of(int(row)) for row in missed]


@dataclass(frozen=True)
class _Scene:
    labels: np.ndarray
    dense: Dense
    rules: Rules
    pairs: Pairs
    decoded: np.ndarray
    reached: np.ndarray

    def reason_of(self, row):
        """Return the `Miss` of the object `row`."""
        ious, label = self.decoded[:, row], self.labels[row]
        fits = ious >= self.rules.iou_threshold
        known = fits.any() and label >= 0
        facts = {
            "anchor_iou": float(self.reached[:, row].max(initial=0.0)),
            "score": float(self.dense.scores[fits, label].max()) if known else None,
            "iou": float(ious.max(initial=0.0)),
        }
        steps = (self._seen, self._unreached, self._loose, self._confused)
        found = next((found for step in steps if (found := step(row, fits))), {"reason": "score"})
        return Miss(**{**facts, **found})

    def _seen(self, row, fits):
        """Return what became of the pairs of its class that fit."""
        pairs = self.pairs
        own = np.flatnonzero((pairs.labels == self.labels[row]) & fits[pairs.anchors])
        if not len(own):
            return None
        if (kept := own[pairs.fates[own] == KEPT]).size:
            return {"reason": "shared", **self._other(kept[0], row)}
        first = own[0]
        reasons = {NO_CANDIDATE: "candidates", OVER_LIMIT: "detections"}
        if pairs.fates[first] != SUPPRESSED:
            return {"reason": reasons[int(pairs.fates[first])]}
        other = self._other(pairs.rivals[first], row)
        ends = self.dense.boxes[pairs.anchors[[first, pairs.rivals[first]]]]
        between = overlaps(*np.split(_in_order(ends), 2))[0, 0]
        return {"reason": "suppressed", **other, "other_iou": float(between)}

    def _unreached(self, row, fits):
        """Return whether training had no anchor for it."""
        enough = self.reached[:, row] >= POSITIVE_OVERLAP
        if not enough.any():
            return {"reason": "no anchor"}
        best = self.reached[enough].argmax(axis=1)  # the first of equals, as in training
        return None if (best == row).any() else {"reason": "anchors shared"}

    def _loose(self, row, fits):
        """Return the closest pair of its class that overlaps it too little, and no other more."""
        pairs, same = self.pairs, np.flatnonzero(self.labels == self.labels[row])
        own = np.flatnonzero(pairs.labels == self.labels[row])
        ious = self.decoded[pairs.anchors[own]]
        nearest = ious[:, row] >= ious[:, same].max(axis=1, initial=0.0)
        own = own[nearest & (ious[:, row] >= BACKGROUND)]
        if not len(own):
            return None
        closest = own[np.argmax(self.decoded[pairs.anchors[own], row])]
        score = float(pairs.scores[closest])
        overlap = float(self.decoded[pairs.anchors[closest], row])
        return {"reason": "localisation", "score": score, "iou": overlap}

    def _confused(self, row, fits):
        """Return the best pair of another class that fits it, and no object of that class more."""
        pairs = self.pairs
        for place in np.flatnonzero((pairs.labels != self.labels[row]) & fits[pairs.anchors]):
            ious = self.decoded[pairs.anchors[place]]
            rivals = ious[self.labels == pairs.labels[place]]
            if ious[row] > rivals.max(initial=0.0):
                return {"reason": "class", **self._other(place, row)}
        return None

    def _other(self, place, row):
        """Return the facts of the pair `place`."""
        anchor = self.pairs.anchors[place]
        return {
            "other_label": int(self.pairs.labels[place]),
            "other_score": float(self.pairs.scores[place]),
            "other_box": self.dense.boxes[anchor].tolist(),
            "other_iou": float(self.decoded[anchor, row]),
        }
