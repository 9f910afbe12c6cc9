"""What all tests share: where the real meter data is, and how strict a missing service is."""

import os
from pathlib import Path

import pytest


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing(what: str) -> None:
    """Fail where nothing may be missing, else leave the test out with a notice."""
    if in_ci():
        pytest.fail(f"missing in CI: {what}")
    pytest.skip(f"left out: {what}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real meter data, named by KAWASAN_REAL_DATA."""
    folder = os.environ.get("KAWASAN_REAL_DATA")
    if not folder or not (Path(folder) / "steel_gwangyang_2018_15min.csv").is_file():
        missing("KAWASAN_REAL_DATA does not name a folder with steel_gwangyang_2018_15min.csv")
    return Path(str(folder))
