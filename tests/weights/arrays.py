"""Comparing named arrays bit for bit."""

import numpy as np


def assert_same(found, wanted):
    """Assert that two dictionaries of arrays agree in order, dtypes, shapes and bits."""
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        array = np.asarray(array)
        assert found[name].dtype == array.dtype, name
        assert found[name].dtype.isnative, name
        assert found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


def native(arrays):
    return {
        name: np.asarray(a).astype(np.asarray(a).dtype.newbyteorder("="))
        for name, a in arrays.items()
    }
