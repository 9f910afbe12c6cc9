"""The hourly limit of a contact: what goes alone, what is put together into one, and what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.notifications import Contact
from store.outbox import Claimed

__all__ = ["Sorted", "hourly_limits", "sort_out"]

_UNKNOWN_HOURLY = 30
"""Of a contact that is not in the registry any more: the default of those who are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What to do with the notifications of one claim."""

    alone: tuple[Claimed, ...]
    """Each is sent, in the order in which they were claimed."""
    together: tuple[tuple[Claimed, ...], ...]
    """Each is put together into one notification, in place of its parts."""
    held: tuple[Claimed, ...]
    """Their contact has had its fill for this hour."""


def hourly_limits(contacts: Mapping[int, Sequence[Contact]]) -> dict[tuple[int, str], int]:
    """The hourly limit of each contact by (park id, key), of contacts by park id."""
    return {(park_id, one.key): one.hourly for park_id, found in contacts.items() for one in found}


def sort_out(
    claimed: Sequence[Claimed], *, sent: Mapping[tuple[int, str], int], hourly: Mapping[tuple[int, str], int]
) -> Sorted:
    """
    Sort what was claimed by what each contact may still get in this hour.

    What is urgent goes alone, whatever the limit. Of the rest, all go alone where there is room for them; otherwise the last
    place is for those that would be beyond it, put together. Without room they wait.

    Parameters
    ----------
    sent, hourly : mapping of (park id, contact) to int
        What was sent in the last hour, and the most that may be.
    """
    waiting: dict[tuple[int, str], list[Claimed]] = {}
    for one in claimed:
        if not one.notification.urgent:
            waiting.setdefault((one.park_id, one.notification.contact), []).append(one)
    together: list[tuple[Claimed, ...]] = []
    held: list[Claimed] = []
    for contact, theirs in waiting.items():
        room = hourly.get(contact, _UNKNOWN_HOURLY) - sent.get(contact, 0)
        if room <= 0:
            held += theirs
        elif len(theirs) > room:
            together += _by_address(theirs[room - 1 :])
    apart = {one.id for group in (*together, held) for one in group}
    alone = tuple(one for one in claimed if one.id not in apart)
    return Sorted(alone=alone, together=tuple(together), held=tuple(held))


def _by_address(beyond: Sequence[Claimed]) -> list[tuple[Claimed, ...]]:
    """Those for one address each, where they are several: a contact's address may have changed meanwhile."""
    groups: dict[str, list[Claimed]] = {}
    for one in beyond:
        groups.setdefault(one.notification.address, []).append(one)
    return [tuple(group) for group in groups.values() if len(group) > 1]
