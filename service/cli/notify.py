"""The command `kawasan notify`: sends notifications of alarms, or a single one as a test."""

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from domain.errors import InputError, Unavailable
from domain.notifications import Contact, Notification, Outcome
from service.logs import configure_logs
from service.notify import channels_of, run_notifier
from service.settings import Settings, load_settings
from service.stopping import stop_signals
from store import Role, connect, load_registries

__all__ = ["notify"]


def notify(
    test: Annotated[
        str | None,
        typer.Option(metavar="CONTACT", help="Send one test to this contact, say what came of it, and end."),
    ] = None,
) -> None:
    """Send notifications of alarms by e-mail, webhook and MQTT; each that fails is tried again, and keeps no other waiting."""
    settings = load_settings()
    if test is not None:
        _send_test(settings, test)
        return
    configure_logs(settings, "notify")
    with stop_signals() as stop:
        run_notifier(settings.need_database(), channels_of(settings), stop=stop)


def _send_test(settings: Settings, name: str) -> None:
    park, contact = _contact(settings.need_database(), name)
    delivery = channels_of(settings)[contact.way].deliver(_test_of(park, contact))
    if delivery.outcome is not Outcome.SENT:
        raise Unavailable(f"contact {park}/{contact.key} was not told by {contact.way}: {delivery.detail}")
    print(f"contact {park}/{contact.key} was told by {contact.way}: {delivery.detail}")


def _contact(url: str, name: str) -> tuple[str, Contact]:
    with connect(url, Role.WRITE, application="kawasan-notify") as conn:
        registries = load_registries(conn)
    known = [(registry.park.key, one) for registry in registries for one in registry.contacts]
    found = [(park, one) for park, one in known if name in {one.key, f"{park}/{one.key}"}]
    if len(found) == 1:
        return found[0]
    if found:
        parks = ", ".join(f"{park}/{one.key}" for park, one in found)
        raise InputError(f"several parks have a contact {name}: {parks}; write the park before it")
    there = ", ".join(f"{park}/{one.key}" for park, one in known) or "none"
    raise InputError(f"there is no contact {name}; there are: {there}")


def _test_of(park: str, contact: Contact) -> Notification:
    now_us = time.time_ns() // 1000
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Notification(
        contact=contact.key,
        way=contact.way,
        address=contact.address,
        subject=f"Test of alarms of park {park}",
        body=f"This is a test. Alarms of park {park} for the contact {contact.name} will come this way.\n",
        payload=json.dumps({"kind": "test", "park": {"key": park}, "contact": contact.key, "at": at}),
        dedup_key=f"{park}/test/{at}.{secrets.token_hex(4)}/{contact.key}",
        not_before_us=now_us,
        urgent=True,
    )
