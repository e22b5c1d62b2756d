"""The training model against 1.0's dense path, and that it learns."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_retinanet import losses, models
from keras_retinanet.models.objective import Objective
from keras_retinanet.models.training import TrainingModel, normalise
from keras_retinanet.preprocessing.feed import fit_input
from keras_retinanet.utils.anchors import anchor_targets_bbox, anchors_for_shape
from keras_retinanet.utils.image import preprocess_image
from tests import reference
from tests.backends import array
from tests.models.tiny import PROFILE, drawn_batch, tiny_network

pytestmark = pytest.mark.numerics

ON_TORCH = keras.backend.backend() == "torch"
# torch runs the steps one by one, 20 times slower than the compiled ones
STEPS = 10 if ON_TORCH else 250


def tensors(values):
    return keras.tree.map_structure(ops.convert_to_tensor, values)


def cropped_batch():
    """Return a drawn batch whose pictures are smaller than their canvas."""
    inputs, targets = drawn_batch()
    inputs["sizes"] = np.float32([(64, 40), (60, 64), (32, 33)])
    return inputs, targets


def dense_targets(inputs, targets):
    """Return 1.0's regression [B, N, 5] and labels [B, N, K + 1] of a batch."""
    anchors = anchors_for_shape(inputs["images"].shape[1:3], (3, 4, 5), PROFILE.anchors)
    pictures = [np.zeros((int(h), int(w), 3)) for h, w in inputs["sizes"]]
    annotations = [
        {"bboxes": boxes[labels >= 0], "labels": labels[labels >= 0]}
        for boxes, labels in zip(targets["boxes"], targets["labels"], strict=True)
    ]
    return anchor_targets_bbox(anchors, pictures, annotations, 2)


def preprocessed(inputs, mode="tf"):
    """Return 1.0's canvas: preprocessed pictures at top left, 0 beyond."""
    canvas = np.zeros(inputs["images"].shape, np.float32)
    for one, image, (height, width) in zip(
        canvas, inputs["images"], inputs["sizes"].astype(int), strict=True
    ):
        one[:height, :width] = preprocess_image(image[:height, :width], mode=mode)
    return canvas


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_pictures_are_normalised_as_on_the_host_and_0_beyond(mode):
    inputs, _ = cropped_batch()
    found = normalise(*tensors((inputs["images"], inputs["sizes"])), mode)
    np.testing.assert_allclose(array(found), preprocessed(inputs, mode), rtol=1e-5, atol=1e-5)


def training_loss(model, inputs, targets):
    inputs, targets = tensors(inputs), tensors(targets)
    return model.compute_loss(inputs, targets, model(inputs))


def test_the_loss_equals_a_bare_networks_on_dense_targets():
    network = tiny_network()
    inputs, targets = cropped_batch()
    regression, classification = dense_targets(inputs, targets)
    assert set(np.unique(classification[..., -1])) == {-1, 0, 1}
    deltas, scores = network(ops.convert_to_tensor(preprocessed(inputs)))
    box = float(array(losses.smooth_l1()(ops.convert_to_tensor(regression), deltas)))
    focal = float(array(losses.focal()(ops.convert_to_tensor(classification), scores)))
    model = TrainingModel(network)
    total = training_loss(model, inputs, targets)
    assert float(array(total)) == pytest.approx(box + focal, rel=1e-4)
    assert float(array(model.regression_tracker.result())) == pytest.approx(box, rel=1e-4)
    assert float(array(model.classification_tracker.result())) == pytest.approx(focal, rel=1e-4)
    slow = reference.box_loss(array(deltas), regression[..., :4], regression[..., 4])
    assert box == pytest.approx(slow, rel=1e-4)
    assert box > 0


@pytest.mark.parametrize("name", ["ohem", "focal-star"])
def test_another_classification_loss_takes_the_logits(name):
    network = tiny_network()
    inputs, targets = cropped_batch()
    model = TrainingModel(network, Objective(classification_loss=name))
    training_loss(model, inputs, targets)
    scores = array(network(ops.convert_to_tensor(preprocessed(inputs)))[1])
    _, dense = dense_targets(inputs, targets)
    logits = np.log(scores) - np.log1p(-scores)
    expected = losses.CLASSIFICATION_LOSSES[name].function(
        *tensors(
            (logits, dense[..., :-1].argmax(-1).astype("int32"), dense[..., -1].astype("int32"))
        )
    )
    found = float(array(model.classification_tracker.result()))
    assert found == pytest.approx(float(array(expected)), rel=1e-3)


def test_losses_and_outputs_stay_float32_under_a_lower_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = TrainingModel(tiny_network())
    finally:
        keras.config.set_dtype_policy("float32")
    inputs, targets = cropped_batch()
    # a size that bfloat16 would round to 1336
    inputs["sizes"][0] = 1333
    outputs = model(tensors(inputs))
    assert model.network.get_layer("c1").compute_dtype == "bfloat16"
    for value in keras.tree.flatten(outputs):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
    total = training_loss(model, inputs, targets)
    assert keras.backend.standardize_dtype(total.dtype) == "float32"
    exact = training_loss(TrainingModel(tiny_network()), inputs, targets)
    assert float(array(total)) == pytest.approx(float(array(exact)), rel=0.02)


def test_a_class_head_of_another_form_is_refused():
    inputs = keras.Input((None, None, 3))
    flat = keras.layers.Reshape((-1, 3))(inputs)
    other = keras.Model(
        inputs,
        [
            keras.layers.Dense(4, name="regression")(flat),
            keras.layers.Dense(2, name="classification")(flat),
        ],
    )
    with pytest.raises(ValueError, match="no pyramid_classification_reshape layer"):
        TrainingModel(other)


class Batches:
    """An endless loader of the same batches over and over."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        yield from itertools.cycle(self.batches)


@pytest.fixture(scope="module")
def trained():
    """Return a training model that has seen three drawn pictures many times, and its losses."""
    model = TrainingModel(tiny_network())
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    history = model.fit(
        fit_input(Batches(drawn_batch())), steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0
    )
    return model, history.history


def average_precision(detections, targets, iou_threshold=0.5):
    """Return the mean over classes of the area under the precision envelope, in loops."""
    found = []
    for label in (0, 1):
        boxes, scores, labels = detections
        ranked = sorted(
            (-scores[image, slot], image, slot)
            for image in range(len(boxes))
            for slot in range(boxes.shape[1])
            if labels[image, slot] == label
        )
        taken, hits = set(), []
        for _, image, slot in ranked:
            best = [
                (reference.iou(boxes[image, slot], targets["boxes"][image, truth]), truth)
                for truth in np.flatnonzero(targets["labels"][image] == label)
            ]
            overlap, truth = max(best, default=(0, None))
            hits.append(overlap >= iou_threshold and (image, truth) not in taken)
            taken.add((image, truth))
        total = int((targets["labels"] == label).sum())
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        found.append(sum(max(precision[i:]) for i in np.flatnonzero(hits)) / total)
    return np.mean(found)


def test_fitting_lowers_the_loss(trained):
    model, history = trained
    assert set(history) == {"loss", "classification_loss", "regression_loss", "skipped"}
    first = float(array(training_loss(TrainingModel(tiny_network()), *drawn_batch())))
    last = float(array(training_loss(model, *drawn_batch())))
    assert last < 0.9 * first


@pytest.mark.skipif(ON_TORCH, reason="250 uncompiled steps take minutes")
def test_three_pictures_are_learned_by_heart(trained):
    model, _ = trained
    inputs, targets = drawn_batch()
    detector = models.convert_model(model.network)
    detections = detector.predict_on_batch(preprocessed(inputs))
    assert average_precision(detections, targets) > 0.9
    assert (detections[1][2] < 0.5).all()  # nothing in the picture without objects


def test_canvases_of_other_sizes_may_follow_in_any_order(trained):
    model, _ = trained
    inputs, targets = drawn_batch()
    wide = {**inputs, "images": np.pad(inputs["images"], ((0, 0), (0, 0), (0, 32), (0, 0)))}
    more = {
        "boxes": np.pad(targets["boxes"], ((0, 0), (0, 3), (0, 0))),
        "labels": np.pad(targets["labels"], ((0, 0), (0, 3)), constant_values=-1),
    }
    batches = Batches((inputs, targets), (inputs, targets), (wide, more), (inputs, targets))
    history = model.fit(fit_input(batches), steps_per_epoch=4, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"][0])


class Dense(keras.utils.PyDataset):
    """A generator as 1.0's: preprocessed pictures and a tuple of dense targets."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        batch = drawn_batch()
        return preprocessed(batch[0]), tuple(dense_targets(*batch))


def test_a_bare_network_trains_on_a_generator_as_in_1_0():
    network = tiny_network()
    network.compile(
        loss={"regression": losses.smooth_l1(), "classification": losses.focal()},
        optimizer=keras.optimizers.Adam(learning_rate=1e-3, clipnorm=0.001),
    )
    before = training_loss(TrainingModel(network), *drawn_batch())
    history = network.fit(Dense(), epochs=1, shuffle=False, verbose=0)
    after = training_loss(TrainingModel(network), *drawn_batch())
    assert float(array(before)) > history.history["loss"][0] > float(array(after))
