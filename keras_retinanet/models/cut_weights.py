"""Weights cut to measure: rows of a head's last layer, and the channels of a first convolution."""

import numpy as np


def cut_rows(old, fresh, classes, rows, anchors=None):
    """Return the last weights of a class head, with the rows that `old` knows.

    The last axis runs over A anchors of K values each, K inner.

    Args:
        old: kernel [3, 3, C, A * K] or bias [A * K] of the source.
        fresh: the same of the new network, [..., A' * K'].
        classes: K.
        rows: for each of the K' new classes its index in the old ones, or None.
        anchors: for each of the A' new anchors its index in the old ones; None for the same.

    Returns:
        `fresh`, less what `old` has for it.
    """
    old = old.reshape(*old.shape[:-1], -1, classes)
    old = old if anchors is None else old[..., anchors, :]
    made = fresh.reshape(*fresh.shape[:-1], -1, len(rows)).copy()
    for column, row in enumerate(rows):
        if row is not None:
            made[..., column] = old[..., row]
    return made.reshape(fresh.shape)


def cut_anchors(old, values, anchors):
    """Return the last weights of a head, [..., A * values], with the rows of other anchors.

    Args:
        old: kernel or bias of the source.
        values: of an anchor: 4 for boxes.
        anchors: for each new anchor its index in the old ones.
    """
    by_anchor = old.reshape(*old.shape[:-1], -1, values)[..., anchors, :]
    return by_anchor.reshape(*old.shape[:-1], -1)


def inflate(kernel, channels):
    """Return a kernel [h, w, C, F] for pictures of another number of channels.

    Channel i gets channel i mod C times C / channels, so that activations keep their size, as
    Carreira & Zisserman 2017 (arXiv:1705.07750) inflate kernels over time. A single channel gets
    the sum, with which a grey picture gives what it gave in C equal channels.
    """
    own = kernel.shape[2]
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(channels) % own] * np.float32(own / channels)
