"""Soft targets, quality focal loss and class weights against loops and finite differences."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet import losses
from tests import reference
from tests import reference_objective as truths
from tests.backends import array, gradient

pytestmark = pytest.mark.numerics

LOGITS = np.array([-30, -5, -1, -0.1, 0, 0.1, 1, 5, 30], np.float32)
TARGETS = (0.0, 0.05, 0.3, 0.5, 0.95, 1.0)
SOFT_TERMS = {
    "focal": losses.soft_focal_of,
    "cross-entropy": losses.soft_cross_entropy_of,
    "balanced-cross-entropy": losses.soft_balanced_cross_entropy_of,
    "focal-star": losses.soft_focal_star_of,
    "quality-focal": losses.quality_focal_of,
}
HARD_TERMS = {
    "focal": reference.focal,
    "cross-entropy": reference.cross_entropy,
    "balanced-cross-entropy": reference.balanced_cross_entropy,
    "focal-star": reference.focal_star,
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SOFT_TERMS)
def test_soft_terms_and_their_gradients_equal_their_formulas(name, target):
    expected = [truths.SOFT[name](float(x), target) for x in LOGITS]
    found = array(SOFT_TERMS[name](ops.convert_to_tensor(LOGITS), target))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-6)
    slopes = gradient(lambda x: ops.sum(SOFT_TERMS[name](x, target)), LOGITS)
    wanted = [truths.slopes(lambda x: truths.SOFT[name](float(x), target), x) for x in LOGITS]
    np.testing.assert_allclose(slopes, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", HARD_TERMS)
@pytest.mark.parametrize("positive", [True, False])
def test_a_soft_term_at_0_or_1_is_the_hard_one(name, positive):
    soft = array(SOFT_TERMS[name](ops.convert_to_tensor(LOGITS), float(positive)))
    hard = [HARD_TERMS[name](float(x), 1 if positive else -1) for x in LOGITS]
    np.testing.assert_allclose(soft, hard, rtol=1e-4, atol=3e-6)


@pytest.mark.parametrize("name", [name for name in SOFT_TERMS if name != "focal-star"])
def test_a_soft_term_is_least_where_the_score_is_the_target(name):
    logits = np.log(0.3 / 0.7) + np.linspace(-2, 2, 9, dtype=np.float32)
    found = array(SOFT_TERMS[name](ops.convert_to_tensor(logits), 0.3))
    assert found.argmin() == 4


def test_quality_focal_by_hand():
    """A score of 0.5 where the IoU is 0.5 costs nothing; of 0.5 for background, ln 2 / 4."""
    zero = ops.convert_to_tensor(np.zeros(1, np.float32))
    assert array(losses.quality_focal_of(zero, 0.5)) == 0
    assert array(losses.quality_focal_of(zero, 0.0)) == pytest.approx(np.log(2) / 4)


@pytest.mark.parametrize("name", SOFT_TERMS)
@pytest.mark.parametrize("target", [0.0, 0.4, 1.0])
def test_gradients_are_finite_to_100_and_where_the_target_is_met(name, target):
    met = np.log(0.4 / 0.6)
    logits = np.array([-100, -88, met, 0, 88, 100], np.float32)
    slopes = gradient(lambda x: ops.sum(SOFT_TERMS[name](x, target)), logits)
    assert np.isfinite(slopes).all()


# Losses of a batch.


def batch(seed=0, images=2, anchors=30, classes=3):
    """Return logits, labels, state and the quality of each anchor's box."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (images, anchors, classes)).astype(np.float32)
    labels = rng.integers(-2, classes, (images, anchors)).astype(np.int32)
    state = rng.choice([-1, 0, 0, 1], (images, anchors)).astype(np.int32)
    labels[state == 1] = rng.integers(0, classes, int((state == 1).sum()))
    quality = rng.uniform(0, 1, (images, anchors)).astype(np.float32)
    quality[0, ::5] = 0
    return logits, labels, state, quality


def loss_of(name, logits, labels, state, **options):
    tensors = map(ops.convert_to_tensor, (labels, state))
    row = losses.CLASSIFICATION_LOSSES[name]
    return row.function(ops.convert_to_tensor(logits), *tensors, **options)


def hard_or_soft(name):
    """Return the reference's term of (logit, target) for targets of 0 and 1."""
    if name == "quality-focal":
        return truths.quality_focal
    return lambda x, y: HARD_TERMS[name](x, 1 if y else -1)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", HARD_TERMS)
def test_label_smoothing_moves_the_targets_of_object_anchors_only(name, classes):
    logits, labels, state, _ = batch(classes=classes)
    slow = partial(truths.soft_anchor_loss, truths.SOFT[name], smoothing=0.1)
    expected = slow(logits, labels, state)
    found = loss_of(name, logits, labels, state, label_smoothing=0.1)
    assert float(array(found)) == pytest.approx(expected, rel=1e-5)
    slopes = gradient(lambda x: loss_of(name, x, labels, state, label_smoothing=0.1), logits)
    wanted = truths.slopes(lambda x: slow(x, labels, state), logits)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-3, atol=1e-6)


def test_quality_focal_aims_at_the_iou_of_object_anchors():
    logits, labels, state, quality = batch()
    expected = truths.soft_anchor_loss(truths.quality_focal, logits, labels, state, quality)
    tensor = ops.convert_to_tensor(quality)
    found = loss_of("quality-focal", logits, labels, state, quality=tensor)
    assert float(array(found)) == pytest.approx(expected, rel=1e-5)
    slopes = gradient(lambda x: loss_of("quality-focal", x, labels, state, quality=tensor), logits)
    wanted = truths.slopes(
        lambda x: truths.soft_anchor_loss(truths.quality_focal, x, labels, state, quality), logits
    )
    np.testing.assert_allclose(slopes, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", [*HARD_TERMS, "quality-focal"])
def test_class_weights_weigh_all_terms_of_a_class_s_object_anchors(name):
    logits, labels, state, _ = batch()
    weights = (0.5, 2.0, 7.0)
    slow = partial(truths.soft_anchor_loss, hard_or_soft(name), class_weights=weights)
    expected = slow(logits, labels, state)
    found = loss_of(name, logits, labels, state, class_weights=weights)
    assert float(array(found)) == pytest.approx(expected, rel=1e-5)
    slopes = gradient(lambda x: loss_of(name, x, labels, state, class_weights=weights), logits)
    wanted = truths.slopes(lambda x: slow(x, labels, state), logits)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", losses.CLASSIFICATION_LOSSES)
def test_weights_of_1_and_no_smoothing_change_nothing(name):
    logits, labels, state, _ = batch()
    plain = array(loss_of(name, logits, labels, state))
    same = loss_of(name, logits, labels, state, class_weights=(1, 1, 1), label_smoothing=0.0)
    assert array(same) == pytest.approx(plain, rel=1e-6)


def test_mining_with_soft_targets_keeps_the_same_anchors():
    logits, labels, state, _ = batch()
    hard = np.array(
        [[sum(reference.cross_entropy(float(x), -1) for x in a) for a in i] for i in logits]
    )
    kept = [reference.mined(*pair) for pair in zip(hard, state, strict=True)]
    seen = state.copy()
    for image, chosen in enumerate(kept):
        for anchor in range(state.shape[1]):
            if state[image, anchor] == 0 and anchor not in chosen:
                seen[image, anchor] = -1
    expected = truths.soft_anchor_loss(
        truths.soft_cross_entropy, logits, labels, seen, smoothing=0.2, class_weights=(1, 2, 3)
    )
    found = loss_of("ohem", logits, labels, state, label_smoothing=0.2, class_weights=(1, 2, 3))
    assert float(array(found)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"label_smoothing": 0.1}, {"class_weights": (1.0, 2.0, 0.0)}], ids=str
)
@pytest.mark.parametrize("name", losses.CLASSIFICATION_LOSSES)
def test_gradients_are_finite_at_100_and_0_where_ignored(name, options):
    logits, labels, state, quality = batch()
    logits[:, ::2], logits[:, 1::2] = 100, -100
    options = options | {"quality": ops.convert_to_tensor(quality)}
    slopes = gradient(lambda x: loss_of(name, x, labels, state, **options), logits)
    assert np.isfinite(slopes).all()
    assert (slopes[state == -1] == 0).all()
    assert np.abs(slopes).max() > 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", losses.CLASSIFICATION_LOSSES)
def test_soft_losses_of_low_precision_logits_are_computed_in_float32(name, dtype):
    logits, labels, state, quality = batch()
    options = {"quality": ops.convert_to_tensor(quality), "class_weights": (1, 2, 3)}
    low = ops.cast(ops.convert_to_tensor(logits), dtype)
    found = loss_of(name, low, labels, state, **options)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    exact = loss_of(name, array(ops.cast(low, "float32")), labels, state, **options)
    assert array(found) == pytest.approx(array(exact), rel=1e-6)


@pytest.mark.parametrize("name", losses.CLASSIFICATION_LOSSES)
def test_a_batch_without_objects_needs_neither_quality_nor_weights(name):
    logits, labels, state, quality = batch()
    state = np.minimum(state, 0)
    plain = array(loss_of(name, logits, labels, state))
    other = loss_of(
        name,
        logits,
        labels,
        state,
        quality=ops.convert_to_tensor(quality),
        class_weights=(3, 3, 3),
        label_smoothing=0.2 if name != "quality-focal" else 0.0,
    )
    assert array(other) == pytest.approx(plain, rel=1e-5)
