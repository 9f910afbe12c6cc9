"""What all tests share: real servers (`tests.support.services`) and where the real meter data is."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.strictness import missing

pytest_plugins = [
    "tests.support.services",
    "tests.support.brokers",
    "tests.support.databases",
    "tests.support.receivers",
]


# Those that take longest begin, or the last of several processes would be at one of them when the others are done.
_ORDER = ("e2e", "browser", "integration", "property")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort tests by kind; within a kind they stay as they were shuffled."""
    tests = config.rootpath / "tests"
    items.sort(key=lambda item: _place(item.path.relative_to(tests).parts if item.path.is_relative_to(tests) else ()))


def _place(parts: Sequence[str]) -> int:
    return _ORDER.index(parts[0]) if parts and parts[0] in _ORDER else len(_ORDER)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real meter data, named by KAWASAN_REAL_DATA."""
    folder = os.environ.get("KAWASAN_REAL_DATA")
    if not folder or not (Path(folder) / "steel_gwangyang_2018_15min.csv").is_file():
        missing("KAWASAN_REAL_DATA does not name a folder with steel_gwangyang_2018_15min.csv")
    return Path(folder)
