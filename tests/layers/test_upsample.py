"""Nearest upsampling takes TensorFlow 1's rows and columns, whatever the sizes."""

import numpy as np
import pytest
from keras import ops

from keras_retinanet.layers import UpsampleLike
from tests import reference
from tests.backends import array, gradient

pytestmark = pytest.mark.numerics

# (rows, columns) of source and target: doubled, odd, barely and much larger, equal, smaller
SIZES = [
    ((3, 4), (6, 8)),
    ((4, 5), (7, 9)),
    ((2, 3), (5, 8)),
    ((3, 3), (4, 4)),
    ((1, 1), (3, 2)),
    ((5, 4), (5, 4)),
    ((7, 6), (3, 4)),
]


@pytest.mark.parametrize(("small", "large"), SIZES, ids=str)
def test_rows_and_columns_are_those_of_the_rule(small, large):
    source = np.random.default_rng(0).normal(size=(2, *small, 3)).astype(np.float32)
    found = UpsampleLike()([ops.convert_to_tensor(source), ops.zeros((2, *large, 1))])
    np.testing.assert_array_equal(array(found), reference.upsample(source, *large))


def test_the_gradient_of_a_source_pixel_is_the_sum_over_its_copies():
    weights = np.random.default_rng(1).normal(size=(1, 5, 7, 2)).astype(np.float32)
    expected = np.zeros((1, 3, 4, 2), np.float32)
    for i in range(5):
        for j in range(7):
            expected[0, i * 3 // 5, j * 4 // 7] += weights[0, i, j]

    def weighted(source):
        target = ops.zeros((1, 5, 7, 2))
        return ops.sum(UpsampleLike()([source, target]) * ops.convert_to_tensor(weights))

    np.testing.assert_allclose(gradient(weighted, np.zeros((1, 3, 4, 2))), expected, rtol=1e-5)
