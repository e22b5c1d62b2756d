"""Shared fixtures, and what keeps a long run of tests fast and quiet."""

import gc
import os
from pathlib import Path

import pytest

from tests.browser import browser, browser_page

__all__ = ["browser", "browser_page"]  # fixtures

REAL_DATA = Path(
    os.environ.get("RETINANET_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
)


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real pictures, or skip: it is not part of the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}; name its folder in RETINANET_TEST_DATA")
    return REAL_DATA


# `-W error` on the command line overrides the exceptions of pyproject.toml; marks override it.
EXCEPTIONS = (
    # Keras 3.15 hands its variables to np.array(), and their __array__ has no `copy` yet
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
)


def pytest_collection_modifyitems(items):
    """Let every test pass over the warnings of third parties that are named above."""
    for item in items:
        for exception in EXCEPTIONS:
            item.add_marker(pytest.mark.filterwarnings(exception))


def pytest_collection_finish():
    """Let the garbage collector pass over all that importing libraries and tests has left."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Let it pass over what a file's tests leave, too: graphs, by the million objects.

    Keras and TensorFlow keep them long. Without it 13 % of a run went into collections, some of
    which took a minute; with it 5 %.
    """
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
