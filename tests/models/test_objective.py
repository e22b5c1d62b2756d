"""What a network is trained towards, through the training model: values, precision, learning."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet import losses
from keras_retinanet.models import optimizer as optimizers
from keras_retinanet.models.objective import Objective
from keras_retinanet.models.training import TrainingModel
from keras_retinanet.preprocessing.feed import fit_input
from keras_retinanet.utils.anchors import anchors_for_shape
from keras_retinanet.utils.assignments import ASSIGNMENTS
from tests import reference
from tests import reference_objective as truths
from tests.backends import array
from tests.models.tiny import PROFILE, drawn_batch, tiny_network

pytestmark = pytest.mark.numerics

LEVELS = (3, 4, 5)
CHOICES = {
    **{name: Objective(box_loss=name) for name in losses.BOX_LOSSES},
    "atss": Objective(assignment="atss"),
    "match-all": Objective(match_all=True),
    "atss, match-all": Objective(assignment="atss", match_all=True),
    "quality-focal": Objective(classification_loss="quality-focal"),
    "class weights": Objective(class_weights=(0.5, 3.0)),
    "label smoothing": Objective(label_smoothing=0.1),
    "all": Objective("quality-focal", "ciou", 3.0, "atss", True, (0.5, 3.0)),
}


def crowded_batch(size=64):
    """Return a drawn batch with a tiny object, a twin, padding, a region, a small picture."""
    inputs, targets = drawn_batch(size)
    inputs["sizes"] = np.float32([(64, 64), (60, 62), (40, 64)])
    boxes = np.pad(targets["boxes"], ((0, 0), (0, 4), (0, 0)))
    labels = np.pad(targets["labels"], ((0, 0), (0, 4)), constant_values=-1)
    boxes[:, 3], labels[0, 3] = (40, 41, 45, 47), 1
    boxes[1, 4], labels[1, 4] = boxes[1, 0], 0
    boxes[:, 5], labels[:, 5] = (2, 2, 30, 30), -2
    return inputs, {"boxes": boxes, "labels": labels}


def tensors(values):
    return keras.tree.map_structure(ops.convert_to_tensor, values)


def levels_of(size):
    """Return the anchors of each level of a canvas with whole cells."""
    anchors = anchors_for_shape((size, size), LEVELS, PROFILE.anchors)
    counts = [PROFILE.anchors.num_anchors() * (size // stride) ** 2 for stride in (8, 16, 32)]
    return np.split(anchors, np.cumsum(counts)[:-1])


def slow_assignment(choice, levels, boxes, labels, size):
    """Return state, label and box of each anchor of an image, in loops."""
    anchors, real = np.concatenate(levels), labels >= 0
    own, regions = boxes[real], boxes[labels == -2]
    if choice.assignment == "atss":
        state, index = truths.atss(levels, own, size, regions, PROFILE.anchors.num_anchors())
    else:
        state, _, index = reference.assign(anchors, own, labels[real], size, regions)
    if choice.match_all:
        state, index = truths.every_box(state, index, anchors, own, size)
    if not len(own):
        return state, np.zeros(len(anchors), int), np.zeros((len(anchors), 4))
    return state, labels[real][index], own[index]


def slow_losses(choice, outputs, inputs, targets):
    """Return the class loss and the box loss of a batch, in loops."""
    levels = levels_of(inputs["images"].shape[1])
    anchors = np.concatenate(levels)
    found = [
        slow_assignment(choice, levels, *one)
        for one in zip(targets["boxes"], targets["labels"], inputs["sizes"], strict=True)
    ]
    state, labels, boxes = (list(values) for values in zip(*found, strict=True))
    deltas, quality, total = array(outputs["deltas"]), np.ones(np.shape(state)), 0.0
    for image, number in zip(*np.nonzero(np.asarray(state) == 1), strict=True):
        box = reference.decode(deltas[image, number].astype(float), anchors[number])
        true = boxes[image][number]
        quality[image, number] = reference.iou(truths.uncrossed(box), true)
        if choice.box_loss in ("giou", "diou", "ciou"):
            total += getattr(truths, choice.box_loss)(box, true)
            continue
        aims = reference.encode(true, anchors[number])
        term = abs if choice.box_loss == "l1" else reference.smooth_l1
        total += sum(term(a - b) for a, b in zip(deltas[image, number], aims, strict=True))
    weight = losses.BOX_LOSSES[choice.box_loss].weight
    weight = weight if choice.box_loss_weight is None else choice.box_loss_weight
    classification = truths.soft_anchor_loss(
        truths.SOFT[choice.classification_loss],
        array(outputs["logits"]),
        labels,
        state,
        quality if choice.classification_loss == "quality-focal" else None,
        choice.label_smoothing,
        choice.class_weights,
    )
    return classification, weight * total / reference.objects_in(state)


@pytest.mark.parametrize("name", CHOICES)
def test_the_losses_of_a_batch_equal_loops(name):
    model = TrainingModel(tiny_network(), CHOICES[name])
    inputs, targets = crowded_batch()
    outputs = model(tensors(inputs))
    total = model.compute_loss(tensors(inputs), tensors(targets), outputs)
    expected = slow_losses(CHOICES[name], outputs, inputs, targets)
    found = model.classification_tracker.result(), model.regression_tracker.result()
    np.testing.assert_allclose([float(array(one)) for one in found], expected, rtol=1e-4)
    assert float(array(total)) == pytest.approx(sum(expected), rel=1e-4)


class Batches:
    """An endless loader of one batch."""

    def __init__(self, batch):
        self.batch = batch

    def __iter__(self):
        while True:
            yield self.batch


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("all", "float32"),
        ("all", "mixed_float16"),
        ("all", "mixed_bfloat16"),
        ("ciou", "mixed_float16"),
        ("label smoothing", "mixed_float16"),
    ],
)
def test_a_few_steps_leave_finite_weights_in_every_precision(name, dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        model = TrainingModel(tiny_network(), CHOICES[name])
    finally:
        keras.config.set_dtype_policy("float32")
    adam = optimizers.make_optimizer("adam", 1e-3, 1.0, loss_scaling=dtype == "mixed_float16")
    model.compile(optimizer=adam)
    before = [array(weight) for weight in model.trainable_variables]
    history = model.fit(
        fit_input(Batches(crowded_batch())), steps_per_epoch=2, shuffle=False, verbose=0
    )
    assert np.isfinite(history.history["loss"][0])
    after = [array(weight) for weight in model.trainable_variables]
    assert all(np.isfinite(weight).all() for weight in after)
    if dtype == "float32":  # float16 may skip its first steps until the scale fits
        changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
        assert all(changed)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="uncompiled steps take minutes")
@pytest.mark.parametrize("name", ["giou", "all"])
def test_fitting_lowers_the_loss(name):
    model = TrainingModel(tiny_network(), CHOICES[name])
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    history = model.fit(
        fit_input(Batches(drawn_batch())), steps_per_epoch=15, epochs=4, shuffle=False, verbose=0
    )
    assert history.history["loss"][-1] < 0.9 * history.history["loss"][0]
    assert history.history["regression_loss"][-1] < history.history["regression_loss"][0]


def test_the_defaults_are_those_of_1_0():
    assert Objective() == Objective("focal", "smooth-l1", None, "max-iou", False, None, 0.0)
    assert losses.BOX_LOSSES["smooth-l1"].weight == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_loss": "iou"}, "box_loss must be one of smooth-l1, l1, giou, diou, ciou.*'iou'"),
        ({"classification_loss": "x"}, "classification_loss must be one of focal, .*'x'"),
        ({"assignment": "best"}, f"assignment must be one of {', '.join(ASSIGNMENTS)}.*'best'"),
        ({"label_smoothing": 0.5}, "from 0 to below 0.5. Received: 0.5"),
        ({"label_smoothing": -0.1}, "from 0 to below 0.5. Received: -0.1"),
        (
            {"label_smoothing": 0.1, "classification_loss": "quality-focal"},
            "0.1 and quality-focal both set the targets",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_choices_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Objective(**options)


def test_class_weights_must_be_one_for_each_class():
    with pytest.raises(ValueError, match="3 class weights for 2 classes; give one for each"):
        TrainingModel(tiny_network(), Objective(class_weights=(1, 2, 3)))
