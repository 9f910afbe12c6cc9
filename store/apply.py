"""Bring the registry of a park to its park file, and say in words what changed."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.errors import RegistryError
from domain.parkfile import ParkFile
from domain.time import to_datetime
from store.alarmsapplied import bring_alarm_rules, bring_contacts
from store.connection import database_errors
from store.dated import Dated, Fact, Facts, supersede, written
from store.statements import query
from store.touched import Touched
from store.wanted import Wanted, WantedChannel, WantedMeter, WantedTenant, differences, wanted_rows

__all__ = ["Change", "apply_park"]

_MULTIPLIERS = Dated(name="multipliers", word="multiplier", key=("valid_from",))
_EXCHANGES = Dated(name="exchanges", word="exchange", key=("at",))
_UNITS = Dated(name="units", word="unit", key=("valid_from",))
_OUTAGES = Dated(name="outages", word="outage", key=("valid_from",))
_DEVICES = Dated(name="devices", word="device", key=("serial", "valid_from"))
_RULES = Dated(name="rules", word="rule", key=("key", "valid_from"))

# What of a row changes numbers; names, sectors and the unit on the wire do not.
_METER_COUNTS = frozenset({"role", "parent", "demand_block_s", "error_share"})
_CHANNEL_COUNTS = frozenset(
    {"kind", "unit", "interval_s", "statistic", "resolution", "modulus", "max_rate", "concentration", "flow"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that applying a park file changed."""

    subject: str
    """`park x`, `tenant x/y`, `meter x/y/z`, `channel x/y/z/quantity`, `alarm x/key` or `contact x/key`."""
    what: str
    """For people: `name changed from "A" to "B"`, `added`, `closed` ..."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}"


@dataclass(slots=True, kw_only=True)
class _Application:
    conn: Connection[Any]
    key: str
    park_id: int
    now: datetime
    ticked_to: datetime | None
    touched: Touched
    changes: list[Change] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    """Ids of tenants, meters and channels by their place in the park; those that were closed, too."""
    channels_of: dict[str, list[int]] = field(default_factory=dict)
    """Ids of a meter's channels, by the meter's place."""

    def say(self, word: str, place: str, what: str) -> None:
        self.changes.append(Change(subject=f"{word} {self.key}/{place}", what=what))

    def rows(self, name: str) -> dict[str, DictRow]:
        with self.conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query(name), {"park_id": self.park_id}).fetchall()
        return {row["place"]: row for row in rows}


def apply_park(conn: Connection[Any], park_file: ParkFile, *, now_us: int | None = None) -> tuple[Change, ...]:
    """
    Make a park's registry what its (checked) park file says; commits. Role MIGRATE.

    Idempotent: applied twice, the second time changes nothing. Nothing is deleted: what the file no
    longer names is closed at `now_us`. Dated facts are superseded, never updated. Whatever changes
    numbers puts the spans it changes into the queue, in the same transaction; if anything changed, the
    park's version is raised and `kawasan_registry` notified. A new time zone or base interval makes all
    amounts and KPIs of the park anew. Of alarm rules and contacts, see :mod:`store.alarmsapplied`.

    Parameters
    ----------
    park_file : ParkFile
        One that :func:`domain.parkfile.mistakes` finds nothing wrong with.
    now_us : int or None
        When it happens; None: the database's clock. [us UTC]

    Raises
    ------
    RegistryError
        The file names a park, tenant or meter that it does not describe: it was not checked. Or it has an alarm rule of the key of
        one that somebody entered by the API.
    Unavailable
        The database is away, or the connection's role may not do it.
    """
    wanted = wanted_rows(park_file)
    with database_errors(f"applying park {park_file.park.key}"), conn.transaction():
        conn.execute(query("apply_lock"))
        conn.execute(query("apply_wait"), {"key": park_file.park.key})
        now = _now(conn, now_us)
        application = _park(conn, park_file.park.key, wanted, now)
        _tenants(application, wanted.tenants)
        _meters(application, wanted.meters)
        _channels(application, wanted.channels)
        _facts(application, wanted)
        _rules(application, wanted)
        _alarms(application, park_file)
        application.touched.append(conn)
        step = 1 if application.changes else 0
        document = {"id": application.park_id, "step": step, "document": park_file.model_dump_json()}
        conn.execute(query("apply_park_version"), document)
        if application.changes:
            conn.execute(query("apply_notify"), {"key": application.key})
    return tuple(application.changes)


def _now(conn: Connection[Any], now_us: int | None) -> datetime:
    if now_us is not None:
        return to_datetime(now_us)
    row = conn.execute(query("apply_now")).fetchone()
    if row is None:
        raise RegistryError("the database did not tell the time")
    moment: datetime = row[0]
    return moment


def _park(conn: Connection[Any], key: str, wanted: Wanted, now: datetime) -> _Application:
    with conn.cursor(row_factory=dict_row) as cursor:
        current = cursor.execute(query("apply_park"), {"key": key}).fetchone()
        if current is None:
            made = cursor.execute(query("apply_park_insert"), {"key": key, **wanted.park}).fetchone()
            park_id = made["id"] if made else 0
            changes = [Change(subject=f"park {key}", what="added")]
            return _Application(
                conn=conn, key=key, park_id=park_id, now=now, ticked_to=None, touched=Touched(now=now), changes=changes
            )
    application = _Application(
        conn=conn, key=key, park_id=current["id"], now=now, ticked_to=current["ticked_to"], touched=Touched(now=now)
    )
    changed = differences(current, wanted.park)
    for name, value in changed.items():
        what = f"{name} changed from {written(current[name])} to {written(value)}"
        application.changes.append(Change(subject=f"park {key}", what=what))
    if changed:
        conn.execute(query("apply_park_update"), {"id": current["id"], **wanted.park})
    if changed.keys() & {"timezone", "base_s"}:
        # The intervals themselves are others now: rows of the old ones would stand between the new.
        conn.execute(query("apply_forget_amounts"), {"park_id": current["id"]})
        conn.execute(query("apply_forget_kpis"), {"park_id": current["id"]})
        conn.execute(query("alarm_rules_again"), {"park_id": current["id"]})
        for row in application.rows("apply_channels").values():
            application.touched.silence(row["id"], row["valid_from"], row["valid_to"])
            application.touched.readings(row["id"])
    return application


def _closed(current: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """What becomes of a row the file no longer names; None: it was closed before."""
    if current["valid_to"] is not None and current["valid_to"] <= now:
        return None
    return {"valid_to": max(now, current["valid_from"])}


def _bring(
    application: _Application,
    word: str,
    wanted: Iterable[WantedTenant | WantedMeter | WantedChannel],
    changed: Callable[[str, DictRow, dict[str, Any]], None],
) -> list[str]:
    """Bring one table's rows to what is wanted: insert, update, close; answers the places that were added."""
    current = application.rows(f"apply_{word}s")
    application.ids.update({place: row["id"] for place, row in current.items()})
    rows = {row.place: row.columns for row in wanted}
    added = []
    for place, columns in rows.items():
        if place not in current:
            parameters = {"park_id": application.park_id, "place": place, **columns}
            made = application.conn.execute(query(f"apply_{word}_insert"), parameters).fetchone()
            if made is None:
                raise RegistryError(f"{word} {place}: belongs to nothing in the park file; check the file first")
            application.ids[place] = made[0]
            application.say(word, place, "added")
            added.append(place)
            continue
        differing = differences(current[place], columns)
        if _update(application, word, current[place], differing):
            changed(place, current[place], differing)
    for place in sorted(current.keys() - rows.keys()):
        closing = _closed(current[place], application.now)
        if closing is not None and _update(application, word, current[place], closing):
            changed(place, current[place], closing)
    return added


def _update(application: _Application, word: str, current: DictRow, differing: dict[str, Any]) -> bool:
    if not differing:
        return False
    application.conn.execute(query(f"apply_{word}_update"), {**current, **differing})
    for name, value in differing.items():
        what = f"{name} changed from {written(current[name])} to {written(value)}"
        application.say(word, current["place"], what)
    return True


def _tenants(application: _Application, wanted: tuple[WantedTenant, ...]) -> None:
    _bring(application, "tenant", wanted, lambda _place, _current, _differing: None)


def _meters(application: _Application, wanted: tuple[WantedMeter, ...]) -> None:
    for place, channel in application.rows("apply_channels").items():
        application.channels_of.setdefault(place.rpartition("/")[0], []).append(channel["id"])
    moved: set[str] = set()

    def changed(place: str, _current: DictRow, differing: dict[str, Any]) -> None:
        if "parent" in differing:
            moved.add(place)
        if differing.keys() & _METER_COUNTS:
            for channel_id in application.channels_of.get(place, []):
                application.touched.readings(channel_id)

    moved.update(_bring(application, "meter", wanted, changed))
    for row in wanted:
        if row.place in moved:
            parent = row.columns["parent"]
            if parent is not None and parent not in application.ids:
                raise RegistryError(
                    f"meter {row.place}: parent {parent!r} is no meter of this park; check the file first"
                )
            parameters = {
                "id": application.ids[row.place],
                "parent_id": None if parent is None else application.ids[parent],
            }
            application.conn.execute(query("apply_meter_parent"), parameters)


def _channels(application: _Application, wanted: tuple[WantedChannel, ...]) -> None:
    touched = application.touched

    def changed(_place: str, current: DictRow, differing: dict[str, Any]) -> None:
        if differing.keys() & _CHANNEL_COUNTS:
            touched.readings(current["id"])
        for name in ("valid_from", "valid_to"):
            if name in differing:
                edges = [moment or application.now for moment in (current[name], differing[name])]
                touched.silence(current["id"], min(edges), max(edges))

    added = _bring(application, "channel", wanted, changed)
    for row in wanted:
        if row.place not in added:
            continue
        if application.ticked_to is not None:
            # It was expected to speak in intervals that are final already.
            touched.silence(application.ids[row.place], row.columns["valid_from"], row.columns["valid_to"])
        if row.columns["concentration"] is not None:
            meter = row.place.rpartition("/")[0]
            touched.readings(application.ids[f"{meter}/{row.columns['concentration']}"])


def _facts(application: _Application, wanted: Wanted) -> None:
    touched, ids = application.touched, application.ids
    places = {number: place for place, number in ids.items() if place.count("/") == 2}  # noqa: PLR2004 - channels
    meters = {number: place for place, number in ids.items() if place.count("/") == 1}
    for kind, rows in (
        (_MULTIPLIERS, {ids[row.place]: row.multipliers for row in wanted.channels}),
        (_EXCHANGES, {ids[row.place]: row.exchanges for row in wanted.channels}),
        (_UNITS, {ids[row.place]: row.units for row in wanted.channels}),
    ):
        for fact in _bring_facts(application, kind, rows):
            application.say("channel", places[fact.owner], fact.what)
            if kind is not _UNITS:
                # Another unit on the wire counts for what comes in from now on; what is stored stays.
                touched.readings(fact.owner, fact.start)
    for fact in _bring_facts(application, _OUTAGES, {ids[row.place]: row.outages for row in wanted.meters}):
        application.say("meter", meters[fact.owner], fact.what)
        for place, channel_id in ids.items():
            if place.startswith(f"{meters[fact.owner]}/"):
                touched.silence(channel_id, fact.start, fact.stop)
    for fact in _bring_facts(application, _DEVICES, {ids[row.place]: row.devices for row in wanted.meters}):
        application.say("meter", meters[fact.owner], fact.what)


def _bring_facts(
    application: _Application, kind: Dated, rows: Mapping[int, Mapping[tuple[Any, ...], dict[str, Any]]]
) -> list[Fact]:
    def wanted(current: Facts, entered: Collection[tuple[int, tuple[Any, ...]]]) -> Facts:
        # What the file no longer names was closed: its past keeps the facts it was computed with. What people
        # entered stays beside what the file says, until the file says something else of the same moment.
        kept = {place: columns for place, columns in current.items() if place[0] not in rows or place in entered}
        return {**kept, **{(owner, key): columns for owner, facts in rows.items() for key, columns in facts.items()}}

    return supersede(application.conn, kind, application.park_id, application.now, wanted)


def _rules(application: _Application, rows: Wanted) -> None:
    now = application.now
    named = {rule.key[0] for rule in rows.rules}

    def wanted(current: Facts, _entered: Collection[tuple[int, tuple[Any, ...]]]) -> Facts:
        facts: Facts = {(application.ids[rule.place], rule.key): rule.columns for rule in rows.rules}
        for (owner, key), columns in current.items():
            # A rule the file no longer has ends now: what was judged by it stands.
            if key[0] not in named and key[-1] < now:
                stop = columns["valid_to"]
                facts[owner, key] = {**columns, "valid_to": now if stop is None or stop > now else stop}
        return facts

    places = {number: place for place, number in application.ids.items() if place.count("/") == 2}  # noqa: PLR2004
    for fact in supersede(application.conn, _RULES, application.park_id, now, wanted):
        application.say("channel", places[fact.owner], fact.what)
        application.touched.readings(fact.owner, fact.start)


def _alarms(application: _Application, file: ParkFile) -> None:
    of_park = {"begins": file.park.valid_from, "now": application.now}
    contacts = bring_contacts(application.conn, application.park_id, file.contacts, **of_park)
    rules = bring_alarm_rules(application.conn, application.park_id, file.alarms, **of_park)
    for word, changed in (("contact", contacts), ("alarm", rules)):
        for key, what in changed:
            application.say(word, key, what)
    if rules:
        application.conn.execute(query("alarm_wake"), {"park_id": application.park_id})
