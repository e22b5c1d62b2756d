"""Shared fixtures: where real data lies, and a seed for every test."""

import os
from pathlib import Path

import pytest

REAL_DATA = Path(
    os.environ.get("RETINANET_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
)


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real pictures, or skip: it is not part of the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}; name its folder in RETINANET_TEST_DATA")
    return REAL_DATA
