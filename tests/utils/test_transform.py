"""Plane transforms, against matrices worked out by hand."""

import math

import numpy as np
import pytest

from keras_retinanet.utils import transform as t

PI = math.pi


def test_colvec_stacks_its_arguments():
    np.testing.assert_array_equal(t.colvec(1, 2, 3), [[1], [2], [3]])


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        pytest.param(t.rotation(0), [[1, 0, 0], [0, 1, 0], [0, 0, 1]], id="no turn"),
        pytest.param(t.rotation(PI / 2), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], id="quarter turn"),
        pytest.param(
            t.rotation(PI / 6),
            [[math.sqrt(3) / 2, -0.5, 0], [0.5, math.sqrt(3) / 2, 0], [0, 0, 1]],
            id="30 degrees",
        ),
        pytest.param(t.translation((3, -4)), [[1, 0, 3], [0, 1, -4], [0, 0, 1]], id="shift"),
        pytest.param(t.shear(0), [[1, 0, 0], [0, 1, 0], [0, 0, 1]], id="no shear"),
        pytest.param(
            t.shear(PI / 6), [[1, -0.5, 0], [0, math.sqrt(3) / 2, 0], [0, 0, 1]], id="shear"
        ),
        pytest.param(t.scaling((2, 0.5)), [[2, 0, 0], [0, 0.5, 0], [0, 0, 1]], id="scaling"),
        pytest.param(
            t.change_transform_origin(t.scaling((2, 2)), (3, 4)),
            [[2, 0, -3], [0, 2, -4], [0, 0, 1]],
            id="scaling about (3, 4)",
        ),
        pytest.param(
            t.change_transform_origin(t.rotation(PI / 2), np.array([1, 0])),
            [[0, -1, 1], [1, 0, -1], [0, 0, 1]],
            id="quarter turn about (1, 0)",
        ),
    ],
)
def test_a_matrix_is_the_one_worked_out_by_hand(matrix, expected):
    np.testing.assert_allclose(matrix, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("matrix", "box", "expected"),
    [
        pytest.param(np.eye(3), [1, 2, 3, 4], [1, 2, 3, 4], id="identity"),
        pytest.param(t.translation((-3, 4)), [1, 2, 3, 4], [-2, 6, 0, 8], id="shift"),
        pytest.param(t.scaling((-1, 2)), [1, 2, 3, 4], [-3, 4, -1, 8], id="flip and stretch"),
        pytest.param(t.rotation(PI / 2), [1, 2, 3, 5], [-5, 1, -2, 3], id="quarter turn"),
        pytest.param(
            t.rotation(PI / 4),
            [-1, -1, 1, 1],
            [-math.sqrt(2), -math.sqrt(2), math.sqrt(2), math.sqrt(2)],
            id="eighth turn",
        ),
    ],
)
def test_transform_aabb_gives_the_box_worked_out_by_hand(matrix, box, expected):
    np.testing.assert_allclose(t.transform_aabb(matrix, box), expected, atol=1e-14)


def test_transform_aabb_encloses_the_four_corners_of_each_box():
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 100, (3, 5, 4))
    for matrix in rng.normal(size=(20, 3, 3)):
        matrix[2] = (0, 0, 1)
        moved = t.transform_aabb(matrix, boxes)
        for box, found in zip(boxes.reshape(-1, 4), moved.reshape(-1, 4), strict=True):
            x1, y1, x2, y2 = box
            corners = [matrix @ (x, y, 1) for x in (x1, x2) for y in (y1, y2)]
            low, high = np.min(corners, axis=0), np.max(corners, axis=0)
            np.testing.assert_allclose(found, [*low[:2], *high[:2]])


def test_transform_aabb_takes_no_boxes():
    assert t.transform_aabb(np.eye(3), np.zeros((0, 4))).shape == (0, 4)


class Script:
    """A source of numbers that returns its upper bounds and writes down what was asked."""

    def __init__(self):
        self.asked = []

    def uniform(self, low, high):
        self.asked.append((np.asarray(low).tolist(), np.asarray(high).tolist()))
        return high


def test_random_transform_draws_rotation_translation_shear_scaling_and_flips_in_this_order():
    script = Script()
    t.random_transform(
        min_rotation=-0.1,
        max_rotation=0.2,
        min_translation=(-1, -2),
        max_translation=(3, 4),
        min_shear=-0.3,
        max_shear=0.4,
        min_scaling=(0.5, 0.6),
        max_scaling=(1.5, 1.6),
        flip_x_chance=0.5,
        flip_y_chance=0.5,
        prng=script,
    )
    assert script.asked == [
        (-0.1, 0.2),
        ([-1, -2], [3, 4]),
        (-0.3, 0.4),
        ([0.5, 0.6], [1.5, 1.6]),
        (0, 1),
        (0, 1),
    ]


def test_random_transform_is_the_product_of_its_parts():
    found = t.random_transform(0.1, 0.2, (1, 2), (3, 4), 0.3, 0.4, (0.5, 0.6), (1.5, 1.6), 1, 0)
    by_script = t.random_transform(
        0.1, 0.2, (1, 2), (3, 4), 0.3, 0.4, (0.5, 0.6), (1.5, 1.6), 2, 0, prng=Script()
    )
    parts = t.rotation(0.2), t.translation((3, 4)), t.shear(0.4), t.scaling((1.5, 1.6))
    expected = np.linalg.multi_dot([*parts, t.scaling((-1, 1))])
    np.testing.assert_allclose(by_script, expected, atol=1e-15)
    assert found.shape == (3, 3)


@pytest.mark.parametrize("source", [np.random.default_rng, np.random.RandomState])
def test_random_transforms_stay_within_their_bounds_and_repeat_under_a_seed(source):
    def draw(seed):
        generator = t.random_transform_generator(
            source(seed), min_translation=(-1, 2), max_translation=(1, 3), flip_x_chance=0.5
        )
        return np.array([next(generator) for _ in range(200)])

    drawn = draw(7)
    assert (drawn[:, 0, 2] >= -1).all()
    assert (drawn[:, 0, 2] < 1).all()
    assert (drawn[:, 1, 2] >= 2).all()
    assert (drawn[:, 1, 2] < 3).all()
    assert 0.35 < (drawn[:, 0, 0] == -1).mean() < 0.65
    assert (drawn[:, 1, 1] == 1).all()
    np.testing.assert_array_equal(drawn, draw(7))
    assert (drawn != draw(8)).any()


def test_random_transform_generators_without_a_source_differ():
    first, second = (
        next(t.random_transform_generator(min_rotation=-1, max_rotation=1)) for _ in range(2)
    )
    assert (first != second).any()


def test_random_transform_by_default_changes_nothing():
    np.testing.assert_array_equal(t.random_transform(), np.eye(3))


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param({"min_rotation": 2, "max_rotation": 1}, id="upside down"),
        pytest.param({"min_translation": (0, 0), "max_translation": 1}, id="two shapes"),
    ],
)
def test_random_transform_refuses_impossible_bounds(bounds):
    with pytest.raises(ValueError, match="lower and an upper bound"):
        t.random_transform(**bounds)
