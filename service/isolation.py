"""
A self-test of who sees what: what the views show each kind of user, against what the grants say.

The users are made up, one of each kind for each park and for some of its tenants, in a transaction that is never committed. What they
should see follows from the tables alone, by rules written here once more and not taken from the views.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, TypeAlias

from domain.quantities import CONCENTRATIONS
from service.api.subjects import is_about_discharge
from store import Role, connect
from store.isolation import (
    Owner,
    Shown,
    TriedUser,
    ViewColumns,
    api_views,
    newest,
    owners,
    right_faults,
    shown_to,
    tried,
)
from store.serverlogin import ServerLogin, server_logins
from store.users import UserRole

__all__ = ["Look", "look_at_isolation"]

_Owners: TypeAlias = Mapping[tuple[str, str], Owner]

_MOST_TENANTS = 5
"""How many tenants of a park are looked through; their grants differ only in the tenant."""
_BACK = timedelta(days=2)
"""How far back from the newest reading tables are read that grow with time."""
_GROWING = {
    "reading": "ts", "amount": "start", "kpi": "start", "judgement": "at", "ledger": "hour", "ledger_rejected": "hour",
    "health_sample": "at",
}  # fmt: skip
_BY_SOURCE = frozenset({"ledger", "ledger_rejected"})
_SAME_FOR_ALL = frozenset({"applied_file", "health"})

# The views that are what rows elsewhere refer to, and their id as which kind of owner.
_OF_ITSELF = {
    "park": "park", "tenant": "tenant", "meter": "meter", "channel": "channel", "context_series": "series", "alarm": "alarm",
    "closed_period": "period", "notification": "notification", "rejected_message": "message",
}  # fmt: skip
# Columns that say whose a row is, the nearest first.
_REFERRING = {
    "channel_id": "channel", "meter_id": "meter", "alarm_id": "alarm", "notification_id": "notification", "series_id": "series",
    "tenant_id": "tenant", "source": "source", "message_id": "message", "period_id": "period", "park_id": "park", "parks": "park_key",
}  # fmt: skip
_SUBJECT = ("subject_kind", "subject_id")
_SUBJECT_KINDS = ("park", "tenant", "meter")
_OF_PARK = frozenset({"park", "reference", "closed_period", "alarm_rule"})
"""Views that show everybody of a park what is the park's own."""
_COMPLETE = frozenset({"park", "tenant", "meter", "channel"})
"""Views that must show everything that the grants say, too."""
_WATER_ROLES = frozenset({"discharge", "inlet", "outlet"})
_WATER = frozenset({"effluent_volume", "effluent_flow", "ph", "temperature", "conductivity", *CONCENTRATIONS})
_WEIGHTS = frozenset({"production_t", "production_pcs", "area"})
_READS_ALL = frozenset({UserRole.OPERATOR.value, UserRole.AUDITOR.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found."""

    what: str
    """What was looked at."""
    said: str
    """What is right about it, as a sentence."""
    faults: tuple[str, ...] = ()
    """What is wrong, one sentence each; none: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seer:
    """A kind of user, and the made-up ones of it."""

    kind: str
    users: tuple[TriedUser, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What is compared with."""

    owned: _Owners
    views: tuple[ViewColumns, ...]
    parks: frozenset[int]
    since: datetime | None


@dataclass(slots=True)
class _Row:
    """Whose a row is."""

    owner: Owner | None
    """None: nobody's that is known, as a message to no park."""
    kpi: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)


def look_at_isolation(url: str) -> tuple[Look, ...]:
    """
    Look through every view of the API as each kind of user; changes nothing.

    Raises
    ------
    Unavailable
        The database cannot be reached, or the login may not act as the owner of the schema.
    """
    with connect(url, Role.MIGRATE, application="kawasan-check") as conn:
        rights, logins = right_faults(conn), server_logins(conn)
        owned = {(one.kind, one.key): one for one in owners(conn)}
        parks = frozenset(one.park_id for one in owned.values() if one.kind == "park")
        last = newest(conn)
        ground = _Ground(owned=owned, views=api_views(conn), parks=parks, since=None if last is None else last - _BACK)
        conn.rollback()
        seers = _seers(ground)
        looks = [
            Look(
                what="rights",
                said=f"the role of the API reads {len(ground.views)} views, and nothing else",
                faults=tuple(f"the role of the API: {fault}" for fault in rights),
            ),
            _unknown_views(ground),
            _logins(logins),
        ]
        with tried(conn, [user for seer in seers for user in seer.users if user.role]):
            for seer in seers:
                faults = tuple(
                    fault
                    for user in seer.users
                    for view in ground.views
                    for fault in _faults(ground, user, view, _reader(conn, user, view, ground.since))
                )
                many = "" if len(seer.users) == 1 else f", {len(seer.users)} of them"
                looks.append(Look(what=f"{seer.kind}{many}", said=_expected(seer), faults=faults))
    return tuple(looks)


def _logins(found: Sequence[ServerLogin]) -> Look:
    names = ", ".join(one.login for one in found)
    return Look(
        what="login of the server",
        said=f"{names} may become kawasan_api and kawasan_auth, and nothing else"
        if found
        else "no server is connected now; look again while one is",
        faults=tuple(
            f"{one.login} {fault}; give the server a login of its own by KAWASAN_SERVER_DATABASE_URL and `kawasan migrate`"
            for one in found
            for fault in one.faults
        ),
    )


def _expected(seer: _Seer) -> str:
    return (
        "sees nothing" if seer.kind in {"nobody", "a disabled user"} else "sees what the grants say, and nothing else"
    )


def _seers(ground: _Ground) -> tuple[_Seer, ...]:
    # Nobody can take such a name before, and nobody sees these.
    mark = f"kawasan-check-{token_hex(8)}"
    parks = sorted(ground.parks)
    tenants = {park: _tenants(ground, park) for park in parks}

    def of(role: UserRole, place: object, **grants: Any) -> TriedUser:
        return TriedUser(name=f"{mark}-{role.value}-{place}-{len(grants)}", role=role.value, **grants)

    def each(role: UserRole) -> tuple[TriedUser, ...]:
        return tuple(of(role, park, parks=(park,)) for park in parks)

    return (
        _Seer(kind="nobody", users=(TriedUser(name="", role=""),)),
        _Seer(kind="a disabled user", users=(of(UserRole.ADMIN, "disabled", disabled=True),)),
        _Seer(
            kind="a tenant",
            users=tuple(of(UserRole.TENANT, one, tenants=(one,)) for park in parks for one in tenants[park]),
        ),
        _Seer(kind="an officer", users=each(UserRole.OFFICER)),
        _Seer(
            kind="an officer with a tenant's energy",
            users=tuple(
                of(UserRole.OFFICER, one, parks=(park,), energy=(one,)) for park in parks for one in tenants[park][:1]
            ),
        ),
        _Seer(kind="an operator", users=each(UserRole.OPERATOR)),
        _Seer(kind="an auditor", users=each(UserRole.AUDITOR)),
        _Seer(kind="an admin", users=(of(UserRole.ADMIN, "all"),)),
    )


def _tenants(ground: _Ground, park: int) -> Sequence[int]:
    return [int(key) for (kind, key), one in ground.owned.items() if kind == "tenant" and one.park_id == park][
        :_MOST_TENANTS
    ]


def _unknown_views(ground: _Ground) -> Look:
    unknown = [view.name for view in ground.views if view.name not in _SAME_FOR_ALL and not _asked(view)]
    return Look(
        what="views",
        said="each says whose its rows are",
        faults=tuple(
            f"view api.{name} has no column that says whose its rows are; give it one, or a place in the self-test"
            for name in unknown
        ),
    )


def _asked(view: ViewColumns) -> tuple[str, ...]:
    """The columns by which whose a row is can be told."""
    wanted = [*_REFERRING, *_SUBJECT, "kpi"]
    if view.name in _OF_ITSELF:
        wanted.append("id")
    if view.name == "reference":
        wanted += ["kind", "key"]
    if view.name not in _BY_SOURCE:
        wanted.remove("source")
    found = tuple(column for column in view.columns if column in wanted)
    return () if found == ("kpi",) else found


def _reader(
    conn: Any, user: TriedUser, view: ViewColumns, since: datetime | None
) -> Callable[[Sequence[str]], frozenset[Shown]]:
    bound = None if since is None or view.name not in _GROWING else (_GROWING[view.name], since)
    return lambda columns: shown_to(conn, user.name, view.name, columns, since=bound)


def _faults(
    ground: _Ground, user: TriedUser, view: ViewColumns, read: Callable[[Sequence[str]], frozenset[Shown]]
) -> Iterator[str]:
    columns = _asked(view)
    if not columns:
        return
    rows = [_whose(ground, view.name, dict(zip(columns, shown, strict=True))) for shown in read(columns)]
    wrong = [row for row in rows if not _may_see(ground, user, view.name, row)]
    who = _who(user)
    if wrong:
        yield f"{who} sees in api.{view.name} rows of others, {len(wrong)} kinds of them, such as those of {wrong[0].columns}"
    if view.name in _COMPLETE:
        seen = {str(row.columns["id"]) for row in rows}
        missing = sorted(_granted(ground, user, view.name) - seen)
        if missing:
            yield f"{who} does not see {len(missing)} rows of api.{view.name} that are granted, such as {missing[0]}"


def _who(user: TriedUser) -> str:
    if not user.role:
        return "nobody"
    granted = [f"park {one}" for one in user.parks] + [f"tenant {one}" for one in user.tenants]
    return f"the {'disabled ' if user.disabled else ''}{user.role} of {' and '.join(granted) or 'all'}"


def _granted(ground: _Ground, user: TriedUser, view: str) -> set[str]:
    of_view: Iterable[Owner] = (one for one in ground.owned.values() if one.kind == _OF_ITSELF[view])
    return {one.key for one in of_view if _may_see(ground, user, view, _Row(owner=one))}


def _whose(ground: _Ground, view: str, columns: dict[str, Any]) -> _Row:
    kpi = columns.get("kpi")
    if view == "reference" and columns["kind"] == "contract":
        owner = ground.owned.get(("contract", f"{columns['park_id']}/{columns['key']}"))
        return _Row(owner=owner, columns=columns)
    if view in _OF_ITSELF:
        return _Row(owner=ground.owned.get((_OF_ITSELF[view], str(columns["id"]))), columns=columns)
    if columns.get("subject_kind") is not None:
        kind = _SUBJECT_KINDS[columns["subject_kind"]]
        return _Row(owner=ground.owned.get((kind, str(columns["subject_id"]))), kpi=kpi, columns=columns)
    for column, kind in _REFERRING.items():
        if columns.get(column) is not None:
            return _Row(owner=_referred(ground, kind, columns[column]), columns=columns)
    return _Row(owner=None, columns=columns)


def _referred(ground: _Ground, kind: str, value: Any) -> Owner | None:
    if kind == "park_key":
        return ground.owned.get((kind, value[0])) if len(value) == 1 else None
    found = ground.owned.get((kind, str(value)))
    # A source is `park/tenant`; one of a tenant that nobody knows is its park's.
    return found or (ground.owned.get(("park_key", value.split("/")[0])) if kind == "source" else None)


def _may_see(ground: _Ground, user: TriedUser, view: str, row: _Row) -> bool:
    if view in _SAME_FOR_ALL:
        return True
    if not user.role or user.disabled:
        return False
    owner = row.owner
    if owner is None:
        # What belongs to no known park is for those who have all parks; but how ingest stands, which serves all parks, for those of any.
        has_all = view == "health_sample" or set(user.parks) >= ground.parks
        return user.role == UserRole.ADMIN or (user.role in _READS_ALL and has_all)
    if user.role in _READS_ALL:
        return owner.park_id in user.parks
    if user.role == UserRole.TENANT:
        return owner.tenant_id in user.tenants if owner.tenant_id is not None else _is_common(ground, user, view, owner)
    return user.role == UserRole.ADMIN or (owner.park_id in user.parks and _may_officer(user, view, row, owner))


def _is_common(ground: _Ground, user: TriedUser, view: str, owner: Owner) -> bool:
    return view in _OF_PARK and owner.park_id in {ground.owned["tenant", str(one)].park_id for one in user.tenants}


def _may_officer(user: TriedUser, view: str, row: _Row, owner: Owner) -> bool:
    if owner.tenant_id in user.energy:
        # What a firm enters, and its contract, are not metered.
        return view not in {"reference", "context_series", "context_value"} or owner.quantity in _WEIGHTS
    if row.kpi is not None:
        return is_about_discharge(row.kpi) and (owner.kind != "meter" or owner.role in _WATER_ROLES)
    if owner.kind in {"channel", "alarm"} and owner.quantity:
        return owner.role in _WATER_ROLES and (owner.quantity in _WATER or owner.quantity.startswith("load_"))
    if owner.kind == "meter":
        return owner.role in _WATER_ROLES
    if owner.kind == "series":
        return owner.quantity in _WEIGHTS
    # An alarm without a channel is of a KPI, and kept from officers by the KPI of its rule.
    return owner.kind in {"alarm", "notification"} or (view in _OF_PARK | {"tenant"} and owner.kind != "contract")
