"""Large scale jitter, window crops and mosaics: painted rectangles are found where boxes say."""

from dataclasses import replace

import numpy as np
import pytest

from keras_retinanet.preprocessing import mosaic, windows
from keras_retinanet.preprocessing.augmentation import (
    AUGMENTATIONS,
    SCALE_JITTER,
    Augmentation,
    LargeScaleJitter,
    Mosaic,
    WindowCrop,
)
from keras_retinanet.preprocessing.loader import Loader
from keras_retinanet.utils.anchors import REGION
from keras_retinanet.utils.image import TransformParameters
from keras_retinanet.utils.transform import scaling, translation
from keras_retinanet.utils.warp import warp

SIZE = (120, 160)  # height, width


def paint(size, boxes, channels=3, dtype=np.uint8):
    """Return a black picture with box i at the brightest level in channel i."""
    image = np.zeros((*size, channels), dtype)
    for channel, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, int)):
        image[y1:y2, x1:x2, channel] = np.iinfo(dtype).max
    return image


def found(image, channel):
    """Return the box of what is bright in one channel alone, to a fraction of a pixel, or None.

    Fill is equally bright in all channels. Sums and middles of the profiles along both axes give
    sides and centre, however the edge pixels were interpolated.
    """
    others = np.delete(image.astype(float), channel, axis=2).max(axis=2)
    bright = np.clip(image[..., channel] - others, 0, None) / np.iinfo(image.dtype).max
    bright[bright < 0.1] = 0
    if bright.max() < 0.5:
        return None
    box = []
    for axis in (0, 1):
        profile = bright.max(axis=axis)
        side, centre = profile.sum(), (profile * (np.arange(len(profile)) + 0.5)).sum()
        box.append((centre / profile.sum() - side / 2, centre / profile.sum() + side / 2))
    (x1, x2), (y1, y2) = box
    return [x1, y1, x2, y2]


def corner_by_corner(matrix, box, size):
    """Slow reference: the clipped box around four moved corners, and its share that is seen."""
    points = [matrix @ np.array([x, y, 1.0]) for x in box[::2] for y in box[1::2]]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    area = (max(xs) - min(xs)) * (max(ys) - min(ys))
    x1, x2 = (min(max(x, 0), size[1]) for x in (min(xs), max(xs)))
    y1, y2 = (min(max(y, 0), size[0]) for y in (min(ys), max(ys)))
    return [x1, y1, x2, y2], max(0, x2 - x1) * max(0, y2 - y1) / area


def three_boxes(rng, size):
    """Return three boxes apart from each other, whole pixels."""
    height, width = size
    boxes = []
    for place in range(3):
        w, h = rng.integers(20, width // 3 - 4), rng.integers(20, height - 20)
        x, y = place * width // 3 + 2, rng.integers(2, height - h - 2)
        boxes.append([x, y, x + w, y + h])
    return np.array(boxes, float)


PLAIN = {
    "large-scale-jitter": LargeScaleJitter(),
    "crop": WindowCrop(),
    "scale-jitter": replace(SCALE_JITTER, contrast=(1, 1), brightness=0, saturation=(1, 1)),
    "overhead": Augmentation(flip_y=0.5, zoom=(0.7, 1.4), translation=0.1),
}


@pytest.mark.parametrize("policy", PLAIN.values(), ids=PLAIN)
def test_painted_rectangles_are_where_the_boxes_say(policy, old_style):
    rng = np.random.default_rng(5)
    seen = 0
    for seed in range(40):
        boxes = three_boxes(rng, SIZE)
        generator = old_style(
            [SIZE],
            [boxes],
            augmentation=policy,
            seed=seed,
            transform_parameters=policy.transform_parameters or TransformParameters("constant"),
        )
        generator.images, generator.truth = [paint(SIZE, boxes)], [np.arange(3)]
        (image,), (own,) = generator.augmented_group([0])
        assert image.shape == (*SIZE, 3)
        for box, label in zip(own["bboxes"], own["labels"], strict=True):
            np.testing.assert_allclose(found(image, label), box, atol=0.35)
            seen += 1
    assert seen > 50


@pytest.mark.parametrize("policy", PLAIN.values(), ids=PLAIN)
def test_boxes_are_those_of_the_slow_reference(policy, old_style):
    rng = np.random.default_rng(1)
    for seed in range(60):
        boxes = three_boxes(rng, SIZE) + rng.uniform(-1, 1, (3, 4))
        matrix = policy.placement(np.random.default_rng(seed), SIZE, boxes)
        generator = old_style([SIZE], [boxes], transform_generator=policy)
        image, own = generator.random_transform_group_entry(
            generator.images[0], {"bboxes": boxes, "labels": np.arange(3)}, matrix
        )
        expected = {}
        for label, box in enumerate(boxes):
            clipped, share = corner_by_corner(matrix, box, SIZE)
            if share >= 0.1 - 1e-9 and min(clipped[2] - clipped[0], clipped[3] - clipped[1]) >= 1:
                expected[label] = clipped
        if policy is PLAIN["crop"]:  # and only those with their centre in the window
            inverse = np.linalg.inv(matrix)
            a, b = inverse @ [0, 0, 1], inverse @ [SIZE[1], SIZE[0], 1]
            (left, right), (top, bottom) = sorted((a[0], b[0])), sorted((a[1], b[1]))
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            expected = {
                label: box
                for label, box in expected.items()
                if left < centres[label, 0] < right and top < centres[label, 1] < bottom
            }
        assert own["labels"].tolist() == list(expected)
        np.testing.assert_allclose(
            own["bboxes"].reshape(-1), np.ravel(list(expected.values())), atol=1e-3
        )


def test_large_scale_jitter_draws_sizes_evenly_and_places_anywhere():
    rng = np.random.default_rng(0)
    matrices = [LargeScaleJitter().placement(rng, (100, 200), ()) for _ in range(600)]
    factors = np.array([abs(matrix[0, 0]) for matrix in matrices])
    assert 0.1 <= factors.min() < 0.12 and 1.98 < factors.max() <= 2.0
    assert 1.0 < factors.mean() < 1.1
    for matrix in matrices:
        assert matrix[0, 1] == matrix[1, 0] == 0 and abs(matrix[0, 0]) == matrix[1, 1]
        x1, x2 = sorted((matrix[0, 2], matrix[0, 0] * 200 + matrix[0, 2]))
        y1, y2 = matrix[1, 2], matrix[1, 1] * 100 + matrix[1, 2]
        if matrix[1, 1] < 1:  # wholly inside the frame
            assert -1e-9 < x1 < x2 < 200 + 1e-9 and -1e-9 < y1 < y2 < 100 + 1e-9
        else:  # it covers the frame
            assert x1 < 1e-9 and x2 > 200 - 1e-9 and y1 < 1e-9 and y2 > 100 - 1e-9


def test_a_window_keeps_to_the_picture_and_holds_an_object():
    rng = np.random.default_rng(0)
    box = np.array([[10.0, 20, 60, 90]])
    drawn = np.array([windows.draw_window(rng, (100, 200), box) for _ in range(500)])
    sides = drawn[:, 2:] - drawn[:, :2]
    assert (drawn >= 0).all() and (drawn <= [200, 100, 200, 100]).all()
    assert (drawn[:, :2] < [35, 55]).all() and (drawn[:, 2:] > [35, 55]).all()
    shares = sides / [200, 100]
    cut = (shares < 1).any(axis=1)
    assert 0.6 < cut.mean() < 0.9  # one choice of seven is the whole picture
    stretch = shares[:, 0] / shares[:, 1]
    assert 0.5 - 1e-9 <= stretch.min() < 0.7 and 1.4 < stretch.max() <= 2 + 1e-9
    assert np.sqrt(shares.prod(axis=1)).min() >= 0.3


def test_without_objects_any_window_will_do():
    rng = np.random.default_rng(0)
    drawn = [windows.draw_window(rng, (50, 50), np.zeros((0, 4))) for _ in range(30)]
    assert len({tuple(window) for window in drawn}) > 15


def test_an_object_too_small_for_an_overlap_is_cropped_around_or_left_in_the_whole_picture():
    hair = np.array([[0.0, 50, 100, 50.01]])  # its IoU with any window is next to nothing
    rng = np.random.default_rng(1)
    drawn = [windows.draw_window(rng, (100, 100), hair) for _ in range(60)]
    whole = sum(window.tolist() == [0, 0, 100, 100] for window in drawn)
    assert 20 < whole < 45  # it is one of two choices that are left


def test_a_crop_drops_objects_centred_outside_but_keeps_regions_to_ignore():
    boxes = np.array([[-30.0, 10, 20, 40], [-10, 10, 20, 40], [-30, 10, 20, 40]])
    rows = {"bboxes": boxes, "labels": np.array([0, 1, REGION])}
    kept = WindowCrop().keep(rows, boxes, (50, 100))
    assert kept["labels"].tolist() == [1, REGION]
    assert kept["bboxes"].tolist() == [[0, 10, 20, 40]] * 2


# A frame of 100 x 60 with its cross at (40, 20).
QUARTERS = [(0, 0, 40, 20), (40, 0, 100, 20), (0, 20, 40, 60), (40, 20, 100, 60)]
PLACES = {  # quarter, picture (height, width), factor, position: where its top left corner lies
    "top left, smaller: touches the cross": (0, (10, 20), 1.0, (0.3, 0.9), (20, 10)),
    "top right, smaller": (1, (10, 20), 1.0, (0.3, 0.9), (40, 10)),
    "bottom left, smaller": (2, (20, 20), 0.5, (0, 0), (30, 20)),
    "bottom right, smaller": (3, (10, 20), 1.0, (1, 1), (40, 20)),
    "top left, larger: its left part": (0, (40, 100), 1.0, (0, 0), (0, 0)),
    "top left, larger: its right part": (0, (40, 100), 1.0, (1, 1), (-60, -20)),
    "bottom right, wider only": (3, (10, 100), 2.0, (0.5, 0.5), (-30, 20)),
    "of the very size": (0, (20, 40), 1.0, (0.7, 0.7), (0, 0)),
}


@pytest.mark.parametrize(
    ("quarter", "size", "factor", "position", "corner"), PLACES.values(), ids=PLACES
)
def test_pictures_of_a_mosaic_lie_as_worked_out_by_hand(quarter, size, factor, position, corner):
    assert mosaic.quarters((40, 20), (60, 100)) == QUARTERS
    matrix = mosaic.place(QUARTERS[quarter], (40, 20), size, factor, position)
    expected = translation(corner) @ scaling((factor, factor))
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_rectangles_of_a_mosaic_are_where_the_boxes_say():
    rng = np.random.default_rng(8)
    seen = 0
    for seed in range(60):
        sizes = [tuple(rng.integers(80, 160, 2).tolist()) for _ in range(4)]
        boxes = [three_boxes(rng, size)[:1] for size in sizes]
        pictures = [
            np.roll(paint(size, box, channels=4), channel, axis=2)
            for channel, (size, box) in enumerate(zip(sizes, boxes, strict=True))
        ]
        rows = [{"bboxes": box, "labels": np.array([k])} for k, box in enumerate(boxes)]
        policy = Mosaic(tile_zoom=(0.5, 1.5))
        frame, own = policy.compose(np.random.default_rng(seed), pictures, rows, np.ones(4), SIZE)
        assert frame.shape == (*SIZE, 4)
        for box, label in zip(own["bboxes"], own["labels"], strict=True):
            np.testing.assert_allclose(found(frame, label), box, atol=0.35)
        seen += len(own["labels"])
        for label in set(range(4)) - set(own["labels"]):  # a tenth of it is seen at most
            lost = found(frame, label)
            full = (boxes[label][0, 2:] - boxes[label][0, :2]).prod() * 1.5**2
            assert lost is None or (lost[2] - lost[0]) * (lost[3] - lost[1]) < 0.12 * full
    assert seen > 80


def test_boxes_of_a_mosaic_are_those_of_the_slow_reference():
    rng = np.random.default_rng(2)
    for _ in range(40):
        sizes = [tuple(rng.integers(80, 160, 2).tolist()) for _ in range(4)]
        boxes = [three_boxes(rng, size) for size in sizes]
        cross = tuple(rng.integers(30, 90, 2).tolist())
        matrices = [
            mosaic.place(quarter, cross, size, rng.uniform(0.4, 1.6), rng.uniform(size=2))
            for quarter, size in zip(mosaic.quarters(cross, SIZE), sizes, strict=True)
        ]
        expected = []
        for k, quarter in enumerate(mosaic.quarters(cross, SIZE)):
            x, y = quarter[:2]
            for row, box in enumerate(boxes[k]):
                own = translation((-x, -y)) @ matrices[k]
                size = (quarter[3] - y, quarter[2] - x)
                clipped, share = corner_by_corner(own, box, size)
                sides = (clipped[2] - clipped[0], clipped[3] - clipped[1])
                if share > 1 - 1e-9 or (share >= 0.1 and min(sides) >= 1):
                    moved = (clipped[0] + x, clipped[1] + y, clipped[2] + x, clipped[3] + y)
                    expected.append((10 * k + row, *moved))
        _, own = mosaic.compose(
            [np.zeros((*size, 3), np.uint8) for size in sizes],
            [{"bboxes": box, "labels": 10 * k + np.arange(3)} for k, box in enumerate(boxes)],
            matrices,
            cross,
            SIZE,
            TransformParameters(),
        )
        result = np.column_stack([own["labels"], own["bboxes"]])
        np.testing.assert_allclose(result, np.reshape(expected, (-1, 5)), atol=1e-3)


def test_keys_with_a_row_a_box_are_joined_and_others_left_out():
    one = {"bboxes": np.ones((2, 4)), "labels": np.array([1, 2]), "area": np.array([3.0, 4])}
    none = {"bboxes": np.zeros((0, 4)), "labels": np.zeros(0, int), "area": np.zeros(0)}
    joined = mosaic.joined([one | {"id": 7}, none | {"id": 8}, one | {"id": 9}])
    assert joined.keys() == {"bboxes", "labels", "area"}
    assert joined["area"].tolist() == [3, 4, 3, 4]


def test_a_mosaic_has_its_training_size_and_boxes_of_four_pictures(old_style):
    sizes = [(60, 80), (80, 60), (100, 100), (50, 90), (70, 70)]
    generator = old_style(
        sizes,
        no_resize=False,
        image_min_side=120,
        image_max_side=150,
        augmentation=Mosaic(),
        group_method="none",
        shuffle_groups=False,
        seed=1,
    )
    counts = []
    for index, (height, width) in enumerate(sizes):
        canvas, truth = generator.raw_batch(index)
        scale = min(120 / min(height, width), 150 / max(height, width))
        assert truth["sizes"].tolist() == [[round(height * scale), round(width * scale)]]
        assert canvas.shape[1:3] == tuple(truth["sizes"][0])
        counts.append(int((truth["labels"] >= 0).sum()))
    assert max(counts) == 4 and min(counts) >= 1


def test_mosaics_end_with_their_epochs(old_style):
    options = {"seed": 4, "no_resize": False, "image_min_side": 64, "image_max_side": 96}
    sizes = [(60, 80), (64, 64), (80, 60)]
    policy = replace(AUGMENTATIONS["mosaic"], until=2)
    mosaics = old_style(sizes, augmentation=policy, **options)
    plain = old_style(sizes, augmentation=SCALE_JITTER, **options)
    for epoch, same in ((0, False), (1, False), (2, True), (7, True)):
        equal = np.array_equal(mosaics.raw_batch(1, epoch)[0], plain.raw_batch(1, epoch)[0])
        assert equal == same
    assert policy.at(2) is SCALE_JITTER and Mosaic(until=0).at(0) == Augmentation()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_choice_gives_the_same_batches_for_any_number_of_workers(name, old_style):
    def batches(workers):
        generator = old_style(
            [(40, 60), (60, 40), (50, 50)], batch_size=2, augmentation=AUGMENTATIONS[name], seed=3
        )
        return list(Loader(generator, workers, steps=6))

    for (one, truth), (other, same) in zip(batches(1), batches(3), strict=True):
        np.testing.assert_array_equal(one["images"], other["images"])
        np.testing.assert_array_equal(truth["boxes"], same["boxes"])
        np.testing.assert_array_equal(truth["labels"], same["labels"])


def test_shrinking_averages_instead_of_stepping_over_pixels():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200  # one dark, one light: bilinear sampling would keep one of them
    small = warp(stripes, scaling((0.25, 0.25)), TransformParameters("constant"))
    np.testing.assert_allclose(small[1:15, 1:15].astype(float), 100, atol=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_pictures_of_any_channels_and_depth_are_warped_like_single_ones(channels, dtype):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    image = rng.integers(0, top, (50, 70, channels), dtype, endpoint=True)
    matrix = translation((3.3, -2)) @ scaling((-0.4, 0.7)) @ translation((-60, 4))
    parameters = TransformParameters("constant", cval=17)
    moved = warp(image, matrix, parameters, (33, 44))
    assert moved.dtype == dtype and moved.shape == (33, 44, channels)
    for channel in range(channels):
        alone = warp(image[..., channel : channel + 1], matrix, parameters, (33, 44))
        np.testing.assert_array_equal(moved[..., channel], alone[..., 0])


def test_impossible_jitter_is_refused():
    with pytest.raises(ValueError, match=r"jitter must be \(smallest, largest\) above 0"):
        LargeScaleJitter(jitter=(0, 1))
