"""The park file: one document that describes a park, as checked, frozen values.

A park file is TOML or YAML. :func:`parse` takes its text and reports every mistake of shape at
once; :func:`mistakes` reports everything that relates two places to each other, also at once.
The JSON schema is :func:`json_schema`.
"""

from typing import Any

from domain.alarmentries import ALARM_SHAPES
from domain.documents import DocumentKind, Format, read_document
from domain.parkchecks import mistakes, networks
from domain.parkentries import (
    ChannelEntry,
    DeviceEntry,
    ExchangeEntry,
    Life,
    MeterEntry,
    MultiplierEntry,
    OutageEntry,
    ParkEntry,
    ParkFile,
    RuleEntry,
    TenantEntry,
    UnitEntry,
    life_of,
    starts,
)

__all__ = [
    "ChannelEntry",
    "DeviceEntry",
    "ExchangeEntry",
    "Format",
    "Life",
    "MeterEntry",
    "MultiplierEntry",
    "OutageEntry",
    "ParkEntry",
    "ParkFile",
    "RuleEntry",
    "TenantEntry",
    "UnitEntry",
    "json_schema",
    "life_of",
    "mistakes",
    "networks",
    "parse",
    "starts",
]

_KIND = DocumentKind(
    word="park file",
    begins="'park', 'tenants' and 'rules'",
    depth="a channel lies six levels down",
    models={
        "park": ParkEntry,
        "tenants": TenantEntry,
        "meters": MeterEntry,
        "devices": DeviceEntry,
        "channels": ChannelEntry,
        "multipliers": MultiplierEntry,
        "exchanges": ExchangeEntry,
        "units": UnitEntry,
        "outages": OutageEntry,
        "rules": RuleEntry,
        **ALARM_SHAPES,
    },
    named_by={
        "tenants": "key",
        "meters": "key",
        "channels": "quantity",
        "rules": "key",
        "alarms": "key",
        "contacts": "key",
    },
)


def parse(text: str, format: Format) -> ParkFile:  # noqa: A002 - the word its callers and users say
    r"""
    The park that a file's text describes. Reads no file.

    Parameters
    ----------
    text : str
        The whole document.
    format : "toml" or "yaml"
        How it is written.

    Returns
    -------
    ParkFile
        Of the right shape; whether its parts fit each other is told by :func:`mistakes`.

    Raises
    ------
    RegistryError
        The text is not of that format, or shapes are wrong; names every mistake and its place.

    Examples
    --------
    >>> parse('[park]\nkey = "a"\nname = "A"\ntimezone = "Asia/Jakarta"\n', "toml")
    Traceback (most recent call last):
    domain.errors.RegistryError: the park file has 1 mistake:
    - park.valid_from: is missing
    """
    return read_document(text, format, ParkFile, _KIND)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a park file, for editors; relations between places are not in it."""
    schema = ParkFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
