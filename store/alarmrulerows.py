"""Alarm rules and contacts as rows: the document of a row is the entry as it was written and checked."""

from psycopg.rows import DictRow
from pydantic import BaseModel, ValidationError

from domain.alarmentries import AlarmEntry, ContactEntry, contact_of
from domain.alarmrules import AlarmRule
from domain.errors import RegistryError
from domain.notifications import Contact
from domain.time import from_datetime

__all__ = ["alarm_rule_of", "contact_entry_of", "contact_of_row", "document_of", "entry_of_rule"]


def document_of(entry: BaseModel) -> str:
    """An entry as the JSON text that a row holds."""
    return entry.model_dump_json()


def entry_of_rule(document: str) -> AlarmEntry:
    """
    The rule that a row's document describes.

    Raises
    ------
    RegistryError
        It cannot be read: another version of kawasan wrote it.
    """
    try:
        return AlarmEntry.model_validate_json(document)
    except ValidationError as error:
        raise _unreadable("alarm rule", error) from error


def contact_entry_of(document: str) -> ContactEntry:
    """The contact that a row's document describes; raises as :func:`entry_of_rule`."""
    try:
        return ContactEntry.model_validate_json(document)
    except ValidationError as error:
        raise _unreadable("contact", error) from error


def _unreadable(word: str, error: ValidationError) -> RegistryError:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return RegistryError(
        f"the database holds {word} that this version of kawasan cannot read ({place}: {first['msg']}); "
        "write it anew, in the park file or by the API"
    )


def alarm_rule_of(row: DictRow) -> AlarmRule:
    """A version of a rule, from its row."""
    return AlarmRule(
        id=row["id"],
        key=row["key"],
        version=row["version"],
        entry=entry_of_rule(row["document"]),
        origin=row["origin"],
        valid_from_us=from_datetime(row["valid_from"]),
        valid_to_us=None if row["valid_to"] is None else from_datetime(row["valid_to"]),
        recorded_at_us=from_datetime(row["recorded_at"]),
        recorded_by=row["recorded_by"],
    )


def contact_of_row(row: DictRow) -> Contact:
    """A contact, from its row."""
    return contact_of(contact_entry_of(row["document"]))
