"""The prior bias: sigmoid(bias) is the wished first score."""

import math

import keras
import pytest

from keras_retinanet.initializers import PriorProbability
from tests.backends import array

pytestmark = pytest.mark.numerics


def test_the_default_bias_is_that_of_the_paper():
    bias = array(PriorProbability()((3, 2)))
    assert bias.shape == (3, 2)
    assert bias == pytest.approx(-math.log(99))


@pytest.mark.parametrize("probability", [0.001, 0.01, 0.5, 0.9])
def test_a_sigmoid_starts_at_the_probability(probability):
    bias = PriorProbability(probability)((4,))
    assert array(keras.ops.sigmoid(bias)) == pytest.approx(probability, rel=1e-5)


def test_the_bias_takes_the_dtype_of_its_layer():
    assert str(keras.backend.standardize_dtype(PriorProbability()((1,), "float16").dtype)) == (
        "float16"
    )


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, 2])
def test_impossible_probabilities_are_refused_with_their_value(probability):
    with pytest.raises(ValueError, match=f"between 0 and 1. Received: {probability}"):
        PriorProbability(probability)


def test_saving_keeps_the_probability():
    first = PriorProbability(0.2)
    second = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first))
    assert isinstance(second, PriorProbability)
    assert second.get_config() == first.get_config() == {"probability": 0.2}
