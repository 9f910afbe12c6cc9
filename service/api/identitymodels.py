"""Shapes of the API's answers about who somebody is, and about who did what."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from store.users import Scope, UserRole

__all__ = ["AuditAnswer", "AuditPage", "KeyAnswer", "KeyRequest", "MeAnswer", "NewKeyAnswer", "SessionAnswer"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class MeAnswer(_Answer):
    """Who you are, and what this login or key may be used for."""

    name: str
    role: UserRole
    parks: list[str]
    """Keys of the granted parks; an admin is granted all."""
    tenants: list[str]
    """Granted tenants, as `park/tenant`."""
    scopes: list[Scope]
    via: Literal["token", "session"]
    """Whether a token said so, or the login of the pages."""
    expires_at: datetime | None
    """When the token or login ends, used or not; null: not by itself."""


class KeyAnswer(_Answer):
    """A key of yours, without its secret."""

    id: int
    label: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    """Null: it does not expire."""
    last_used_at: datetime | None
    """To the minute; null: it was not used yet."""
    is_this: bool
    """Whether this request was sent with it."""


class NewKeyAnswer(_Answer):
    """A new key. Its secret is shown only in this answer."""

    id: int
    label: str
    scopes: list[Scope]
    expires_at: datetime
    secret: str
    """Send it as `Authorization: Bearer ...`."""


class KeyRequest(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    label: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$", examples=["report script"])
    """What it is for; no two of your keys have the same."""
    scopes: list[Scope] = Field(default=[Scope.READ], min_length=1, max_length=len(Scope))
    """`read` asks, `alarms` deals with alarms and episodes, `write` changes anything else; never more than you may."""
    valid_days: int = Field(default=90, ge=1, le=366)
    """After how many days it expires; not later than the key that asks for it."""


class SessionAnswer(_Answer):
    """A login of the pages that has not ended."""

    id: int
    address: str
    """Where it was opened from."""
    created_at: datetime
    seen_at: datetime
    """When it was last used, to the minute."""
    expires_at: datetime
    """When it ends if it is not used."""
    by_token: bool
    """Whether it was opened with a token, and ends with that."""
    is_this: bool


class AuditAnswer(_Answer):
    """Something that was done, or that was refused to somebody who logged in."""

    id: int
    at: datetime
    who: str
    """Name of the user; `cli:` and an account for commands; for a refused login the name that was tried."""
    act: str
    """`login`, `user added`, `correction entered` ..."""
    target: str
    """To what: a user, or the place of a channel, meter, series or rule."""
    outcome: Literal["done", "refused"]
    address: str
    """From where; empty: on the machine itself."""
    via: str
    """`page`, `api`, or the command."""
    parks: list[str]
    """Which parks it is about; empty: the installation."""
    detail: dict[str, Any]


class AuditPage(_Answer):
    """Lines of the audit log, newest first."""

    entries: list[AuditAnswer]
    next: str | None
    """Give it as `after` for those that follow; null: these were all."""
