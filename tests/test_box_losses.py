"""The box losses against loops from their papers, their gradients against finite differences."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet import losses
from keras_retinanet.utils.box_coder import BoxCoder
from tests import reference
from tests import reference_objective as truths
from tests.backends import array, gradient

pytestmark = pytest.mark.numerics

CODERS = {
    "corners": BoxCoder(),
    "centres": BoxCoder("centres", std=(0.1, 0.1, 0.2, 0.2), clamp=4.0),
    "centres without limit": BoxCoder("centres", std=(1, 1, 1, 1), pixel=1.0),
}
BY_OVERLAP = {
    "giou": (losses.giou_of, truths.giou),
    "diou": (losses.diou_of, truths.diou),
    "ciou": (losses.ciou_of, truths.ciou),
}
TRUE = (10, 20, 50, 40)  # 40 x 20
# Each row: predicted box, and by hand what GIoU, DIoU and CIoU lose against TRUE.
HAND = {
    "the same": (TRUE, 0, 0, 0),
    # shared 20 x 20, union 1200, hull 60 x 20; centres 20 apart, 60² + 20²
    "moved by half": ((30, 20, 70, 40), 2 / 3, 2 / 3 + 0.1, 2 / 3 + 0.1),
    # hull 80 x 20 without a gap
    "touching": ((50, 20, 90, 40), 1, 1 + 1600 / 6800, 1 + 1600 / 6800),
    # hull 120 x 20, 800 of it empty; centres 80 apart
    "far": ((90, 20, 130, 40), 1 + 1 / 3, 1 + 6400 / 14800, 1 + 6400 / 14800),
    "crossed corners": ((50, 40, 10, 20), 0, 0, 0),
}


def of_pairs(function, found, true):
    found, true = (ops.convert_to_tensor(np.asarray(boxes, np.float32)) for boxes in (found, true))
    return array(function(found, true))


@pytest.mark.parametrize("name", HAND)
def test_overlap_losses_by_hand(name):
    found, *expected = HAND[name]
    for (ours, _), value in zip(BY_OVERLAP.values(), expected, strict=True):
        assert of_pairs(ours, found, TRUE) == pytest.approx(value, abs=1e-6)


def test_ciou_adds_the_aspect_ratio_by_hand():
    """A square around the centre of TRUE: v = 4/pi² (atan 2 - pi/4)², IoU = 400/800."""
    found = (20, 20, 40, 40)
    v = 4 / np.pi**2 * (np.arctan(2) - np.pi / 4) ** 2
    assert of_pairs(losses.ciou_of, found, TRUE) == pytest.approx(0.5 + v / (0.5 + v) * v, abs=1e-6)


def random_pairs(seed=0, number=60):
    """Return predicted boxes, some crossed, and true boxes [number, 4] that overlap or not."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (2, number, 2))
    found, true = np.concatenate([low, low + rng.uniform(3, 50, (2, number, 2))], axis=-1)
    found[::7] = found[::7][:, [2, 1, 0, 3]]
    return found.astype(np.float32), true.astype(np.float32)


@pytest.mark.parametrize("name", BY_OVERLAP)
def test_overlap_losses_equal_loops(name):
    ours, truth = BY_OVERLAP[name]
    found, true = random_pairs()
    expected = [truth(*pair) for pair in zip(found, true, strict=True)]
    assert min(expected) < 0.5 and max(expected) > 1.2
    np.testing.assert_allclose(of_pairs(ours, found, true), expected, rtol=1e-5, atol=1e-6)


def test_the_iou_of_boxes_with_crossed_corners_is_that_of_their_outline():
    found, true = random_pairs()
    pairs = zip(found, true, strict=True)
    expected = [reference.iou(truths.uncrossed(one), other) for one, other in pairs]
    np.testing.assert_allclose(of_pairs(losses.iou_of, found, true), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BY_OVERLAP)
def test_the_gradients_of_overlap_losses_equal_differences(name):
    ours, truth = BY_OVERLAP[name]
    found, true = random_pairs(seed=1)
    expected = []
    for one, other in zip(found, true, strict=True):
        fixed = {"alpha": truths.trade_off(one, other)} if name == "ciou" else {}
        expected.append(truths.slopes(lambda box, t=other, f=fixed: truth(box, t, **f), one))
    tensor = ops.convert_to_tensor(true)
    slopes = gradient(lambda boxes: ops.sum(ours(boxes, tensor)), found)
    np.testing.assert_allclose(slopes, expected, rtol=2e-3, atol=2e-6)
    assert (np.abs(slopes).max(axis=1) > 1e-4).all()  # GIoU and its kin pull from afar, too


DEGENERATE = {
    "both one point": ((5, 5, 5, 5), (5, 5, 5, 5)),
    "prediction without area": ((20, 30, 20, 30), TRUE),
    "prediction without height": ((20, 30, 40, 30), TRUE),
    "truth without area": (TRUE, (20, 30, 20, 30)),
    "truth without width": (TRUE, (20, 20, 20, 40)),
    "two points apart": ((5, 5, 5, 5), (9, 9, 9, 9)),
    "identical": (TRUE, TRUE),
    "one inside the other": ((20, 25, 30, 30), TRUE),
    "as large as float16 holds": ((-6e6, -6e6, 6e6, 6e6), TRUE),
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("name", BY_OVERLAP)
def test_degenerate_boxes_have_finite_losses_and_gradients(name, case):
    ours, _ = BY_OVERLAP[name]
    found, true = (np.float32(box)[None] for box in DEGENERATE[case])
    assert -1e-6 <= of_pairs(ours, found, true)[0] <= 3
    slopes = gradient(lambda box: ops.sum(ours(box, ops.convert_to_tensor(true))), found)
    assert np.isfinite(slopes).all()
    assert np.abs(slopes).max() < 10  # a pixel; below 1 pixel an aspect ratio is not trusted


# Losses of a batch.


def batch(seed=0, images=2, number=30):
    """Return deltas, anchors, true boxes of each anchor, states; deltas near and far off."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (number, 2))
    anchors = np.concatenate([low, low + rng.uniform(20, 40, (number, 2))], 1).astype(np.float32)
    boxes = (anchors + rng.normal(0, 3, (images, number, 4))).astype(np.float32)
    deltas = rng.normal(0, 1, (images, number, 4)).astype(np.float32)
    state = rng.choice([-1, 0, 1, 1], (images, number)).astype(np.int32)
    return deltas, anchors, boxes, state


def loss_of(name, deltas, anchors, boxes, state, coder):
    tensors = (ops.convert_to_tensor(one) for one in (anchors, boxes, state))
    return losses.BOX_LOSSES[name].function(ops.convert_to_tensor(deltas), *tensors, coder)


def decoded(deltas, anchor, coder):
    """Return what a coder's formulas make of the deltas of one anchor, in float64."""
    d = np.asarray(deltas, np.float64) * coder.std
    x1, y1, x2, y2 = map(float, anchor)
    w, h = x2 - x1 + coder.pixel, y2 - y1 + coder.pixel
    if coder.coding == "corners":
        return x1 + d[0] * w, y1 + d[1] * h, x2 + d[2] * w, y2 + d[3] * h
    x, y = x1 + w / 2 + d[0] * w, y1 + h / 2 + d[1] * h
    half_w, half_h = np.exp(d[2]) * w / 2, np.exp(d[3]) * h / 2
    return x - half_w, y - half_h, x + half_w - coder.pixel, y + half_h - coder.pixel


def encoded(box, anchor, coder):
    """Return the deltas of one box, in float64."""
    x1, y1, x2, y2 = map(float, anchor)
    u1, v1, u2, v2 = map(float, box)
    w, h = x2 - x1 + coder.pixel, y2 - y1 + coder.pixel
    if coder.coding == "corners":
        d = (u1 - x1) / w, (v1 - y1) / h, (u2 - x2) / w, (v2 - y2) / h
    else:
        p, q = u2 - u1 + coder.pixel, v2 - v1 + coder.pixel
        d = (
            (u1 + p / 2 - x1 - w / 2) / w,
            (v1 + q / 2 - y1 - h / 2) / h,
            np.log(p / w),
            np.log(q / h),
        )
    return np.asarray(d) / coder.std


def slow_loss(name, deltas, anchors, boxes, state, coder):
    total = 0.0
    for image, number in zip(*np.nonzero(np.asarray(state) == 1), strict=True):
        one, anchor, box = deltas[image][number], anchors[number], boxes[image][number]
        if name in BY_OVERLAP:
            total += BY_OVERLAP[name][1](decoded(one, anchor, coder), box)
        elif name == "l1":
            total += truths.l1(one, encoded(box, anchor, coder))
        else:
            aims = encoded(box, anchor, coder)
            total += sum(reference.smooth_l1(a - b) for a, b in zip(one, aims, strict=True))
    return total / reference.objects_in(state)


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("name", losses.BOX_LOSSES)
def test_the_box_loss_of_a_batch_is_the_sum_over_objects_over_their_number(name, coder):
    values = batch()
    expected = slow_loss(name, *values, CODERS[coder])
    found = loss_of(name, *values, CODERS[coder])
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(array(found)) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("name", [name for name in losses.BOX_LOSSES if name != "ciou"])
def test_the_gradients_by_deltas_equal_differences(name, coder):
    deltas, *rest = batch(seed=3, images=1, number=8)
    expected = truths.slopes(lambda d: slow_loss(name, d, *rest, CODERS[coder]), deltas)
    slopes = gradient(lambda d: loss_of(name, d, *rest, CODERS[coder]), deltas)
    np.testing.assert_allclose(slopes, expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
@pytest.mark.parametrize("name", losses.BOX_LOSSES)
def test_what_anchors_without_object_predict_reaches_neither_loss_nor_gradient(name, bad, coder):
    deltas, anchors, boxes, state = batch()
    expected = float(array(loss_of(name, deltas, anchors, boxes, state, CODERS[coder])))
    other = state != 1
    deltas[other], boxes[other] = bad, 0  # padding has no area
    found = loss_of(name, deltas, anchors, boxes, state, CODERS[coder])
    assert float(array(found)) == pytest.approx(expected, rel=1e-6)
    slopes = gradient(lambda d: loss_of(name, d, anchors, boxes, state, CODERS[coder]), deltas)
    assert (slopes[other] == 0).all() and np.isfinite(slopes).all()


@pytest.mark.parametrize("name", losses.BOX_LOSSES)
def test_a_batch_without_objects_costs_nothing(name):
    deltas, anchors, boxes, state = batch()
    for coder in CODERS.values():
        assert array(loss_of(name, deltas, anchors, boxes, np.minimum(state, 0), coder)) == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("name", losses.BOX_LOSSES)
def test_the_largest_deltas_of_low_precision_have_finite_losses_and_gradients(name, coder, dtype):
    deltas, anchors, boxes, state = batch()
    deltas[0], deltas[1] = 65504, -65504  # float16's largest
    low = ops.cast(ops.convert_to_tensor(deltas), dtype)
    found = loss_of(name, low, anchors, boxes, state, CODERS[coder])
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.isfinite(array(found))
    slopes = gradient(lambda d: loss_of(name, d, anchors, boxes, state, CODERS[coder]), deltas)
    assert np.isfinite(slopes).all()


def test_smooth_l1_of_the_table_is_that_of_1_0():
    deltas, anchors, boxes, state = batch()
    targets = CODERS["corners"].encode(ops.convert_to_tensor(boxes), ops.convert_to_tensor(anchors))
    expected = losses.box_loss(deltas, targets, ops.convert_to_tensor(state))
    found = loss_of("smooth-l1", deltas, anchors, boxes, state, CODERS["corners"])
    assert array(found) == array(expected)


@pytest.mark.parametrize("coder", CODERS)
def test_the_quality_of_an_anchor_is_the_iou_of_what_it_predicts_and_no_gradient_flows(coder):
    deltas, anchors, boxes, state = batch()
    rest = [ops.convert_to_tensor(one) for one in (anchors, boxes, state)]
    found = array(losses.quality_of(ops.convert_to_tensor(deltas), *rest, CODERS[coder]))
    for image, number in zip(*np.nonzero(state == 1), strict=True):
        box = decoded(deltas[image, number], anchors[number], CODERS[coder])
        expected = reference.iou(truths.uncrossed(box), boxes[image, number])
        assert found[image, number] == pytest.approx(expected, abs=1e-5)
    if keras.backend.backend() == "jax":  # the others refuse to differentiate a constant
        slopes = gradient(lambda d: ops.sum(losses.quality_of(d, *rest, CODERS[coder])), deltas)
        assert (slopes == 0).all()
