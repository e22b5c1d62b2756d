"""From class scores to detections: which pairs count, and which of them stay.

A candidate is an (anchor, class) pair whose score is above the threshold. Candidates are ordered
by falling score, equal ones by anchor, then class. Results are padded with -1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_retinanet.layers.suppression import suppress
from keras_retinanet.utils.gpu import on_gpu

# JAX needs a fixed number of candidates; 10,000 pairs above the threshold are no real picture.
FIXED_CANDIDATES = 10_000
# Tried first. Where they fill every slot of the result, no worse candidate can change it: 50,000
# candidates then cost 3 ms more than none at all, instead of 26 (800 x 1344, 80 classes).
FIRST_CANDIDATES = 2_048


@dataclass(frozen=True)
class Rule:
    """What becomes of scores.

    Attributes:
        threshold: scores must be above it; on the scale of the scores.
        class_specific_filter: suppress within each class, so that a box may stay under several
            labels; False: each box under its best class only, all boxes suppressing each other.
        nms: whether to suppress at all.
        max_detections: D.
        nms_threshold: IoU above which the worse box goes.
        candidates: how many pairs reach suppression; None for all (10,000 on JAX).
        level_candidates: how many of each level of anchors; None for all.
        nms_within: "class", or "all" for a box to suppress those of other classes, too.
    """

    threshold: float
    class_specific_filter: bool
    nms: bool
    max_detections: int
    nms_threshold: float
    candidates: int | None
    level_candidates: int | None = None
    nms_within: str = "class"


@dataclass(frozen=True)
class Scores:
    """The scores of one image, without copying them out of their batch.

    Attributes:
        best: [N], the highest of each anchor.
        take: f(anchors int32 [n]) -> their scores [n, K].
        classes: K, static.
    """

    best: Any
    take: Callable
    classes: int

    def rows(self, anchors, rule):
        """Return scores [n, K]; only those of each anchor's best class count, if so ruled."""
        scores = self.take(anchors)
        if rule.class_specific_filter:
            return scores
        best = ops.argmax(scores, axis=1)
        classes = ops.arange(self.classes, dtype=best.dtype)
        return ops.where(classes[None] == best[:, None], scores, -float("inf"))


def _best_first(values, limit):
    """Return the places int32 of the `limit` largest values, equal ones in their order."""
    if limit is not None and keras.backend.backend() == "tensorflow":
        return ops.top_k(values, ops.minimum(limit, ops.shape(values)[0]))[1]
    return ops.cast(ops.argsort(-values)[:limit], "int32")


def _fixed_pairs(scores, rule, limit):
    """Return at most `limit` best pairs, padded; shapes are static."""
    # pairs of the best n lie in n best anchors, whose order decides between equal ones
    anchors = ops.sort(ops.top_k(scores.best, min(scores.best.shape[0], limit))[1])
    flat = ops.reshape(scores.rows(anchors, rule), (-1,))
    values, index = ops.top_k(flat, min(flat.shape[0], limit))
    anchor = ops.take(anchors, index // scores.classes)
    valid = values > rule.threshold
    # sorted: where the last is no candidate, there are no more
    return anchor, index % scores.classes, values, valid, ops.logical_not(valid[-1])


def _found_pairs(scores, rule, limit):
    """Return the best pairs, as many as there are; at least one row, which is no candidate."""
    anchors = ops.cast(ops.nonzero(scores.best > rule.threshold)[0], "int32")
    number = ops.shape(anchors)[0]
    if limit is not None:
        chosen = _best_first(ops.take(scores.best, anchors), limit)
        anchors = ops.take(anchors, ops.sort(chosen))
    flat = ops.reshape(scores.rows(anchors, rule), (-1,))
    index = ops.cast(ops.nonzero(flat > rule.threshold)[0], "int32")
    values = ops.take(flat, index)
    order = _best_first(values, limit)
    values, index = ops.take(values, order), ops.take(index, order)
    anchor = ops.take(anchors, index // scores.classes)
    one = ops.zeros((1,), dtype="int32")
    found = (
        ops.concatenate([anchor, one]),
        ops.concatenate([index % scores.classes, one]),
        ops.concatenate([values, ops.full((1,), rule.threshold, dtype=values.dtype)]),
        ops.concatenate([ops.ones_like(anchor), one]) > 0,
    )
    fewer = limit is None or ops.logical_and(number < limit, ops.shape(order)[0] < limit)
    return *found, fewer


def _keep_best(boxes, scores, labels, valid, classes, rule):
    """Return the indices int32 [D] of the detections among sorted candidates, padded with -1."""
    limit = rule.max_detections
    if rule.nms:
        apart = rule.class_specific_filter and rule.nms_within == "class"
        labels = labels if apart else ops.zeros_like(labels)
        return suppress(boxes, scores, labels, valid, limit, rule.nms_threshold, classes)
    number = ops.sum(ops.cast(valid, "int32"))
    slots = ops.arange(limit, dtype="int32")
    return ops.where(slots < number, slots, -1)


def gather_padded(values, index):
    """Return values[index], with -1 wherever `index` is -1."""
    found = ops.take(values, ops.maximum(index, 0), axis=0)
    present = ops.reshape(index >= 0, (-1,) + (1,) * (len(values.shape) - 1))
    return ops.where(present, found, ops.cast(-1, values.dtype))


def best_detections(scores, decode, rule):
    """Return the detections of one image.

    Args:
        scores: `Scores`, of any monotone scale.
        decode: f(anchor int32 [M], score [M]) -> boxes [M, 4], scores [M] in 0 .. 1.
        rule: `Rule`.

    Returns:
        [boxes [D, 4], scores [D], labels int32 [D], anchors int32 [D]], best first, padded -1.
    """

    limit = rule.candidates
    if keras.backend.backend() == "jax":
        return _among(scores, decode, rule, limit or FIXED_CANDIDATES)[:4]
    if limit is not None and limit <= FIRST_CANDIDATES:
        return _among(scores, decode, rule, limit)[:4]
    *found, settled = _among(scores, decode, rule, FIRST_CANDIDATES)
    return ops.cond(settled, lambda: found, lambda: _among(scores, decode, rule, limit)[:4])


def _among(scores, decode, rule, limit):
    """As `best_detections` among the best `limit` pairs, and whether all others change nothing."""
    select = _fixed_pairs if keras.backend.backend() == "jax" else _found_pairs
    anchor, label, score, valid, all_of_them = select(scores, rule, limit)
    anchor, label = ops.cast(anchor, "int32"), ops.cast(label, "int32")
    boxes, score = decode(anchor, score)
    kept = _keep_best(boxes, score, label, valid, scores.classes, rule)
    settled = ops.logical_or(all_of_them, kept[-1] >= 0)
    return [*(gather_padded(values, kept) for values in (boxes, score, label, anchor)), settled]


def _part(scores, start, count):
    """Return the `Scores` of `count` anchors from `start` on."""
    return Scores(
        scores.best[start : start + count],
        lambda anchors: scores.take(anchors + start),
        scores.classes,
    )


def best_detections_by_level(scores, decode, rule, counts):
    """As `best_detections`, the best pairs chosen level by level, as Lin et al. 2017 do.

    Args:
        scores, decode, rule: as there.
        counts: number of anchors of each level.
    """
    select = _fixed_pairs if keras.backend.backend() == "jax" else _found_pairs
    start, parts = 0, []
    for count in counts:
        pairs = select(_part(scores, start, count), rule, rule.level_candidates)
        anchor, label, score, valid, _ = pairs
        parts.append((ops.cast(anchor, "int32") + start, ops.cast(label, "int32"), score, valid))
        start = start + count
    pairs = [ops.concatenate(values) for values in zip(*parts, strict=True)]
    order = _best_first(ops.where(pairs[3], pairs[2], -float("inf")), rule.candidates)
    anchor, label, score, valid = (ops.take(values, order) for values in pairs)
    boxes, score = decode(anchor, score)
    kept = _keep_best(boxes, score, label, valid, scores.classes, rule)
    return [gather_padded(values, kept) for values in (boxes, score, label, anchor)]


def detect_in_batch(scores, decode, others, rule, counts=None):
    """Return [boxes [B, D, 4], scores [B, D], labels [B, D], *others [B, D, ...]].

    Args:
        scores: [B, N, K]; K is static.
        decode: as in `best_detections`, of places in the batch: image * N + anchor.
        others: tensors [B, N, ...] to select alike.
        rule: `Rule`.
        counts: number of anchors of each level, to choose level by level; None for all at once.
    """
    find = best_detections if counts is None else partial(best_detections_by_level, counts=counts)
    classes = scores.shape[-1]
    flat = ops.reshape(scores, (-1, classes))

    def per_image(image, find=find):
        start, best, *own = image
        boxes, score, label, anchor, *settled = find(
            Scores(best, lambda anchors: ops.take(flat, anchors + start, axis=0), classes),
            lambda anchor, score: decode(anchor + start, score),
            rule,
        )
        return [boxes, score, label, *(gather_padded(values, anchor) for values in own), *settled]

    images, anchors = ops.shape(scores)[:2]
    starts = ops.arange(images, dtype="int32") * anchors
    inputs = [starts, ops.max(scores, axis=-1), *others]
    if keras.backend.backend() == "jax" and on_gpu():
        return _side_by_side(per_image, inputs, rule, counts is not None)
    return ops.map(per_image, inputs)


def _side_by_side(per_image, inputs, rule, few):
    """Return `ops.map(per_image, inputs)`, the images at once where few candidates decide.

    A GPU spends as long on a step of a loop for one image as for a batch.

    Args:
        per_image: of `detect_in_batch`.
        inputs: tensors [B, ...].
        rule: `Rule`.
        few: the rule itself leaves few candidates.
    """
    if few or (rule.candidates or FIXED_CANDIDATES) <= FIRST_CANDIDATES:
        return ops.vectorized_map(per_image, inputs)
    first = partial(_among, limit=FIRST_CANDIDATES)
    *found, settled = ops.vectorized_map(lambda image: per_image(image, first), inputs)
    return ops.cond(ops.all(settled), lambda: found, lambda: ops.map(per_image, inputs))
