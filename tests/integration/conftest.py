"""What several tests of the store begin with: a small park, its channels, and a writer's connection."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import Connection

from store.connection import Role, connect
from tests.support.databases import apply_to, channel, meter, park_file, tenant


@pytest.fixture
def applied(kawasan_url: str) -> tuple[str, list[int]]:
    """A database with a small park, and the ids of its channels."""
    ids = apply_to(kawasan_url, park_file(tenant("a", meter("m", channel("ph"), channel("cod")))))
    return kawasan_url, [ids["a/m/ph"], ids["a/m/cod"]]


@pytest.fixture
def channels(applied: tuple[str, list[int]]) -> list[int]:
    """Ids of the small park's channels."""
    return applied[1]


@pytest.fixture
def conn(applied: tuple[str, list[int]]) -> Iterator[Connection[Any]]:
    """A writer's connection to the small park's database."""
    with connect(applied[0], Role.WRITE) as conn:
        yield conn
