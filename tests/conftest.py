"""What all tests share: real servers (`tests.support.services`) and where the real meter data is."""

import os
from pathlib import Path

import pytest

from tests.support.strictness import missing

pytest_plugins = [
    "tests.support.services",
    "tests.support.brokers",
    "tests.support.databases",
    "tests.support.receivers",
]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real meter data, named by KAWASAN_REAL_DATA."""
    folder = os.environ.get("KAWASAN_REAL_DATA")
    if not folder or not (Path(folder) / "steel_gwangyang_2018_15min.csv").is_file():
        missing("KAWASAN_REAL_DATA does not name a folder with steel_gwangyang_2018_15min.csv")
    return Path(folder)
