"""Commands about what was set aside: list it, look at it, ingest it again."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from prometheus_client import CollectorRegistry
from psycopg import Connection

from domain.errors import InputError
from domain.readings import Message, Reason
from domain.time import from_datetime
from ingest import IngestMetrics, Writer
from service.cli.ingesting import writer_of
from service.logs import configure_logs
from service.settings import load_settings
from store import Role, connect
from store.rejections import RejectedMessage, list_rejections, rejected_message, resolve_rejections

__all__ = ["app"]

app = typer.Typer(help="List what was set aside, look at it, and ingest it again.", no_args_is_help=True)

_PAGE = 500
_SHOWN_BYTES = 4096

ByReason = Annotated[Reason | None, typer.Option("--reason", help="Only what was set aside for this reason.")]


@app.command("list")
def show_list(
    reason: ByReason = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was ingested again since.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most lines.")] = 50,
) -> None:
    """List what was set aside, newest first: message, how often, when last, reason, and what was wrong."""
    with connect(load_settings().need_database(), Role.WRITE, application="kawasan-rejections") as conn:
        rows = list_rejections(conn, reason=reason and reason.value, unresolved=not everything, limit=limit)
    for row in rows:
        mended = " (ingested again)" if row.resolved_at else ""
        place = f" at {row.place}" if row.place else ""
        print(
            f"message {row.message_id}  {row.count}x  {row.last_at:%Y-%m-%d %H:%M:%S}Z  {row.reason}  "
            f"{_text(row.topic)}{place}: {row.detail}{mended}"
        )
    if not rows:
        print("nothing was set aside")


@app.command("show")
def show(message: Annotated[int, typer.Argument(help="Number of the message, as `list` shows it.")]) -> None:
    """Show a rejected message whole, with everything that was wrong with it."""
    with connect(load_settings().need_database(), Role.WRITE, application="kawasan-rejections") as conn:
        found = _found(conn, message)
    print(f"message {found.id} of {found.source}, first received {found.first_at:%Y-%m-%d %H:%M:%S}Z")
    print(f"topic   {_text(found.topic)}")
    rest = len(found.payload) - _SHOWN_BYTES
    print(f"payload {_text(found.payload[:_SHOWN_BYTES])}{f' ... and {rest} bytes' if rest > 0 else ''}")
    for row in found.rejections:
        print(f"- {row.reason}{f' at {row.place}' if row.place else ''}: {row.detail} ({row.count}x)")


@app.command("retry")
def retry(
    message: Annotated[list[int] | None, typer.Argument(help="Numbers of messages, as `list` shows them.")] = None,
    reason: ByReason = None,
    everything: Annotated[bool, typer.Option("--all", help="All that was not ingested again yet.")] = False,
) -> None:
    """Ingest rejected messages again, after the registry or the mapping was mended; what is right now is stored."""
    if not message and not everything and reason is None:
        raise InputError("say what to retry: numbers of messages, --reason, or --all")
    settings = load_settings()
    configure_logs(settings, "rejections")
    url = settings.need_database()
    writer = writer_of(settings, url, IngestMetrics(CollectorRegistry()))
    stored = wrong = 0
    with connect(url, Role.WRITE, application="kawasan-rejections") as conn:
        numbers = message or list(_unresolved(conn, reason and reason.value))
        for number in numbers:
            added, is_right = _ingest_again(conn, writer, _found(conn, number))
            stored += added
            wrong += not is_right
    print(f"{len(numbers)} messages ingested again: {stored} values stored, {wrong} messages are still not right")


def _ingest_again(conn: Connection[Any], writer: Writer, found: RejectedMessage) -> tuple[int, bool]:
    again = Message(topic=found.topic, payload=found.payload, received_us=from_datetime(found.first_at))
    outcome = writer.write([again])
    if not outcome.rejected:
        resolve_rejections(conn, [found.id])
        conn.commit()
    return outcome.stored, not outcome.rejected


def _found(conn: Connection[Any], number: int) -> RejectedMessage:
    found = rejected_message(conn, number)
    conn.commit()
    if found is None:
        raise InputError(f"there is no rejected message {number}; `kawasan rejections list` shows which there are")
    return found


def _unresolved(conn: Connection[Any], reason: str | None) -> Sequence[int]:
    return list(dict.fromkeys(itertools.chain.from_iterable(_pages(conn, reason))))


def _pages(conn: Connection[Any], reason: str | None) -> Iterator[list[int]]:
    after: tuple[datetime, int] | None = None
    while rows := list_rejections(conn, reason=reason, unresolved=True, after=after, limit=_PAGE):
        conn.commit()
        after = rows[-1].last_at, rows[-1].id
        yield [row.message_id for row in rows]


def _text(bytes_: bytes) -> str:
    text = bytes_.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
