"""Detector: the same objects in the same pixels, whatever is done to a picture in between."""

from functools import partial

import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_retinanet import evaluation, models
from keras_retinanet.models.snapshot import attach_profile, profile_of
from keras_retinanet.predict import Detector, Named
from keras_retinanet.predict import detector as module
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.utils.boxes import overlaps
from keras_retinanet.utils.image import ImageError, preprocess_image
from keras_retinanet.utils.normalisation import Preprocessing
from keras_retinanet.utils.profile import Profile
from keras_retinanet.utils.resizing import RESIZE_RULES
from tests.models.tiny import draw_weights, tiny_network
from tests.predict.seeing import NAMES, Seeing, picture

PROFILE = Profile(classes=NAMES, image_min_side=150, image_max_side=260)
BOXES = {"blue": (10, 20, 60, 70), "green": (100, 30, 190, 110), "red": (30, 60, 80, 118)}


@pytest.fixture
def seeing(monkeypatch):
    """Return f(profile, **options) -> (Detector that sees rectangles, its runtime)."""

    def make(profile=PROFILE, **options):
        runtime = Seeing(profile)
        monkeypatch.setattr(module, "open_runtime", lambda *arguments: runtime)
        return Detector("model", **options), runtime

    return make


def assert_boxes(result, expected, within=1.5):
    assert sorted(result.names) == sorted(expected)
    for name, box in zip(result.names, result.boxes, strict=True):
        np.testing.assert_allclose(box, expected[name], atol=within, err_msg=name)


@pytest.mark.parametrize("rule", RESIZE_RULES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 4},
        {"tta": ("flip", "vflip", 1.5)},
        {"tta": ("flip", 0.8), "tta_merge": "nms", "batch_size": 2},
        {"resize": False},
        {"resize": False, "tta": (2.0,)},
        {"tile": 80, "tile_overlap": 0.5, "batch_size": 3},
    ],
    ids=str,
)
def test_boxes_are_in_pixels_of_the_picture(seeing, rule, options):
    detector, _ = seeing(Profile(**{**vars(PROFILE), "resize_rule": rule}), **options)
    (result,) = detector.predict(picture(120, 200, **BOXES))
    assert result.size == (120, 200) and result.image is None
    assert_boxes(result, BOXES)


def test_of_no_picture_there_are_no_results(seeing):
    assert seeing()[0].predict([]) == []


def test_of_a_dark_picture_there_are_no_detections(seeing):
    for options in ({}, {"tta": ("flip",)}, {"tile": 50}, {"soft_nms": "linear"}):
        (result,) = seeing(**options)[0].predict(picture(120, 200))
        assert len(result) == 0 and result.boxes.shape == (0, 4) and result.rows() == []


@pytest.mark.parametrize("exif", [True, False])
def test_a_turned_file_has_boxes_in_its_upright_pixels(seeing, exif, tmp_path):
    stored = np.ascontiguousarray(np.rot90(picture(120, 200, **BOXES), 1 if exif else 0))
    tag = Image.Exif()
    tag[274] = 6  # to be turned clockwise
    Image.fromarray(stored[..., ::-1]).save(tmp_path / "turned.png", exif=tag)
    (result,) = seeing(exif=exif)[0].predict(tmp_path / "turned.png")
    assert result.size == (120, 200) and result.name == "turned"
    assert_boxes(result, BOXES)


def test_pictures_of_one_canvas_share_batches_and_results_keep_their_order(seeing):
    detector, runtime = seeing(batch_size=2, resize=False)
    pictures = [
        picture(*size, blue=(number, 5, 40 + number, 30))
        for number, size in enumerate([(50, 60), (90, 60), (60, 50), (33, 64), (90, 70)])
    ]
    results = detector.predict(pictures)
    assert [result.boxes[0, 0] for result in results] == [0, 1, 2, 3, 4]
    assert runtime.batches == [(2, 64, 64, 3), (1, 64, 64, 3), (1, 96, 64, 3), (1, 96, 96, 3)]


def test_alone_a_picture_has_a_canvas_of_its_own_size(seeing):
    detector, runtime = seeing(resize=False)
    detector.predict([picture(50, 61), picture(33, 64)])
    assert runtime.batches == [(1, 50, 61, 3), (1, 33, 64, 3)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"threshold": 0.75}, ["blue", "green"]),
        ({"threshold": {"blue": 0.95}}, ["green", "red"]),
        ({"threshold": {None: 0.85, "red": 0.6}}, ["blue", "red"]),
        ({"classes": ("red", "blue")}, ["blue", "red"]),
        ({"max_detections": 1}, ["blue"]),
        ({"classes": ("red",), "max_detections": 1}, ["red"]),
    ],
    ids=str,
)
def test_only_what_is_asked_for_is_told(seeing, options, told):
    (result,) = seeing(**options)[0].predict(picture(120, 200, **BOXES))
    assert result.names == told


def test_arrays_may_be_grey_or_red_first(seeing):
    image = picture(120, 200, **BOXES)
    (result,) = seeing(order="rgb")[0].predict(image[..., ::-1])
    assert_boxes(result, BOXES)
    (result,) = seeing()[0].predict(image[..., 0])
    assert_boxes(result, dict.fromkeys(NAMES, BOXES["blue"]))


@pytest.mark.parametrize(
    ("image", "part"),
    [
        (np.zeros((5, 5, 3), np.float32), "float32 [5, 5, 3]"),
        (np.zeros((5, 5, 4), np.uint8), "uint8 [5, 5, 4]"),
        (np.zeros((0, 5, 3), np.uint8), "uint8 [0, 5, 3]"),
    ],
    ids=["floats", "four channels", "empty"],
)
def test_what_is_no_picture_is_refused_with_what_was_received(seeing, image, part):
    with pytest.raises(ValueError, match="uint8") as caught:
        seeing()[0].predict([image])
    assert part in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"tile": 64}, {"batch_size": 2}], ids=str)
def test_broken_files_are_named_and_passed_over_or_raised(seeing, options, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    Image.fromarray(picture(50, 60, red=(5, 5, 30, 30))[..., ::-1]).save(tmp_path / "good.png")
    files = [tmp_path / "bad.png", tmp_path / "good.png", tmp_path / "none.png"]
    detector, broken = seeing(**options)[0], []
    results = list(detector.stream(files, lambda path, error: broken.append((path, str(error)))))
    assert [result.name for result in results] == ["good"]
    assert [path for path, _ in broken] == [str(files[0]), str(files[2])]
    assert all(path in message for path, message in broken)
    with pytest.raises(ImageError, match=r"bad\.png"):
        detector.predict(files)


def test_a_network_of_16_bits_and_five_channels_takes_such_files_and_arrays(seeing, tmp_path):
    deep = Preprocessing("bgr", mean=(0,) * 5, std=(1,) * 5, bits=16)
    levels = np.zeros((60, 80, 5), np.uint16)
    levels[10:40, 20:50, 1] = 40_000
    tifffile.imwrite(tmp_path / "deep.tif", levels, planarconfig="contig", photometric="minisblack")
    tifffile.imwrite(
        tmp_path / "flat.tif",
        levels.astype(np.uint8),
        planarconfig="contig",
        photometric="minisblack",
    )
    for options in ({}, {"tile": 48}):
        detector, _ = seeing(Profile(**{**vars(PROFILE), "preprocessing": deep}), **options)
        for result in detector.predict([tmp_path / "deep.tif", levels]):
            assert_boxes(result, {"green": (20, 10, 50, 40)})
        with pytest.raises(ImageError, match=r"flat\.tif: pictures of 8 bits"):
            detector.predict(tmp_path / "flat.tif")


def test_files_above_the_limit_are_refused_unless_in_tiles(seeing, tmp_path):
    Image.fromarray(picture(50, 60)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="limit of 100"):
        seeing(max_pixels=100)[0].predict(tmp_path / "a.png")


def test_a_large_tiff_is_read_by_windows(seeing, tmp_path):
    image = picture(300, 400, blue=(50, 60, 120, 140), red=(200, 100, 390, 280))
    tifffile.imwrite(tmp_path / "large.tif", image[..., ::-1], tile=(64, 64))
    detector, _ = seeing(tile=160, tile_overlap=0.3)
    (result,) = detector.stream([Named(tmp_path / "large.tif", "other")])
    assert result.image is None and result.name == "other" and result.size == (300, 400)
    assert_boxes(result, {"blue": (50, 60, 120, 140), "red": (200, 100, 390, 280)})
    np.testing.assert_array_equal(detector.image_of(result), image)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"threshold": {"cat": 0.5}}, "unknown class 'cat'. The model's classes: blue, green, red"),
        ({"classes": ("dog",)}, "unknown class 'dog'"),
        ({"threshold": 2}, "from 0 to 1"),
        ({"soft_nms": "hard"}, "'hard'"),
        ({"tta": ("turn",)}, "'turn'"),
        ({"batch_size": 0}, "batch_size"),
        ({"image_min_side": 500}, "image_min_side 500"),
        ({"order": "gbr"}, "'gbr'"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_named(seeing, options, part):
    with pytest.raises(ValueError) as caught:
        seeing(**options)
    assert part in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Return a CSV dataset of three noisy pictures of different sizes."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for number, size in enumerate([(70, 90, 3), (64, 64, 3), (101, 60, 3)]):
        Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(folder / f"{number}.png")
    rows = [f"{number}.png,1,2,30,40,square" for number in range(3)]
    (folder / "a.csv").write_text("\n".join(rows))
    (folder / "classes.csv").write_text("square,0\ndisc,1\n")
    return folder


def lively_network():
    """Return a network whose scores differ by far more than rounding."""
    network = tiny_network()
    draw_weights(network, 0.15)
    return network


@pytest.mark.parametrize("rule", ["opencv", "torchvision", "letterbox"])
def test_a_network_detects_as_in_evaluation(dataset, rule):
    network = lively_network()
    profile = Profile(
        **{**vars(profile_of(network)), "resize_rule": rule}
        | {"image_min_side": 80, "image_max_side": 100, "score_threshold": 0.0}
    )
    attach_profile(network, profile)
    generator = CSVGenerator(
        dataset / "a.csv",
        dataset / "classes.csv",
        preprocess_image=partial(preprocess_image, mode=profile.preprocessing),
        resize_rule=rule,
        image_min_side=80,
        image_max_side=100,
    )
    expected, _ = evaluation.detect_dataset(
        generator, models.convert_model(network), score_threshold=0.0, max_detections=None
    )
    detector = Detector(network, threshold=0.0, max_detections=20)
    results = detector.predict([dataset / f"{number}.png" for number in range(3)])
    for found, truth in zip(results, expected, strict=True):
        height, width = found.size
        clipped = np.clip(truth.boxes, 0, [width, height, width, height])
        inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)  # a letterbox has more to see
        assert len(found) == 20 and found.scores[0] > found.scores[-1] + 0.01
        np.testing.assert_allclose(found.scores, truth.scores[inside][:20], rtol=1e-4)
        np.testing.assert_allclose(found.boxes, clipped[inside][:20], atol=0.05)


def test_pictures_that_fill_their_canvas_are_detected_alike_alone_and_together(dataset):
    rng = np.random.default_rng(1)
    pictures = list(rng.integers(0, 255, (3, 128, 128, 3), np.uint8))
    options = {"threshold": 0.0, "max_detections": 10, "resize": False}
    alone = Detector(lively_network(), **options).predict(pictures)
    together = Detector(lively_network(), batch_size=3, **options).predict(pictures)
    for one, other in zip(alone, together, strict=True):
        assert len(one) == 10
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.05)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4)


def test_candidates_of_soft_nms_are_those_before_nms(dataset):
    image = np.random.default_rng(2).integers(0, 255, (64, 96, 3), np.uint8)
    options = {"threshold": 0.005, "resize": False, "max_detections": 300}
    (hard,) = Detector(tiny_network(), **options).predict(image)
    (soft,) = Detector(tiny_network(), soft_nms="linear", **options).predict(image)
    assert len(soft) >= len(hard) and soft.scores[0] == hard.scores[0]
    np.testing.assert_array_equal(soft.boxes[0], hard.boxes[0])


def test_an_agnostic_detector_keeps_no_two_overlapping_boxes(dataset):
    image = np.random.default_rng(2).integers(0, 255, (64, 96, 3), np.uint8)
    options = {"threshold": 0.0, "resize": False, "nms_threshold": 0.3}
    (found,) = Detector(tiny_network(), agnostic=True, **options).predict(image)
    assert len(set(found.labels.tolist())) == 2
    assert (overlaps(found.boxes, found.boxes) - np.eye(len(found))).max() < 0.31
