"""New anchors and the old ones that they are most like."""

import numpy as np
import pytest

from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.nearest_anchors import (
    cell_shapes,
    concentric_overlaps,
    nearest_anchors,
)

OLD = AnchorParameters((32, 64), (8, 16), (0.5, 1, 2), (1,))


def test_shapes_are_in_strides():
    expected = [(4 * 2**0.5, 4 / 2**0.5), (4, 4), (4 / 2**0.5, 4 * 2**0.5)]
    np.testing.assert_allclose(cell_shapes(OLD), expected)


def test_overlaps_by_hand():
    """4 x 4 and 2 x 8 share 2 x 4 of 16 + 16 - 8; 4 x 4 lies in 4 x 8."""
    found = concentric_overlaps(np.array([[4.0, 4.0]]), np.array([[2.0, 8.0], [4.0, 8.0]]))
    np.testing.assert_allclose(found, [[8 / 24, 16 / 32]])


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param({}, None, id="the same"),
        pytest.param({"sizes": (16, 32), "scales": (1.1,)}, None, id="as many of each"),
        pytest.param({"ratios": (1,)}, [1], id="one ratio"),
        pytest.param({"ratios": (0.4, 3)}, [0, 2], id="other ratios"),
        pytest.param({"scales": (0.8, 2)}, [0, 0, 1, 1, 2, 2], id="more scales"),
        pytest.param(
            {"ratios": (1, 0.5), "order": "scale"}, [1, 0], id="another order in the cell"
        ),
        pytest.param({"sizes": (64,), "strides": (8,), "ratios": (0.3, 1)}, [0, 1], id="larger"),
    ],
)
def test_the_nearest_by_hand(new, expected):
    base = {name: getattr(OLD, name) for name in ("sizes", "strides", "ratios", "scales")}
    found = nearest_anchors(OLD, AnchorParameters(**base | new))
    assert found is None if expected is None else found.tolist() == expected
