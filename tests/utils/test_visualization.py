"""Drawing into pictures, and the colours of labels."""

import itertools
import warnings

import numpy as np
import pytest

from keras_retinanet.utils import colors, visualization

RED = (0, 0, 255)


@pytest.fixture
def picture():
    return np.full((60, 100, 3), 90, np.uint8)


@pytest.fixture
def _fresh_warning():
    colors._warn_once.cache_clear()
    yield
    colors._warn_once.cache_clear()


def test_the_eighty_colours_are_far_apart_and_fixed():
    found = [colors.label_color(label) for label in range(80)]
    distances = [np.abs(np.subtract(a, b)).sum() for a, b in itertools.combinations(found, 2)]
    assert min(distances) >= 20
    assert found[:3] == [(255, 0, 0), (32, 255, 0), (0, 64, 255)]
    assert all(0 <= level <= 255 for color in found for level in color)


@pytest.mark.usefixtures("_fresh_warning")
def test_labels_without_a_colour_are_green_with_one_warning():
    with pytest.warns(UserWarning, match="only labels 0 to 79") as caught:
        assert [colors.label_color(label) for label in (80, 1000, -1)] == [(0, 255, 0)] * 3
    assert len(caught) == 1


def test_draw_box_rounds_its_corners_and_draws_only_the_outline(picture):
    visualization.draw_box(picture, [9.6, 20.4, 50.5, 39.6], RED, thickness=1)
    drawn = (picture == RED).all(axis=2)
    rows, columns = np.nonzero(drawn)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 20, 50, 40)
    assert (picture[21:40, 11:50] == 90).all()


def test_draw_box_leaves_out_what_is_outside(picture):
    visualization.draw_box(picture, [-50, -50, 20, 30], RED, thickness=1)
    assert (picture[:31, 20] == RED).all()
    assert (picture[30, :21] == RED).all()
    assert (picture[:29, :19] == 90).all()


def test_draw_boxes_draws_each_box(picture):
    expected = picture.copy()
    boxes = [[5, 5, 20, 20], [30, 30, 50, 50]]
    for box in boxes:
        visualization.draw_box(expected, box, RED)
    visualization.draw_boxes(picture, np.array(boxes), RED)
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([10, 40, 50, 55], id="inside"),
        pytest.param([-30, -30, 10, 10], id="beyond the top left corner"),
        pytest.param([99, 0, 100, 5], id="at the right border"),
        pytest.param([10, 500, 20, 600], id="below the picture"),
    ],
)
def test_a_caption_is_white_rimmed_with_black_and_inside_the_picture(picture, box):
    visualization.draw_caption(picture, box, "cell: 0.9")
    white = (picture > 200).all(axis=2)
    black = (picture < 50).all(axis=2)
    assert white.sum() > 60
    assert black.sum() > 60
    rows, columns = np.nonzero(white)
    assert columns.max() - columns.min() > 45  # the whole text is there
    assert not white[[0, -1]].any()
    around = [
        (picture[row - 1 : row + 2, max(0, column - 1) : column + 2] != 90).any(axis=2).mean()
        for row, column in zip(rows, columns, strict=True)
    ]
    assert np.mean(around) > 0.99  # white does not touch the background


def test_draw_detections_shows_those_above_the_threshold_in_their_labels_colour(picture):
    boxes = np.array([[10, 30, 40, 50], [60, 30, 90, 50], [1, 1, 5, 5]])
    scores, labels = np.array([0.9, 0.5, -1]), np.array([2, 3, -1], np.int32)
    expected = picture.copy()
    visualization.draw_box(expected, boxes[0], colors.label_color(2))
    visualization.draw_caption(expected, boxes[0], "cell 2: 0.90")
    visualization.draw_detections(picture, boxes, scores, labels, label_to_name="cell {}".format)
    np.testing.assert_array_equal(picture, expected)


def test_draw_detections_without_names_shows_numbers(picture):
    expected = picture.copy()
    visualization.draw_box(expected, [10, 30, 40, 50], RED)
    visualization.draw_caption(expected, [10, 30, 40, 50], "7: 0.75")
    visualization.draw_detections(picture, [[10, 30, 40, 50]], [0.75], [7], color=RED)
    np.testing.assert_array_equal(picture, expected)


def test_draw_annotations_takes_arrays_and_dictionaries_alike(picture):
    as_array = np.array([[10.0, 30, 40, 50, 2], [60, 30, 90, 50, 3]])
    as_dict = {"bboxes": as_array[:, :4], "labels": as_array[:, 4]}
    expected, other = picture.copy(), picture.copy()
    for box, label in ((as_array[0], "2"), (as_array[1], "3")):
        visualization.draw_caption(expected, box, label)
        visualization.draw_box(expected, box, (0, 255, 0))
    visualization.draw_annotations(picture, as_array)
    visualization.draw_annotations(other, as_dict)
    np.testing.assert_array_equal(picture, expected)
    np.testing.assert_array_equal(other, expected)


def test_nothing_is_drawn_for_an_image_without_objects(picture):
    visualization.draw_annotations(picture, np.zeros((0, 5)))
    visualization.draw_detections(picture, np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    assert (picture == 90).all()


def test_a_read_only_or_mirrored_picture_is_refused(picture):
    with pytest.raises(ValueError, match=r"mirrored view. Pass image.copy\(\)"):
        visualization.draw_box(picture[:, ::-1], [1, 1, 5, 5], RED)
    picture.flags.writeable = False
    for draw in (visualization.draw_box, visualization.draw_caption):
        with pytest.raises(ValueError, match=r"read-only. Pass image.copy\(\)"):
            draw(picture, [1, 1, 5, 5], RED)


def test_drawing_does_not_warn(picture):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        visualization.draw_detections(picture, [[1, 2, 30, 40]], [0.9], [79])
