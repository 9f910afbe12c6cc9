"""Commands about users and their tokens."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from service.settings import load_settings
from store import Role, connect
from store.users import User, UserRole, create_user, list_users, set_token, token_hash

__all__ = ["app", "new_token"]

app = typer.Typer(help="Add users, list them, and give them tokens.", no_args_is_help=True)

_LABEL = "cli"

Name = Annotated[str, typer.Argument(help="Name of the user.")]
Label = Annotated[str, typer.Option(help="Name of the token; one of the same name is replaced.")]
ValidDays = Annotated[
    int | None, typer.Option(min=1, max=36_500, help="After how many days the token expires.", show_default="never")
]


def new_token() -> str:
    """A token of 256 random bits; only its hash is ever stored."""
    return secrets.token_urlsafe(32)


def _give(url: str, name: str, label: str, valid_days: int | None) -> str:
    token = new_token()
    expires_at = None if valid_days is None else datetime.now(UTC) + timedelta(days=valid_days)
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        set_token(conn, name, token_hash(token), label=label, expires_at=expires_at)
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
) -> None:
    """Add a user, or bring one of that name to this role and these grants; prints a new token, once."""
    url = load_settings().need_database()
    with connect(url, Role.AUTH, application="kawasan-user") as conn:
        user = create_user(conn, name, role, parks=park or (), tenants=tenant or ())
    print(f"{_shown(user)}\ntoken (shown only now): {_give(url, name, label, valid_days)}")


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
def token(name: Name, label: Label = _LABEL, valid_days: ValidDays = None) -> None:
    """Give a user a new token in place of the one of that label, and print it, once."""
    print(_give(load_settings().need_database(), name, label, valid_days))


def _shown(user: User) -> str:
    grants = ", ".join((*user.parks, *user.tenants)) or ("all parks" if user.role is UserRole.ADMIN else "no grants")
    return f"{user.name}: {user.role.value} of {grants}{' (disabled)' if user.disabled else ''}"
