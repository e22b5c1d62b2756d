"""The base generator: grouping, both views, hooks of 1.0, repeatability."""

import warnings
from configparser import ConfigParser

import keras
import numpy as np
import pytest

from keras_retinanet.preprocessing.augmentation import FLIPS, RANDOM_TRANSFORM
from keras_retinanet.preprocessing.generator import Generator
from keras_retinanet.preprocessing.samples import AnnotationWarning
from keras_retinanet.utils.anchors import anchor_targets_bbox, anchors_for_shape
from keras_retinanet.utils.image import ImageError

SQUARE, WIDE, TALL = (64, 64), (48, 96), (96, 48)
MEAN = np.array([103.939, 116.779, 123.68], np.float32)


def test_groups_follow_the_given_order_and_wrap_round_to_the_start(old_style):
    generator = old_style([SQUARE] * 5, batch_size=2, group_method="none", shuffle_groups=False)
    assert generator.groups == [[0, 1], [2, 3], [4, 0]]
    assert len(generator) == 3


def test_a_batch_larger_than_the_dataset_repeats_it(old_style):
    generator = old_style([SQUARE] * 2, batch_size=5, group_method="none", shuffle_groups=False)
    assert generator.groups == [[0, 1, 0, 1, 0]]


def test_groups_by_ratio_go_from_tall_to_wide(old_style):
    generator = old_style([WIDE, SQUARE, TALL], batch_size=2, shuffle_groups=False)
    assert generator.groups == [[2, 1], [0, 2]]


def test_random_groups_hold_every_picture_once_in_another_order(old_style):
    options = {"batch_size": 2, "group_method": "random", "shuffle_groups": False}
    generator = old_style([SQUARE] * 20, seed=1, **options)
    order = sum(generator.groups, [])
    assert sorted(order) == list(range(20))
    assert order != list(range(20))
    assert old_style([SQUARE] * 20, seed=1, **options).groups == generator.groups
    assert old_style([SQUARE] * 20, seed=2, **options).groups != generator.groups


def test_each_epoch_shuffles_the_groups_repeatably(old_style):
    generator = old_style([SQUARE] * 20, group_method="none", seed=5)
    epochs = [generator.epoch_groups(epoch) for epoch in (0, 1, 2, 0)]
    assert epochs[0] == epochs[3]
    assert epochs[0] != epochs[1] != epochs[2]
    assert all(sorted(groups) == [[i] for i in range(20)] for groups in epochs)
    assert generator.groups == epochs[0]
    generator.on_epoch_end()
    assert generator.groups == epochs[1]


def test_without_a_seed_two_generators_differ(old_style):
    first, second = (old_style([SQUARE] * 30, group_method="none") for _ in range(2))
    assert first.groups != second.groups


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number from 1. Received: 0"),
        ({"group_method": "size"}, "group_method must be one of"),
        ({"canvas_multiple": 1.5}, "canvas_multiple must be a whole number from 1"),
        ({"seed": -1}, "seed must not be negative. Received: -1"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_impossible_options_are_refused(old_style, options, message):
    with pytest.raises(ValueError, match=message):
        old_style([SQUARE], **options)


def test_a_missing_hook_is_named():
    with pytest.raises(NotImplementedError, match=r"Generator must define size\(\)"):
        Generator()


def test_indexing_gives_preprocessed_pictures_and_dense_targets(old_style):
    generator = old_style([TALL, SQUARE], batch_size=2, shuffle_groups=False)
    inputs, targets = generator[0]
    assert inputs.dtype == np.float32
    assert inputs.shape == (2, 96, 64, 3)
    np.testing.assert_array_equal(inputs[0, :, :48], generator.images[0].astype("float32") - MEAN)
    np.testing.assert_array_equal(inputs[1, :64], generator.images[1].astype("float32") - MEAN)
    assert not inputs[0, :, 48:].any()
    assert not inputs[1, 64:].any()
    anchors = anchors_for_shape((96, 64, 3))
    annotations = [generator.load_annotations(index) for index in (0, 1)]
    expected = anchor_targets_bbox(anchors, generator.images, annotations, 3)
    assert isinstance(targets, tuple)
    for found, wanted in zip(targets, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert targets[0].shape == (2, len(anchors), 5)
    assert targets[1].shape == (2, len(anchors), 4)


def test_a_config_sets_anchors_and_levels(old_style):
    anchors = {"sizes": "16 32", "strides": "8 16", "ratios": "1", "scales": "1 2"}
    config = ConfigParser()
    config.read_dict({"anchor_parameters": anchors, "pyramid_levels": {"levels": "3 4"}})
    generator = old_style([(64, 32)], config=config)
    _, (regression, _) = generator[0]
    assert regression.shape == (1, (8 * 4 + 4 * 2) * 2, 5)
    assert generator.generate_anchors((64, 32, 3))[0].tolist() == [-4, -4, 12, 12]


def test_pictures_are_resized_and_boxes_scaled(old_style):
    generator = old_style([(50, 100)], no_resize=False, image_min_side=100, image_max_side=150)
    image, scale = generator.resize_image(generator.images[0])
    assert image.shape == (75, 150, 3)
    assert scale == 1.5
    image, annotations = generator.preprocess_group_entry(
        generator.images[0], {"bboxes": np.array([[2.0, 4, 6, 8]]), "labels": np.array([1])}
    )
    assert image.dtype == np.float32
    assert annotations["bboxes"].tolist() == [[3, 6, 9, 12]]


def test_the_raw_view_holds_uint8_pictures_and_padded_boxes(old_style):
    boxes = [np.zeros((0, 4)), np.tile([[1.0, 2, 11, 12]], (9, 1))]
    generator = old_style(
        [(50, 100), (60, 40)],
        boxes,
        batch_size=2,
        group_method="none",
        shuffle_groups=False,
        canvas_multiple=32,
    )
    images, truth = generator.raw_batch(0)
    assert images.dtype == np.uint8
    assert images.shape == (2, 64, 128, 3)
    np.testing.assert_array_equal(images[0, :50, :100], generator.images[0])
    np.testing.assert_array_equal(images[1, :60, :40], generator.images[1])
    assert images.sum() == sum(image.astype(int).sum() for image in generator.images)
    assert truth["sizes"].dtype == np.float32
    assert truth["sizes"].tolist() == [[50, 100], [60, 40]]
    assert truth["labels"].dtype == np.int32
    assert truth["labels"].tolist() == [[-1] * 16, [1] * 9 + [-1] * 7]
    assert truth["boxes"].dtype == np.float32
    assert truth["boxes"].shape == (2, 16, 4)
    assert truth["boxes"][1, :9].tolist() == [[1, 2, 11, 12]] * 9
    assert not truth["boxes"][0].any()


def test_the_raw_view_scales_boxes_with_their_pictures(old_style):
    generator = old_style([(50, 100)], no_resize=False, image_min_side=100, image_max_side=400)
    images, truth = generator.raw_batch(0)
    assert images.shape == (1, 100, 200, 3)
    assert truth["boxes"].shape == (1, 8, 4)
    assert truth["boxes"][0, 0].tolist() == [4, 6, 192, 98]


@pytest.mark.parametrize("size", [(50, 100), (33, 47), (64, 64), (1, 200)])
def test_the_raw_view_resizes_as_the_hook_does(old_style, size):
    boxes = [np.array([[2.0, 0, 30, 1]])]
    generator = old_style([size], boxes, no_resize=False, image_min_side=64, image_max_side=90)
    images, truth = generator.raw_batch(0)
    expected, scale = generator.resize_image(generator.images[0])
    np.testing.assert_array_equal(images[0], expected)
    assert truth["sizes"].tolist() == [list(expected.shape[:2])]
    np.testing.assert_allclose(truth["boxes"][0, :1], generator.boxes[0] * scale, rtol=1e-6)


def test_the_raw_view_honours_an_overridden_resize(old_style):
    generator = old_style([(50, 100), (60, 60)], batch_size=2, no_resize=False)
    generator.resize_image = lambda image: (image[::2, ::2] * 1.0, 0.5)
    images, truth = generator.raw_batch(0)
    order = generator.epoch_groups(0)[0]
    assert images.shape == (2, 30, 50, 3)
    for place, index in enumerate(order):
        small = generator.images[index][::2, ::2]
        np.testing.assert_array_equal(images[place, : len(small), : small.shape[1]], small)
        assert truth["boxes"][place, 0].tolist() == (generator.boxes[index][0] / 2).tolist()


def test_a_flip_mirrors_picture_and_boxes_in_both_views(old_style):
    def mirror():
        while True:
            yield np.diag([-1.0, 1, 1])

    generator = old_style([(32, 40)], [np.array([[2.0, 3, 10, 20]])], transform_generator=mirror())
    images, truth = generator.raw_batch(0)
    assert truth["boxes"][0, 0].tolist() == [30, 3, 38, 20]
    np.testing.assert_array_equal(images[0], generator.images[0][:, ::-1])
    _, annotations = generator.random_transform_group_entry(
        generator.images[0], generator.load_annotations(0)
    )
    assert annotations["bboxes"].tolist() == [[30, 3, 38, 20]]


def test_boxes_moved_out_of_the_picture_are_dropped(old_style):
    boxes = [np.array([[0.0, 0, 10, 10], [30, 0, 50, 30]])]
    generator = old_style([(50, 50)], boxes)
    shift = np.array([[1.0, 0, -40], [0, 1, 0], [0, 0, 1]])
    _, moved = generator.random_transform_group_entry(
        generator.images[0], {**generator.load_annotations(0), "names": np.array(["a", "b"])}, shift
    )
    assert moved["bboxes"].tolist() == [[0, 0, 10, 30]]
    assert moved["labels"].tolist() == [0]
    assert moved["names"].tolist() == ["b"]
    assert boxes[0].tolist() == [[0, 0, 10, 10], [30, 0, 50, 30]]


def test_bad_boxes_are_clipped_or_left_out_with_one_warning(old_style):
    boxes = np.array([[0.0, 0, 10, 10], [-5, 5, 20, 20], [30, 30, 10, 40], [70, 1, 80, 9]])
    generator = old_style([SQUARE], [boxes])
    group = generator.groups[0]
    annotations = generator.load_annotations_group(group)
    with pytest.warns(AnnotationWarning, match="contains the following invalid boxes") as found:
        _, kept = generator.filter_annotations(generator.images, annotations, group)
        generator.filter_annotations(generator.images, annotations, group)
    assert len(found) == 1
    assert "picture 0" in str(found[0].message)
    assert kept[0]["bboxes"].tolist() == [[0, 0, 10, 10], [0, 5, 20, 20]]
    assert kept[0]["labels"].tolist() == [0, 0]
    assert generator.mended_boxes == 6


def test_annotations_that_are_none_are_refused(old_style):
    generator = old_style([SQUARE])
    generator.load_annotations = lambda index: [1, 2, 3, 4]
    with pytest.raises(ValueError, match="must be a dict with 'labels' and 'bboxes'"):
        generator.load_annotations_group([0])
    generator.load_annotations = lambda index: {"labels": [1], "bboxes": np.zeros((2, 4))}
    with pytest.raises(ValueError, match="one label a box. Received: 2 boxes, 1 labels"):
        generator.load_annotations_group([0])


def test_further_keys_of_annotations_pass_through(old_style):
    generator = old_style([SQUARE])
    truth = {"labels": np.array([1]), "bboxes": np.array([[1.0, 2, 9, 9]]), "image_id": 17}
    generator.load_annotations = lambda index: truth
    _, annotations = generator.augmented_group([0])
    assert annotations[0]["image_id"] == 17
    assert generator.raw_batch(0)[1]["labels"][0, 0] == 1


def test_augmentation_depends_on_seed_epoch_and_batch_alone(old_style):
    def make(seed):
        return old_style([SQUARE] * 4, batch_size=2, augmentation=RANDOM_TRANSFORM, seed=seed)

    first, again, other = make(7), make(7), make(8)
    forwards = [first.raw_batch(index, epoch) for epoch in (0, 1) for index in (0, 1)]
    backwards = [again.raw_batch(index, epoch) for epoch in (1, 0) for index in (1, 0)][::-1]
    for (images, truth), (images_again, truth_again) in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(truth["boxes"], truth_again["boxes"])
    assert not np.array_equal(forwards[0][0], forwards[2][0])
    assert not np.array_equal(forwards[0][0], other.raw_batch(0)[0])
    np.testing.assert_array_equal(first[0][0], again[0][0])


def test_a_policy_serves_as_either_generator_of_1_0(old_style):
    generator = old_style([SQUARE] * 2, transform_generator=FLIPS, seed=3)
    boxes = {tuple(generator.raw_batch(0, epoch)[1]["boxes"][0, 0]) for epoch in range(20)}
    assert boxes == {(2, 3, 60, 63), (4, 3, 62, 63)}


def test_overridden_hooks_of_1_0_take_part(old_style):
    generator = old_style([SQUARE], visual_effect_generator=iter([]))
    calls = []
    generator.random_visual_effect_group_entry = lambda image, annotations: (
        255 - image,
        annotations,
    )
    generator.preprocess_image = lambda image: image / 255.0
    generator.compute_targets = lambda images, annotations: [calls.append(len(images)), 1]
    inputs, targets = generator[0]
    np.testing.assert_allclose(inputs[0], 1 - generator.images[0] / 255.0, atol=1e-6)
    np.testing.assert_array_equal(generator.raw_batch(0)[0][0], 255 - generator.images[0])
    assert targets == (None, 1)
    assert calls == [1]


@pytest.mark.parametrize(
    ("side", "grown"),
    [(64, (96, 96)), (60, (65, 61))],
    ids=["whole cells stay whole", "until the anchors differ"],
)
def test_batch_1_never_shares_a_size_with_batch_0_on_tensorflow(old_style, side, grown):
    generator = old_style([(side, side)] * 3, shuffle_groups=False)
    shapes = [[value.shape for value in (inputs, *targets)] for inputs, targets in generator]
    if keras.backend.backend() != "tensorflow":
        assert shapes[0] == shapes[1]
        return
    assert shapes[0] == shapes[2]
    assert shapes[0][0] == (1, side, side, 3)
    assert shapes[1][0] == (1, *grown, 3)
    assert shapes[0][1][1] != shapes[1][1][1]


def test_fit_on_a_generator_survives_every_later_size(old_style):
    sizes = [SQUARE, SQUARE, WIDE, TALL, (64, 80)]
    generator = old_style(sizes, group_method="none", shuffle_groups=False)
    pictures = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(pictures)

    def spread(values, features):
        one = keras.layers.Dense(features)(values)
        return keras.layers.Reshape((1, features))(one)

    model = keras.Model(pictures, [spread(pooled, 4), spread(pooled, 3)])

    def loss(truth, predicted):
        return keras.ops.mean(keras.ops.square(truth[..., :-1] - predicted))

    model.compile(optimizer="sgd", loss=[loss, loss])
    history = model.fit(generator, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_picture_that_breaks_during_an_epoch_is_named(old_style):
    generator = old_style([SQUARE] * 3, group_method="none", shuffle_groups=False)
    generator.image_path = lambda index: f"photo-{index}.jpg"
    break_pictures(generator, {1})
    generator.raw_batch(0)
    with pytest.raises(ImageError, match="photo-1.jpg: cannot be read"):
        generator.raw_batch(1)
    with pytest.raises(ImageError, match="photo-1.jpg: cannot be read"):
        generator[1]


def test_skipped_pictures_are_replaced_and_counted(old_style):
    generator = old_style(
        [SQUARE] * 4, batch_size=2, group_method="none", shuffle_groups=False, skip_broken=True
    )
    generator.image_path = lambda index: f"photo-{index}.jpg"
    break_pictures(generator, {1, 2, 3})
    images, truth = generator.raw_batch(0)
    np.testing.assert_array_equal(images, np.stack([generator.images[0]] * 2))
    assert truth["labels"][:, 0].tolist() == [0, 0]
    images, _ = generator.raw_batch(1)
    np.testing.assert_array_equal(images, np.stack([generator.images[0]] * 2))
    assert sorted(generator.skipped) == ["photo-1.jpg", "photo-2.jpg", "photo-3.jpg"]
    break_pictures(generator, {0, 1, 2, 3})
    with pytest.raises(ImageError, match="4 of 4 pictures cannot be used: photo-"):
        generator.raw_batch(0)


def break_pictures(generator, broken):
    images = generator.images

    def load(index):
        if index in broken:
            raise OSError("image file is truncated")
        return images[index]

    generator.load_image = load


def test_no_step_changes_the_stored_annotations(old_style):
    boxes = [np.array([[2.0, 3, 60, 63]])]
    generator = old_style(
        [SQUARE], boxes, no_resize=False, image_min_side=128, augmentation=RANDOM_TRANSFORM
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator[0]
        generator.raw_batch(0)
    assert boxes[0].tolist() == [[2, 3, 60, 63]]
