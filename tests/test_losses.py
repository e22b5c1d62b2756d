"""The losses against loops in float64, their gradients against the paper's closed forms."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet import losses
from tests import reference
from tests.backends import array, gradient

pytestmark = pytest.mark.numerics

LOGITS = np.array([-100, -50, -20, -5, -1, -0.1, 0, 0.1, 1, 5, 20, 50, 100], np.float32)
GAMMAS = (0.0, 0.5, 2.0, 5.0)

# Each row: our elementwise loss, its value in loops, its slope in closed form.
ELEMENTWISE = {
    "cross entropy": (
        losses.cross_entropy_of,
        reference.cross_entropy,
        reference.cross_entropy_slope,
    ),
    "balanced cross entropy": (
        losses.balanced_cross_entropy_of,
        reference.balanced_cross_entropy,
        lambda x, y: reference.alpha_t(y, 0.25) * reference.cross_entropy_slope(x, y),
    ),
    "balanced the other way": (
        partial(losses.balanced_cross_entropy_of, alpha=0.75),
        partial(reference.balanced_cross_entropy, alpha=0.75),
        lambda x, y: reference.alpha_t(y, 0.75) * reference.cross_entropy_slope(x, y),
    ),
    "focal star": (losses.focal_star_of, reference.focal_star, reference.focal_star_slope),
    "focal star, gamma 4, beta 0": (
        partial(losses.focal_star_of, gamma=4.0, beta=0.0),
        partial(reference.focal_star, gamma=4.0, beta=0.0),
        partial(reference.focal_star_slope, gamma=4.0, beta=0.0),
    ),
    **{
        f"focal, gamma {gamma}": (
            partial(losses.focal_of, gamma=gamma),
            partial(reference.focal, gamma=gamma),
            partial(reference.focal_slope, gamma=gamma),
        )
        for gamma in GAMMAS
    },
}


@pytest.mark.parametrize("positive", [True, False], ids=["object", "background"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_losses_equal_their_formulas(name, positive):
    ours, truth, _ = ELEMENTWISE[name]
    expected = [truth(float(x), 1 if positive else -1) for x in LOGITS]
    found = array(ours(ops.convert_to_tensor(LOGITS), positive))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-37)


@pytest.mark.parametrize("positive", [True, False], ids=["object", "background"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradients_equal_their_closed_forms_and_are_finite_to_100(name, positive):
    ours, _, slope = ELEMENTWISE[name]
    expected = [slope(float(x), 1 if positive else -1) for x in LOGITS]
    found = gradient(lambda x: ops.sum(ours(x, positive)), LOGITS)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-37)


def test_focal_with_gamma_0_is_balanced_cross_entropy():
    for positive in (True, False):
        np.testing.assert_allclose(
            array(losses.focal_of(ops.convert_to_tensor(LOGITS), positive, gamma=0.0)),
            array(losses.balanced_cross_entropy_of(ops.convert_to_tensor(LOGITS), positive)),
            rtol=1e-6,
        )


def test_focal_divides_the_loss_of_an_easy_example_as_the_paper_says():
    """Section 3.2: at p_t = 0.9 and gamma 2 the loss is 100 times lower than cross entropy."""
    x = ops.convert_to_tensor(np.log(np.array([9.0], np.float32)))  # p = 0.9
    balanced = losses.balanced_cross_entropy_of(x, True)
    assert array(balanced / losses.focal_of(x, True)) == pytest.approx(100, rel=1e-4)


def random_batch(seed=0, images=2, anchors=40, classes=3, scale=4.0):
    """Return logits, labels, state of a batch; some states of each kind in every image."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (images, anchors, classes)).astype(np.float32)
    labels = rng.integers(-1, classes, (images, anchors)).astype(np.int32)
    state = rng.choice([-1, 0, 0, 0, 1], (images, anchors)).astype(np.int32)
    labels[state == 1] = rng.integers(0, classes, int((state == 1).sum()))
    return logits, labels, state


def loss_named(name, logits, labels, state):
    return array(
        losses.CLASSIFICATION_LOSSES[name].function(
            ops.convert_to_tensor(logits),
            ops.convert_to_tensor(labels),
            ops.convert_to_tensor(state),
        )
    )


ANCHOR_LOSSES = {
    "focal": reference.focal,
    "cross-entropy": reference.cross_entropy,
    "balanced-cross-entropy": reference.balanced_cross_entropy,
    "focal-star": reference.focal_star,
}


@pytest.mark.parametrize("name", ANCHOR_LOSSES)
def test_the_loss_of_a_batch_is_the_sum_over_anchors_and_classes_over_its_objects(name):
    logits, labels, state = random_batch()
    expected = reference.anchor_loss(ANCHOR_LOSSES[name], logits, labels, state)
    assert loss_named(name, logits, labels, state) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ANCHOR_LOSSES)
def test_without_objects_the_sum_is_divided_by_1(name):
    logits, labels, state = random_batch()
    state = np.minimum(state, 0)
    expected = reference.anchor_loss(ANCHOR_LOSSES[name], logits, labels, state)
    assert loss_named(name, logits, labels, state) == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_ignored_anchors_costs_nothing():
    logits, labels, state = random_batch()
    for name in losses.CLASSIFICATION_LOSSES:
        assert loss_named(name, logits, labels, np.full_like(state, -1)) == 0


def test_the_training_form_equals_the_dense_closure():
    # a float32 probability near 1 holds its logit only roughly, hence the smaller logits
    logits, labels, state = random_batch(seed=1, scale=2.0)
    targets = np.zeros((*logits.shape[:2], logits.shape[2] + 1), np.float32)
    for place in zip(*np.nonzero(state == 1), strict=True):
        targets[(*place, labels[place])] = 1
    targets[..., -1] = state
    dense = losses.focal()(
        ops.convert_to_tensor(targets), ops.sigmoid(ops.convert_to_tensor(logits))
    )
    assert loss_named("focal", logits, labels, state) == pytest.approx(
        float(array(dense)), rel=1e-5
    )


@pytest.mark.parametrize("name", losses.CLASSIFICATION_LOSSES)
def test_gradients_of_every_batch_loss_are_finite_at_100_and_0_where_ignored(name):
    logits, labels, state = random_batch()
    logits[:, ::2], logits[:, 1::2] = 100, -100

    def loss(x):
        function = losses.CLASSIFICATION_LOSSES[name].function
        return function(x, ops.convert_to_tensor(labels), ops.convert_to_tensor(state))

    slopes = gradient(loss, logits)
    assert np.isfinite(slopes).all()
    assert (slopes[state == -1] == 0).all()
    assert np.abs(slopes).max() > 0


def test_the_focal_gradient_of_a_batch_equals_the_closed_form():
    logits, labels, state = random_batch(seed=2)
    function = losses.CLASSIFICATION_LOSSES["focal"].function
    tensors = ops.convert_to_tensor(labels), ops.convert_to_tensor(state)
    expected = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        if state[index[:2]] != -1:
            is_true = state[index[:2]] == 1 and labels[index[:2]] == index[2]
            expected[index] = reference.focal_slope(float(logits[index]), 1 if is_true else -1)
    expected /= max(1, (state == 1).sum())
    found = gradient(lambda x: function(x, *tensors), logits)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", losses.CLASSIFICATION_LOSSES)
def test_losses_of_low_precision_logits_are_computed_in_float32(name, dtype):
    logits, labels, state = random_batch()
    low = ops.cast(ops.convert_to_tensor(logits), dtype)
    rounded = array(ops.cast(low, "float32"))
    function = losses.CLASSIFICATION_LOSSES[name].function
    found = function(low, ops.convert_to_tensor(labels), ops.convert_to_tensor(state))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert array(found) == pytest.approx(loss_named(name, rounded, labels, state), rel=1e-6)


# Online hard example mining.


def kept(hardness, state, **options):
    mask = losses.hardest_background(
        ops.convert_to_tensor(np.asarray(hardness, np.float32)),
        ops.convert_to_tensor(np.asarray(state, np.int32)),
        **options,
    )
    return [set(np.flatnonzero(row).tolist()) for row in array(mask)]


def test_mining_keeps_three_background_anchors_for_each_object():
    state = [[1, 0, 0, 0, 0, -1, 0], [0, 0, 1, 1, 0, 0, 0]]
    hardness = [[9, 1, 5, 2, 4, 9, 3], [1, 2, 9, 9, 3, 4, 5]]
    assert kept(hardness, state) == [{2, 4, 6}, {0, 1, 4, 5, 6}]


def test_mining_keeps_100_where_an_image_has_no_object():
    hardness = np.arange(150)[None]
    assert kept(hardness, np.zeros((1, 150))) == [set(range(50, 150))]


def test_mining_keeps_all_where_there_are_fewer_than_wanted():
    assert kept([[3, 2, 1, 5]], [[0, 0, -1, 0]]) == [{0, 1, 3}]
    assert kept([[3, 2, 1, 5]], [[1, 0, 1, 0]]) == [{1, 3}]
    assert kept([[3, 2]], [[1, -1]]) == [set()]


def test_mining_of_ties_keeps_exactly_as_many_as_wanted():
    (found,) = kept(np.ones((1, 40)), [[1, 1] + [0] * 38])
    assert len(found) == 6
    assert not found & {0, 1}


def test_mining_equals_sorting_in_loops():
    logits, labels, state = random_batch(seed=3)
    hardness = np.array(
        [
            [sum(map(lambda x: reference.cross_entropy(float(x), -1), row)) for row in image]
            for image in logits
        ]
    )
    expected = [reference.mined(*pair) for pair in zip(hardness, state, strict=True)]
    assert kept(hardness, state) == expected
    total = 0.0
    for image, chosen in enumerate(expected):
        total += sum(hardness[image][anchor] for anchor in chosen)
        for anchor in np.flatnonzero(state[image] == 1):
            for k, x in enumerate(logits[image][anchor]):
                total += reference.cross_entropy(float(x), 1 if labels[image, anchor] == k else -1)
    assert loss_named("ohem", logits, labels, state) == pytest.approx(
        total / (state == 1).sum(), rel=1e-5
    )


# 1.0's closures on dense targets.


def dense_batch(seed=0, soft=False):
    """Return targets [2, 30, 4 + 1] and probabilities [2, 30, 4]."""
    rng = np.random.default_rng(seed)
    state = rng.choice([-1, 0, 0, 1], (2, 30)).astype(np.float32)
    labels = (rng.random((2, 30, 4)) > 0.7).astype(np.float32)
    if soft:
        labels = rng.choice([0.0, 0.1, 0.5, 0.6, 0.9, 1.0], (2, 30, 4)).astype(np.float32)
    probabilities = rng.random((2, 30, 4)).astype(np.float32)
    return np.concatenate([labels, state[..., None]], axis=-1), probabilities


def focal_closure(y_true, y_pred, **options):
    found = losses.focal(**options)(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    return float(array(found))


@pytest.mark.parametrize("soft", [False, True], ids=["hard targets", "soft targets"])
@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.75, "gamma": 0.5}, {"gamma": 0.0}, {"gamma": 5.0}, {"cutoff": 0.8}],
    ids=str,
)
def test_the_focal_closure_equals_1_0(options, soft):
    y_true, y_pred = dense_batch(soft=soft)
    expected = reference.dense_focal(y_true[..., :-1], y_true[..., -1], y_pred, **options)
    assert focal_closure(y_true, y_pred, **options) == pytest.approx(expected, rel=1e-5)


def test_the_focal_closure_of_no_objects_is_the_plain_sum():
    y_true, y_pred = dense_batch()
    y_true[..., -1] = np.minimum(y_true[..., -1], 0)
    expected = reference.dense_focal(y_true[..., :-1], y_true[..., -1], y_pred)
    assert focal_closure(y_true, y_pred) == pytest.approx(expected, rel=1e-5)


def test_the_focal_closure_is_finite_for_probabilities_of_0_and_1():
    y_true, y_pred = dense_batch()
    y_pred = np.round(y_pred)
    expected = reference.dense_focal(y_true[..., :-1], y_true[..., -1], y_pred)
    assert focal_closure(y_true, y_pred) == pytest.approx(expected, rel=1e-5)
    slopes = gradient(lambda p: losses.focal()(ops.convert_to_tensor(y_true), p), y_pred)
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_the_closures_are_given_for_ignored_anchors_does_not_matter(bad):
    y_true, y_pred = dense_batch()
    ignored = y_true[..., -1] == -1
    expected = focal_closure(y_true, y_pred)
    y_pred[ignored] = bad
    assert focal_closure(y_true, y_pred) == pytest.approx(expected, rel=1e-6)


def box_batch(seed=0):
    """Return targets [2, 30, 4 + 1] and deltas [2, 30, 4] that differ by little and by much."""
    rng = np.random.default_rng(seed)
    state = rng.choice([-1, 0, 1], (2, 30, 1)).astype(np.float32)
    targets = rng.normal(0, 1, (2, 30, 4)).astype(np.float32)
    spread = rng.choice([0.01, 0.1, 2.0], (2, 30, 4))
    deltas = (targets + rng.normal(0, 1, (2, 30, 4)) * spread).astype(np.float32)
    return np.concatenate([targets, state], axis=-1), deltas


@pytest.mark.parametrize("sigma", [1.0, 3.0, 10.0])
def test_the_box_closure_equals_1_0(sigma):
    y_true, y_pred = box_batch()
    expected = reference.box_loss(y_pred, y_true[..., :4], y_true[..., 4], sigma)
    found = losses.smooth_l1(sigma)(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    assert float(array(found)) == pytest.approx(expected, rel=1e-5)


def test_smooth_l1_by_hand():
    """sigma 3: 4.5 d² below 1/9, |d| - 1/18 from there."""
    differences = np.array([0, 0.1, -0.1, 1 / 9, 1, -2], np.float32)
    expected = [0, 0.045, 0.045, 1 / 18, 17 / 18, 35 / 18]
    found = array(losses.smooth_l1_of(ops.convert_to_tensor(differences)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    slopes = gradient(lambda d: ops.sum(losses.smooth_l1_of(d)), [0, 0.1, -0.1, 1, -2])
    np.testing.assert_allclose(slopes, [0, 0.9, -0.9, 1, -1], rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_boxes_of_anchors_without_object_reach_neither_loss_nor_gradient(bad):
    y_true, y_pred = box_batch()
    other = y_true[..., 4] != 1
    closure = losses.smooth_l1()
    expected = float(array(closure(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))))
    y_pred[other] = bad
    y_true[other, :4] = -bad
    found = closure(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    assert float(array(found)) == pytest.approx(expected, rel=1e-6)
    slopes = gradient(lambda d: closure(ops.convert_to_tensor(y_true), d), y_pred)
    assert (slopes[other] == 0).all()
    assert np.isfinite(slopes).all()


def test_box_losses_of_images_without_objects_are_0():
    y_true, y_pred = box_batch()
    y_true[..., 4] = 0
    closure = losses.smooth_l1()
    assert array(closure(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))) == 0


def test_the_closures_keep_the_names_that_stand_in_saved_files():
    assert losses.focal().__name__ == "_focal"
    assert losses.smooth_l1().__name__ == "_smooth_l1"
