"""Freezing layers of a model."""

import keras


def freeze(model):
    """Stop every layer of `model` from training, and return `model`."""
    for layer in model.layers:
        layer.trainable = False
    return model


def freeze_batch_norm(model):
    """Fix every batch norm of `model` at its statistics, in training too, and return `model`."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return model
