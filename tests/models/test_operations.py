"""Operations of a network, counted by hand."""

import keras
import pytest

from keras_retinanet.models import operations


def test_operations_are_counted_by_hand():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)  # 4 x 6 cells
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(5)(x))
    counted = [number for _, number in operations.layer_operations(model, 8, 12)]
    assert counted == [2 * 24 * 4 * 27, 2 * 24 * 4 * 9, 2 * 5 * 4]
    step = 2 * (3 * sum(counted) - counted[0])
    assert operations.training_gflop(model, 8, 12, batch_size=2) == pytest.approx(step / 1e9)


def test_a_head_used_on_two_levels_counts_twice():
    head = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, [head(inputs), head(keras.layers.MaxPooling2D()(inputs))])
    counted = [number for _, number in operations.layer_operations(model, 4, 6)]
    assert sorted(counted) == [2 * 6 * 2 * 3, 2 * 24 * 2 * 3]
