"""Every resize rule on the whole path: training batches, the dense view, evaluation, tiles."""

import cv2
import numpy as np
import pytest

from keras_retinanet.evaluation import detect_dataset
from keras_retinanet.preprocessing import reduced
from keras_retinanet.preprocessing.augmentation import AUGMENTATIONS
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.tiles import TiledGenerator
from keras_retinanet.utils.resizing import RESIZE_RULES
from keras_retinanet.utils.tiles import Tiling

SIZES = [(90, 160), (160, 90), (120, 120), (83, 31)]  # height, width
BOX = (12, 30, 28, 70)  # white on black, in every picture
FLOATS = ("torchvision", "letterbox")  # rules that do not round to levels


@pytest.fixture
def dataset(tmp_path):
    """Return f(rule, extension=".png", **options) -> generator of four pictures."""

    def make(rule, extension=".png", **options):
        rows = []
        for index, (height, width) in enumerate(SIZES):
            image = np.zeros((height, width, 3), np.uint8)
            x1, y1, x2, y2 = BOX
            image[y1:y2, x1:x2] = 255
            cv2.imwrite(str(tmp_path / f"{index}{extension}"), image)
            rows.append(f"{index}{extension},{x1},{y1},{x2},{y2},cat")
        (tmp_path / "rows.csv").write_text("\n".join(rows))
        (tmp_path / "classes.csv").write_text("cat,0\n")
        options = {"image_min_side": 80, "image_max_side": 120, "seed": 3, **options}
        return CSVGenerator(
            tmp_path / "rows.csv",
            tmp_path / "classes.csv",
            resize_rule=rule,
            group_method="none",
            shuffle_groups=False,
            **options,
        )

    return make


def box_seen(levels):
    """Return where levels [H, W] from 0 to 1 are above a half."""
    rows, columns = (
        np.flatnonzero(levels.max(axis=1) > 0.5),
        np.flatnonzero(levels.max(axis=0) > 0.5),
    )
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


class SeesTheWhiteBox:
    """A detector of the white box, by its pixels."""

    def __init__(self):
        self.seen = []

    def predict_on_batch(self, images):
        self.seen.append(images)
        boxes = np.array([[box_seen(images[0, ..., 0] / 255)]], np.float32)
        return boxes, np.array([[0.9]], np.float32), np.array([[0]])


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_training_canvases_hold_levels_with_the_boxes_where_the_objects_are(dataset, rule):
    generator = dataset(rule, batch_size=4)
    images, truth = generator.raw_batch(0)
    assert images.dtype == np.uint8
    for image, boxes, size, index in zip(
        images, truth["boxes"], truth["sizes"], generator.groups[0], strict=True
    ):
        alone, _ = RESIZE_RULES[rule](generator.load_image(index), 80, 120)
        height, width = alone.shape[:2]
        assert size.tolist() == [height, width]
        if rule != "opencv":  # which writes to the canvas by 1.0's code, held by other tests
            np.testing.assert_array_equal(image[:height, :width], np.rint(alone))
        assert not image[height:].any() and not image[:, width:].any()
        np.testing.assert_allclose(box_seen(image[..., 0] / 255), boxes[0], atol=0.75)


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_the_dense_view_keeps_what_the_rule_computes(dataset, rule):
    generator = dataset(rule, preprocess_image=lambda image: image)
    images, _ = generator.preprocessed_group([0])
    alone, _ = RESIZE_RULES[rule](generator.load_image(0), 80, 120)
    np.testing.assert_array_equal(images[0], alone.astype(np.float32))
    assert (np.rint(images[0]) == images[0]).all() == (rule not in FLOATS)


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_evaluation_sees_the_rules_picture_and_gives_boxes_of_the_original(dataset, rule):
    generator = dataset(rule, preprocess_image=lambda image: np.float32(image))
    detector = SeesTheWhiteBox()
    found, _ = detect_dataset(generator, detector)
    for index, (one, seen) in enumerate(zip(found, detector.seen, strict=True)):
        alone, _ = RESIZE_RULES[rule](generator.load_image(index), 80, 120)
        np.testing.assert_array_equal(seen[0], alone)
        # half a pixel of the resized picture is up to 1 of the original
        np.testing.assert_allclose(one.boxes[0], BOX, atol=1.1)


def test_a_rule_with_one_factor_a_side_divides_boxes_by_each(dataset):
    """83 x 31 becomes 120 x 44 by ODTK, whose factor 120/83 would make it 44.8 wide."""
    generator = dataset("odtk")
    image, scale = generator.resize_image(generator.load_image(3))
    assert image.shape == (120, 44, 3)
    assert scale.tolist() == [44 / 31, 120 / 83, 44 / 31, 120 / 83]
    assert generator.resize_margin((83, 31, 3)).tolist() == [0, 0, 0, 0]


def test_opencv_is_the_default_and_its_scale_one_number(dataset, tmp_path):
    generator = dataset("opencv")
    assert isinstance(generator.resize_image(generator.load_image(0))[1], float)
    plain = CSVGenerator(tmp_path / "rows.csv", tmp_path / "classes.csv")
    assert plain.resize_rule == "opencv"


def test_an_unknown_rule_is_refused_at_once(dataset):
    with pytest.raises(ValueError, match="resize_rule must be one of opencv.* Received: 'cubic'"):
        dataset("cubic")


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_no_resize_and_a_resize_of_ones_own_go_before_the_rule(dataset, rule):
    generator = dataset(rule, no_resize=True)
    images, truth = generator.raw_batch(3)
    assert images.shape[1:3] == SIZES[3] and truth["boxes"][0, 0].tolist() == list(BOX)
    assert not generator.resize_margin((40, 70, 3)).any()
    generator = dataset(rule)
    generator.resize_image = lambda image: (image[::2, ::2], 0.5)
    assert not generator.resize_margin((40, 70, 3)).any()
    _, truth = generator.raw_batch(0)
    assert truth["boxes"][0, 0].tolist() == [side / 2 for side in BOX]


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_reduced_reading_changes_no_box_and_no_size(dataset, rule, monkeypatch):
    sides = {"image_min_side": 20, "image_max_side": 30, "batch_size": 4}
    generator = dataset(rule, ".jpg", **sides)
    factors = []
    load = reduced.read_image_bgr
    monkeypatch.setattr(
        reduced, "read_image_bgr", lambda p, e, by: factors.append(by) or load(p, e, by)
    )
    images, truth = generator.raw_batch(0)
    assert (max(factors, default=1) > 1) == (rule != "letterbox")  # its margin is whole pixels
    monkeypatch.setattr(reduced, "FACTORS", ())
    whole_images, whole = generator.raw_batch(0)
    for key in ("boxes", "sizes"):
        assert truth[key].tobytes() == whole[key].tobytes()
    assert images.shape == whole_images.shape


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_a_mosaic_has_its_boxes_on_its_objects(dataset, rule):
    generator = dataset(rule, augmentation=AUGMENTATIONS["mosaic"], batch_size=4)
    images, truth = generator.raw_batch(0)
    assert max(truth["sizes"].max(), 80) <= 121
    for image, boxes, labels in zip(images, truth["boxes"], truth["labels"], strict=True):
        for x1, y1, x2, y2 in np.rint(boxes[labels == 0]).astype(int):
            if min(x2 - x1, y2 - y1) >= 4:  # without its edges, which are blurred
                assert image[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].mean() > 200


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_sixteen_bits_stay_so(dataset, rule):
    generator = dataset(rule, channels=2, preprocess_image=np.float32)
    levels = np.random.default_rng(0).integers(0, 65536, (90, 160, 2)).astype(np.uint16)
    generator.load_image = lambda index: levels
    images, _ = generator.raw_batch(0)
    assert images.dtype == np.uint16
    alone, _ = RESIZE_RULES[rule](levels, 80, 120)
    np.testing.assert_allclose(images[0], alone, atol=0.5)


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_tiles_are_never_resized(dataset, rule):
    tiled = TiledGenerator(dataset(rule), Tiling(50), resize_rule=rule, preprocess_image=np.float32)
    images, _ = tiled.raw_batch(0)
    index = tiled.epoch_groups(0)[0][0]
    np.testing.assert_array_equal(images[0], tiled.load_image(index))
