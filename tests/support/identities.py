"""An API over a database with two parks and a user of each role, each with a password and a token."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from service.identity.firstadmin import with_connection
from service.identity.passwords import hash_password
from store import Role, connect
from store.audit import Note
from store.passwords import set_password
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.served import Api, served

PASSWORD = "correct horse battery"
USERS: dict[str, tuple[UserRole, dict[str, list[str]]]] = {
    "ani": (UserRole.OPERATOR, {"parks": ["p"]}),
    "tono": (UserRole.TENANT, {"tenants": ["p/a"]}),
    "olga": (UserRole.OFFICER, {"parks": ["p"]}),
    "udo": (UserRole.AUDITOR, {"parks": ["p"]}),
    "qia": (UserRole.OPERATOR, {"parks": ["q"]}),
    "boss": (UserRole.ADMIN, {}),
}


def fill_identities(url: str) -> dict[str, int]:
    """The parks and users; ids of channels by their place in the park."""
    e = meter("e", channel("energy_import", "register"), channel("power"))
    w = meter("w", channel("cod"), channel("effluent_flow"), role="discharge")
    ids = apply_to(url, park_file(tenant("a", e, w), tenant("b", e)))
    apply_to(url, park_file(tenant("c", e), key="q"))
    with connect(url, Role.AUTH) as conn:
        for name, (role, grants) in USERS.items():
            create_user(conn, name, role, **grants)
            set_token(conn, name, token_hash(f"token of {name}"), label="test")
    with_connection(url, Role.AUTH, lambda conn: _give_passwords(conn, hash_password(PASSWORD)))
    return ids


async def _give_passwords(conn: AsyncConnection[Any], hash_: str) -> None:
    for name in USERS:
        await set_password(conn, name, hash_, line=Note(act="password set", target=name, concerns=name))


@pytest.fixture
def filled_identities(kawasan_url: str) -> str:
    """Address of the filled database, on TimescaleDB and on the embedded PostgreSQL."""
    fill_identities(kawasan_url)
    return kawasan_url


@pytest.fixture
async def identities(filled_identities: str) -> AsyncIterator[Api]:
    """The API over it."""
    async with served(filled_identities) as running:
        yield running


def bearer(name: str) -> dict[str, str]:
    """Headers of a request by a user's token."""
    return {"Authorization": f"Bearer token of {name}"}
