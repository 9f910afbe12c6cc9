"""What is wrong with alarm rules and contacts, in sentences: in themselves, between each other, and against their park.

All checks run, so that one reading of the list mends the file. Whether a KPI exists is told by the service, which knows the
catalogue.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import pairwise

from domain.alarmbounds import bound_mistakes, in_most, window_mistakes
from domain.alarmentries import AlarmEntry, ContactEntry, SuppressEntry, contact_of
from domain.alarmground import Ground, Place, Target, pattern_of
from domain.alarms import Severity
from domain.errors import UnitError
from domain.notifications import Contact
from domain.parkentries import Life, ParkFile
from domain.quantities import QUANTITIES
from domain.registry import Kind, Registry
from domain.watchentries import AmountWatch, ComplianceWatch, HealthWatch, KpiWatch, SilenceWatch, in_unit
from domain.watches import suppressing_channel

__all__ = ["alarm_problems", "contact_problems"]

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_SHOWN = 12
_PARTS = {"channels": "tenant/meter/quantity", "meters": "tenant/meter", "tenants": "tenant"}


def alarm_problems(
    park: ParkFile | Registry,
    entries: Sequence[AlarmEntry] | None = None,
    *,
    contacts: Sequence[ContactEntry] | None = None,
) -> tuple[str, ...]:
    """
    Everything in alarm rules that contradicts itself, each other, or their park, one sentence each.

    Parameters
    ----------
    park : ParkFile or Registry
        What they are about; of the right shape, but it may have mistakes of its own.
    entries : sequence of AlarmEntry, optional
        The rules to look at, all versions that are to hold; None: those of the park file, or all of the registry. Rules of
        the park that are not among them may still be named as suppressing.
    contacts : sequence of ContactEntry, optional
        Who may be told; None: those of the park.

    Returns
    -------
    tuple of str
        In the order of the rules; empty where they can be applied.
    """
    is_file = isinstance(park, ParkFile)
    ground = Ground.of_file(park) if isinstance(park, ParkFile) else Ground.of_registry(park)
    known = park.alarms if isinstance(park, ParkFile) else tuple(rule.entry for rule in park.alarm_rules)
    looked_at = known if entries is None else tuple(entries)
    told = _contacts(park, contacts)
    others = {entry.key for entry in looked_at}
    every = (*looked_at, *(entry for entry in known if entry.key not in others))
    return (
        *(f"alarm {entry.key}: {sentence}" for entry in looked_at for sentence in _rule(ground, entry, every, told)),
        *(_versions(ground, looked_at) if entries is not None or is_file else ()),
        *_circles(every),
    )


def contact_problems(contacts: Sequence[ContactEntry]) -> tuple[str, ...]:
    """What is wrong between contacts: keys that stand twice."""
    twice = [key for key, count in Counter(contact.key for contact in contacts).items() if count > 1]
    return tuple(f"contact {key}: the key stands twice; keys of contacts are unique in the park" for key in twice)


def _contacts(park: ParkFile | Registry, contacts: Sequence[ContactEntry] | None) -> Mapping[str, Contact]:
    if contacts is None and isinstance(park, Registry):
        return {contact.key: contact for contact in park.contacts}
    entries = park.contacts if contacts is None and isinstance(park, ParkFile) else contacts or ()
    return {entry.key: contact_of(entry) for entry in entries}


def _rule(
    ground: Ground, entry: AlarmEntry, every: Sequence[AlarmEntry], contacts: Mapping[str, Contact]
) -> Iterator[str]:
    targets = ground.targets(entry.watch)
    yield from _dates(ground, entry)
    yield from _places(ground, entry, targets)
    yield from window_mistakes(ground, entry, targets)
    yield from bound_mistakes(ground, entry, targets)
    for suppress in entry.suppress:
        yield from _suppress(ground, entry, suppress, every, targets)
    yield from _tell(entry, contacts)


def _life(ground: Ground, entry: AlarmEntry) -> Life:
    return Life(entry.valid_from or ground.begins or _BEFORE_ALL, entry.valid_to)


def _written(life: Life) -> str:
    return str(life).replace(_BEFORE_ALL.isoformat(), "the beginning")


def _dates(ground: Ground, entry: AlarmEntry) -> Iterator[str]:
    life = _life(ground, entry)
    if life.stop is not None and life.stop <= life.start:
        yield f"valid_to {life.stop.isoformat()} is not after valid_from {_written(life).split(' to ')[0]}"
    elif ground.begins is not None and life.start < ground.begins:
        yield f"its time {life} is not within that of the park, {Life(ground.begins, None)}"


def _versions(ground: Ground, entries: Sequence[AlarmEntry]) -> Iterator[str]:
    ordered = sorted(entries, key=lambda entry: (entry.key, _life(ground, entry).start))
    for entry, follower in pairwise(ordered):
        life, following = _life(ground, entry), _life(ground, follower)
        if entry.key == follower.key and (life.stop is None or following.start < life.stop):
            yield (
                f"alarm {entry.key}: stands twice at the same time ({_written(life)} and {_written(following)}); "
                "end the one before the next begins"
            )


def _places(ground: Ground, entry: AlarmEntry, targets: Sequence[Target]) -> Iterator[str]:
    watch = entry.watch
    if isinstance(watch, HealthWatch) or targets:
        return
    pattern, named = pattern_of(watch), ground.named(watch)
    if named:
        yield _unfit(ground, entry, named[0])
        return
    if isinstance(watch, KpiWatch):
        word, shape = ("meter", "tenant/meter") if "/" in pattern else ("tenant", "park, a tenant, or tenant/meter")
        keys = [place.key for place in (ground.meters if "/" in pattern else ground.tenants)]
    else:
        plural = watch.silence if isinstance(watch, SilenceWatch) else "channels"
        word, shape = plural.removesuffix("s"), _PARTS[plural]
        keys = [
            place.key for place in {"meters": ground.meters, "tenants": ground.tenants}.get(plural, ground.channels)
        ]
    if "*" in pattern:
        yield f"{pattern!r} matches no {word} of this park; write it as {shape}, in which * stands for any letters within one part"
    else:
        yield f"{pattern!r} is no {word} of this park; {_hint(pattern, keys, shape)}"


def _hint(key: str, keys: Sequence[str], shape: str) -> str:
    meter, _, quantity = key.rpartition("/")
    measured = [one.rpartition("/")[2] for one in keys if quantity and one.rpartition("/")[0] == meter]
    if measured and meter.count("/") == 1:
        return f"{meter} has {', '.join(measured)}"
    close = get_close_matches(key, keys, n=1, cutoff=0.8)
    return f"did you mean {close[0]}?" if close else f"write it as {shape}"


def _unfit(ground: Ground, entry: AlarmEntry, place: Place) -> str:
    """Why a watch cannot take its values from a place that its pattern names."""
    watch = entry.watch
    kind = place.kind.value if place.kind is not None else ""
    if isinstance(watch, ComplianceWatch):
        if watch.window is not None and place.key in ground.limits:
            windows = ", ".join(sorted({limit.kind.window.value for limit in ground.limits[place.key]}))
            return f"{place.key} has no limit over the window {watch.window!r}; it has limits over {windows}"
        return (
            f"{place.key} has no compliance rule, so there is no limit in force; add one to the rules of the park file"
        )
    if isinstance(watch, AmountWatch):
        return f"{place.key} adds up to nothing; watch it as a channel"
    if isinstance(watch, SilenceWatch):
        return f"nothing of {place.key} is published, so it cannot fall silent"
    if place.kind in (Kind.REGISTER, Kind.INTERVAL, Kind.PRODUCT):
        return f"{place.key} is of kind {kind!r}, which has amounts and no value that holds; watch it as an amount over a window"
    return f"{place.key} is of kind {kind!r}, whose values are not watched; watch a gauge, or an amount"


def _suppress(
    ground: Ground, entry: AlarmEntry, suppress: SuppressEntry, every: Sequence[AlarmEntry], targets: Sequence[Target]
) -> Iterator[str]:
    if (suppress.channel is None) == (suppress.alarm is None):
        yield "suppress gives neither channel nor alarm, or both; one of them suppresses"
    elif suppress.alarm is not None:
        yield from _suppressing_alarm(ground, entry, suppress.alarm, every)
        if suppress.above is not None or suppress.below is not None:
            yield f"suppress by alarm {suppress.alarm} has a bound, which belongs to a channel; leave it out"
    else:
        yield from _suppressing_gauge(ground, suppress, targets)


def _suppressing_alarm(ground: Ground, entry: AlarmEntry, alarm: str, every: Sequence[AlarmEntry]) -> Iterator[str]:
    key, _, target = alarm.partition("@")
    rules = [one for one in every if one.key == key]
    if key == entry.key and not target:
        yield "suppresses itself; name another rule"
    elif not rules:
        yield f"suppress names alarm {key!r}, which is no rule of this park; rules are {_shown([one.key for one in every])}"
    elif target:
        written = {one.written(ground.park) for rule in rules for one in ground.targets(rule.watch)}
        if target not in written:
            yield f"suppress names {alarm!r}, and rule {key} has no such target; it has {_shown(written)}"


def _suppressing_gauge(ground: Ground, suppress: SuppressEntry, targets: Sequence[Target]) -> Iterator[str]:
    if suppress.above is None and suppress.below is None:
        yield f"suppress by {suppress.channel} gives neither above nor below; say while which values it suppresses"
    named = {suppressing_channel(suppress, target.place) for target in targets} or {suppress.channel or ""}
    found = [ground.by_channel[key] for key in sorted(named) if key in ground.by_channel]
    if not found:
        if targets or not (suppress.channel or "").startswith("./"):
            yield f"suppress names {suppress.channel!r}, which is no channel of this park; write it as tenant/meter/quantity or ./quantity"
        return
    yield from in_most([Target(place=place) for place in found], lambda target: _gauge(suppress, target.place))


def _gauge(suppress: SuppressEntry, place: Place) -> str | None:
    about = QUANTITIES.get(place.quantity)
    if place.kind is not Kind.GAUGE or about is None:
        return f"suppress names {place.key}, which is no gauge; a value that holds for a time is needed, like power or a flow"
    numbers = []
    for field in ("above", "below"):
        measure = getattr(suppress, field)
        try:
            numbers.append(None if measure is None else in_unit(measure, about.unit))
        except UnitError as error:
            return f"suppress by {place.key}, {field} {measure!r}: {error}"
    above, below = numbers
    if above is not None and below is not None and above > below:
        return f"suppress by {place.key} holds between above {above:g} and below {below:g}, which no value is; above must not be more than below"
    return None


def _tell(entry: AlarmEntry, contacts: Mapping[str, Contact]) -> Iterator[str]:
    for one in entry.tell:
        contact = contacts.get(one.contact)
        if contact is None:
            yield f"tells {one.contact!r}, who is no contact of this park; contacts are {_shown(contacts)}"
            continue
        if entry.category not in contact.categories:
            told = ", ".join(category.value for category in contact.categories)
            yield f"tells {one.contact}, who is told of {told} and so never of this {entry.category.value}"
        if Severity[entry.severity.upper()] < contact.least_severity:
            yield f"tells {one.contact}, who is told from {contact.least_severity.key} on and so never of this severity, {entry.severity}"
    for key, count in Counter((one.contact, one.after_s) for one in entry.tell).items():
        if count > 1:
            yield f"tells {key[0]} twice at after_s {key[1]}; once is enough"


def _shown(names: Sequence[str] | Mapping[str, object] | set[str]) -> str:
    known = sorted(set(names))
    more = f" ... ({len(known)} in all)" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more if known else "none"


def _circles(entries: Sequence[AlarmEntry]) -> Iterator[str]:
    """Rules that suppress each other in a circle, of two rules and more: none of them would be sure to be announced."""
    above: dict[str, set[str]] = {}
    for entry in entries:
        named = {one.alarm.partition("@")[0] for one in entry.suppress if one.alarm is not None}
        above.setdefault(entry.key, set()).update(named - {entry.key})
    told: set[str] = set()
    for key in above:
        path = _circle(above, key)
        if path and not told & set(path):
            told |= set(path)
            yield f"alarm {key}: is suppressed by itself by way of {' <- '.join((*path, key))}; leave one of them out"


def _circle(above: Mapping[str, set[str]], start: str) -> tuple[str, ...]:
    """The way from a rule by those that suppress it back to itself; empty where there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in sorted(above.get(way[-1], ())):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()
