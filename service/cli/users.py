"""Commands about users, their passwords and their tokens."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from domain.errors import InputError
from service.identity.firstadmin import give_one_time_password, with_connection
from service.identity.tokens import new_secret
from service.settings import load_settings
from store import Role, connect
from store.identity import Key, keys_of
from store.users import (
    Scope,
    User,
    UserRole,
    create_user,
    disable_user,
    drop_token,
    enable_user,
    grant_energy,
    list_users,
    set_token,
    token_hash,
)

__all__ = ["app", "new_token"]

app = typer.Typer(help="Add users, list them, and give them passwords and tokens.", no_args_is_help=True)

_LABEL = "cli"

Name = Annotated[str, typer.Argument(help="Name of the user.")]
Label = Annotated[str, typer.Option(help="Name of the token; one of the same name is replaced.")]
ValidDays = Annotated[
    int | None, typer.Option(min=1, max=36_500, help="After how many days the token expires.", show_default="never")
]

Scopes = Annotated[
    list[Scope] | None,
    typer.Option(help="What the token may be used for; may be given several times.", show_default="all of them"),
]


def new_token() -> str:
    """A token of 256 random bits; only its hash is ever stored."""
    return new_secret()


def _give(url: str, name: str, label: str, valid_days: int | None, scopes: list[Scope] | None = None) -> str:
    token = new_token()
    expires_at = None if valid_days is None else datetime.now(UTC) + timedelta(days=valid_days)
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        set_token(conn, name, token_hash(token), label=label, expires_at=expires_at, scopes=scopes or tuple(Scope))
    return token


@app.command("add")
def add(  # noqa: PLR0917 - typer's options
    name: Name,
    role: Annotated[UserRole, typer.Option(help="What the user is; decides what is seen.")],
    park: Annotated[list[str] | None, typer.Option(help="Key of a granted park; may be given several times.")] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Granted tenant, as PARK/TENANT; may be given several times.")
    ] = None,
    label: Label = _LABEL,
    valid_days: ValidDays = None,
    password: Annotated[
        bool, typer.Option("--password", help="Give a one-time password too, for the login of the page.")
    ] = False,
) -> None:
    """Add a user, or bring one of that name to this role and these grants; prints a new token, once."""
    url = load_settings().need_database()
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        user = create_user(conn, name, role, parks=park or (), tenants=tenant or ())
    print(f"{_shown(user)}\ntoken (shown only now): {_give(url, name, label, valid_days)}")
    if password:
        print(_told(give_one_time_password(url, name)))


@app.command("list")
def show() -> None:
    """List users with their roles and grants."""
    with connect(load_settings().need_database(), Role.AUTH, application="kawasan-user") as conn:
        users = list_users(conn)
    for user in users:
        print(_shown(user))
    if not users:
        print("there are no users yet; `kawasan user add NAME --role operator --park KEY` makes one")


@app.command("token")
def token(name: Name, label: Label = _LABEL, valid_days: ValidDays = None, scope: Scopes = None) -> None:
    """Give a user a new token in place of the one of that label, and print it, once."""
    print(_give(load_settings().need_database(), name, label, valid_days, scope))


@app.command("grant")
def grant(
    name: Name,
    energy: Annotated[
        list[str] | None,
        typer.Option(
            help="Tenant, as PARK/TENANT, of whom the officer sees all that is metered; may be given several times."
        ),
    ] = None,
) -> None:
    """Let an officer see the energy and water of these tenants, and of no others; without any, of none."""
    with connect(load_settings().need_database(), Role.AUTH, application="kawasan-user") as conn:
        print(_shown(grant_energy(conn, name, energy or ())))


@app.command("tokens")
def tokens(name: Name) -> None:
    """List the tokens of a user: label, scopes, until when they hold, and when they were last used."""
    url = load_settings().need_database()
    _known(url, name)
    found = with_connection(url, Role.AUTH, lambda conn: keys_of(conn, name))
    for one in found:
        print(_line(one))
    if not found:
        print(f"{name} has no tokens; `kawasan user token {name}` makes one")


@app.command("revoke")
def revoke(name: Name, label: Label = _LABEL) -> None:
    """Take a token from a user; logins of the page that were opened with it end too."""
    with connect(load_settings().need_database(), Role.AUTH, application="kawasan-user") as conn:
        dropped = drop_token(conn, name, label=label)
    if not dropped:
        raise InputError(f"user {name!r} has no token {label!r}; `kawasan user tokens {name}` lists them")
    print(f"{name}: token {label} is revoked")


@app.command("password")
def password(name: Name) -> None:
    """Give a user a one-time password, and print it, once; it must be changed at the first login. All logins of the user end."""
    print(_told(give_one_time_password(load_settings().need_database(), name)))


@app.command("disable")
def disable(name: Name) -> None:
    """Take a user's access away: logins, tokens and all. What the user did stays, with the name."""
    url = load_settings().need_database()
    _known(url, name)
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        changed = disable_user(conn, name)
    print(f"{name} is disabled" if changed else f"{name} was disabled already")


@app.command("enable")
def enable(name: Name) -> None:
    """Give a disabled user access again, with the same tokens and password."""
    url = load_settings().need_database()
    _known(url, name)
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        changed = enable_user(conn, name)
    print(f"{name} is enabled" if changed else f"{name} was not disabled")


def _known(url: str, name: str) -> None:
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        names = [user.name for user in list_users(conn)]
    if name not in names:
        raise InputError(f"no user {name!r} in the database; `kawasan user list` shows them")


def _told(one_time: str) -> str:
    return f"one-time password (shown only now, to be changed at the first login within 7 days): {one_time}"


def _line(one: Key) -> str:
    until = f"until {one.expires_at:%Y-%m-%d %H:%M} UTC" if one.expires_at else "without end"
    used = f"last used {one.last_used_at:%Y-%m-%d %H:%M} UTC" if one.last_used_at else "never used"
    return f"{one.label}: {', '.join(one.scopes)}; {until}; {used}"


def _shown(user: User) -> str:
    grants = ", ".join((*user.parks, *user.tenants)) or ("all parks" if user.role is UserRole.ADMIN else "no grants")
    energy = f", with the energy of {', '.join(user.energy)}" if user.energy else ""
    return f"{user.name}: {user.role.value} of {grants}{energy}{' (disabled)' if user.disabled else ''}"
