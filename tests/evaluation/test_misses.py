"""Why an object was missed: a case worked out by hand for each reason, and a slow reference."""

from dataclasses import replace

import numpy as np
import pytest

from keras_retinanet.evaluation.misses import (
    KEPT,
    NO_CANDIDATE,
    OVER_LIMIT,
    REASONS,
    SUPPRESSED,
    Dense,
    Rules,
    follow,
    trace,
)
from keras_retinanet.utils.boxes import overlaps

OBJECT = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)
RULES = Rules(score_threshold=0.3)


def dense_of(*rows, anchors=None):
    """Return the `Dense` of rows (box, scores of two classes); anchors lie on the boxes."""
    boxes = np.array([box for box, _ in rows], np.float32)
    scores = np.array([score for _, score in rows], np.float32)
    anchors = boxes if anchors is None else np.array(anchors, np.float32)
    return Dense(anchors, boxes, scores, np.ones(len(boxes), bool), (len(boxes),))


# (0, 0, 10, 8) has IoU 0.8 with the object, (0, 0, 10, 6) 0.6, (0, 0, 10, 4) 0.4
CASES = {
    # the object's own pair is as good, but the kept one counts for the other object
    "shared": (
        dense_of(((0, 0, 10, 6), (0.9, 0))),
        [OBJECT, (0, 0, 10, 7)],
        RULES,
        {"score": 0.9, "iou": 0.6, "other_score": 0.9, "other_iou": 0.6},
    ),
    # (0, 4, 10, 14) has IoU 6/14 with the object, 0.75 with (0, 2, 10, 14), whose 8/14 fits
    "suppressed": (
        dense_of(((0, 4, 10, 14), (0.9, 0)), ((0, 2, 10, 14), (0.6, 0))),
        [OBJECT],
        RULES,
        {"score": 0.6, "iou": 8 / 14, "other_score": 0.9, "other_iou": 10 / 12},
    ),
    "candidates": (
        dense_of((FAR, (0.9, 0)), (OBJECT, (0.6, 0))),
        [OBJECT],
        replace(RULES, candidates=1),
        {"score": 0.6, "iou": 1.0},
    ),
    "detections": (
        dense_of((FAR, (0, 0.9)), (OBJECT, (0.6, 0))),
        [OBJECT],
        replace(RULES, max_detections=1),
        {"score": 0.6, "iou": 1.0},
    ),
    "no anchor": (
        dense_of(((0, 0, 10, 8), (0.2, 0.9)), anchors=[(0, 0, 10, 4)]),
        [OBJECT],
        RULES,
        {"anchor_iou": 0.4, "score": 0.2, "iou": 0.8},
    ),
    "anchors shared": (
        dense_of(((0, 0, 10, 6), (0.2, 0))),
        [OBJECT, (0, 0, 10, 7)],
        RULES,
        {"anchor_iou": 0.6, "score": 0.2, "iou": 0.6},
    ),
    "localisation": (
        dense_of((OBJECT, (0.1, 0.1)), ((0, 0, 10, 4), (0.7, 0)), ((0, 0, 10, 3), (0.9, 0))),
        [OBJECT],
        RULES,
        {"anchor_iou": 1.0, "score": 0.7, "iou": 0.4},
    ),
    "class": (
        dense_of(((0, 0, 10, 8), (0.4, 0.7)), anchors=[OBJECT]),
        [OBJECT],
        replace(RULES, score_threshold=0.5),
        {"score": 0.4, "iou": 0.8, "other_label": 1, "other_score": 0.7, "other_iou": 0.8},
    ),
    "score": (
        dense_of(((0, 0, 10, 8), (0.25, 0)), ((0, 0, 10, 6), (0.29, 0)), anchors=[OBJECT, FAR]),
        [OBJECT],
        RULES,
        {"anchor_iou": 1.0, "score": 0.29, "iou": 0.8},
    ),
}


@pytest.mark.parametrize("reason", CASES)
def test_reason_by_hand(reason):
    dense, objects, rules, facts = CASES[reason]
    (miss,) = trace(np.array(objects, float), np.zeros(len(objects), int), [0], dense, rules)
    found = miss.to_dict()
    assert found["reason"] == reason
    assert {key: found[key] for key in facts} == pytest.approx(facts)


def test_every_reason_has_its_case():
    assert set(CASES) == set(REASONS)


@pytest.mark.parametrize(
    ("row", "objects", "labels", "reason"),
    [
        # the loose box is another object's
        (((0, 0, 10, 4), (0.9, 0)), [OBJECT, (0, 0, 10, 4)], [0, 0], "score"),
        # the box of the other class is right for an object of that class
        (((0, 0, 10, 8), (0.1, 0.9)), [OBJECT, (0, 0, 10, 8)], [0, 1], "score"),
    ],
    ids=["loose", "class"],
)
def test_what_is_right_for_another_object_is_no_reason(row, objects, labels, reason):
    dense = dense_of(row, (OBJECT, (0.2, 0)))
    (miss,) = trace(np.array(objects, float), np.array(labels), [0], dense, RULES)
    assert miss.reason == reason


def test_no_anchors_and_unknown_classes_are_told_without_a_score():
    nothing = Dense(*np.zeros((2, 0, 4)), np.zeros((0, 2)), np.zeros(0, bool), (0,))
    (miss,) = trace(np.array([OBJECT], float), np.array([0]), [0], nothing, RULES)
    assert miss.to_dict() == {"reason": "no anchor", "anchor_iou": 0.0, "iou": 0.0}
    (miss,) = trace(np.array([OBJECT]), np.array([-1]), [0], dense_of((OBJECT, (0.1, 0))), RULES)
    assert (miss.reason, miss.score) == ("score", None)


def test_anchors_outside_the_picture_reach_nothing():
    dense = replace(dense_of((OBJECT, (0.2, 0))), inside=np.zeros(1, bool))
    (miss,) = trace(np.array([OBJECT], float), np.array([0]), [0], dense, RULES)
    assert (miss.reason, miss.anchor_iou) == ("no anchor", 0.0)


def slow_fates(dense, rules):
    """Return {(anchor, class): fate} by plain loops, one pair and one detection after another."""
    pairs = []
    for anchor, scores in enumerate(dense.scores):
        best = max(range(len(scores)), key=lambda label: scores[label])
        for label, score in enumerate(scores):
            if score > rules.score_threshold and (rules.class_specific_filter or label == best):
                pairs.append((-score, anchor, label))
    fates, kept, in_level, reached = {}, [], [0] * len(dense.counts), 0
    ends = np.cumsum(dense.counts)
    apart = rules.class_specific_filter and rules.nms_within == "class"
    for _, anchor, label in sorted(pairs):
        level = next(place for place, end in enumerate(ends) if anchor < end)
        in_level[level] += 1
        left_out = rules.level_candidates and in_level[level] > rules.level_candidates
        if left_out or (rules.candidates and reached >= rules.candidates):
            fates[anchor, label] = NO_CANDIDATE
            continue
        reached += 1
        ious = [
            overlaps(dense.boxes[[anchor]], dense.boxes[[other]])[0, 0]
            for other, of in kept
            if of == label or not apart
        ]
        if rules.nms and any(overlap > rules.nms_threshold for overlap in ious):
            fates[anchor, label] = SUPPRESSED
        elif len(kept) == rules.max_detections:
            fates[anchor, label] = OVER_LIMIT
        else:
            kept.append((anchor, label))
            fates[anchor, label] = KEPT
    return fates


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nms": False},
        {"class_specific_filter": False},
        {"nms_within": "all", "nms_threshold": 0.3},
        {"candidates": 20},
        {"level_candidates": 8, "candidates": 14},
        {"max_detections": 5},
    ],
    ids=str,
)
def test_fates_are_those_of_a_slow_loop(changes):
    rng = np.random.default_rng(3)
    for _ in range(5):
        corners = rng.uniform(0, 40, (40, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(5, 30, (40, 2))], axis=1)
        dense = Dense(boxes, boxes, rng.random((40, 2)), np.ones(40, bool), (30, 10))
        rules = replace(RULES, **changes)
        pairs = follow(dense, rules)
        found = dict(zip(zip(pairs.anchors, pairs.labels, strict=True), pairs.fates, strict=True))
        assert found == slow_fates(dense, rules)
