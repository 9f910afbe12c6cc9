"""The park file: one document that describes a park, as checked, frozen values.

A park file is TOML or YAML. :func:`parse` takes its text and reports every mistake of shape at
once; :func:`mistakes` reports everything that relates two places to each other, also at once.
The JSON schema is :func:`json_schema`.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import RegistryError
from domain.parkchecks import mistakes, networks
from domain.parkentries import (
    ChannelEntry,
    DeviceEntry,
    ExchangeEntry,
    Life,
    MeterEntry,
    MultiplierEntry,
    ParkEntry,
    ParkFile,
    RuleEntry,
    TenantEntry,
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
    "ParkEntry",
    "ParkFile",
    "RuleEntry",
    "TenantEntry",
    "json_schema",
    "life_of",
    "mistakes",
    "networks",
    "parse",
    "starts",
]

Format: TypeAlias = Literal["toml", "yaml"]
"""How a park file is written."""

_Place: TypeAlias = tuple[int | str, ...]

_MODELS: Mapping[str, type[BaseModel]] = {
    "park": ParkEntry,
    "tenants": TenantEntry,
    "meters": MeterEntry,
    "devices": DeviceEntry,
    "channels": ChannelEntry,
    "multipliers": MultiplierEntry,
    "exchanges": ExchangeEntry,
    "rules": RuleEntry,
}
_NAMED_BY = {"tenants": "key", "meters": "key", "channels": "quantity", "rules": "key"}
_KEY_PATTERN = "1 to 63 of a-z, 0-9, '_' and '-', not beginning with '-'"
_SHOWN_CHARACTERS = 60


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
    document = _document(text, format)
    try:
        return ParkFile.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)
        sentences = [_sentence(document, details) for details in found if not _follows(details, found)]
    raise RegistryError(_listed(sentences))


def json_schema() -> dict[str, Any]:
    """The JSON schema of a park file, for editors; relations between places are not in it."""
    schema = ParkFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _listed(sentences: list[str]) -> str:
    noun = "mistake" if len(sentences) == 1 else "mistakes"
    return "\n- ".join([f"the park file has {len(sentences)} {noun}:", *sentences])


def _document(text: str, format: Format) -> dict[str, Any]:  # noqa: A002
    try:
        # yaml.load with a loader derived from SafeLoader builds nothing but plain values.
        document = tomllib.loads(text) if format == "toml" else yaml.load(text, Loader=_UniqueLoader)  # noqa: S506
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(f"the park file is not TOML: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise RegistryError(f"the park file is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise RegistryError("the park file is nested too deeply; a channel lies six levels down") from None
    if not isinstance(document, dict):
        raise RegistryError("the park file holds no fields; it begins with 'park', 'tenants' and 'rules'")
    return {key: part for key, part in document.items() if not str(key).startswith("x-")}


class _UniqueLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which plain YAML readers silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            # Keys brought in by a merge (<<) stand in another place of the file and may be overridden.
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _follows(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Whether a list is called too short only because what is in it has mistakes of its own."""
    place = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in found
    )


def _sentence(document: object, details: ErrorDetails) -> str:
    place = details["loc"]
    names = _names(document, place)
    where = f" ({', '.join(names)})" if names else ""
    return f"{_written(place)}: {_what(details)}{where}"


def _written(place: _Place) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the document"


def _names(document: object, place: _Place) -> list[str]:
    """The keys of the entries a place lies in, as far as they can be read: `tenant alpha`, `meter main`."""
    names: list[str] = []
    inside: Any = document
    kind = ""
    for step in place:
        try:
            inside = inside[step]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(step, int) and kind in _NAMED_BY and isinstance(inside, dict):
            key = inside.get(_NAMED_BY[kind])
            names += [f"{kind.removesuffix('s')} {key[:_SHOWN_CHARACTERS]}"] if isinstance(key, str) else []
        kind = step if isinstance(step, str) else kind
    return names


def _fields(place: _Place) -> str:
    kinds = [step for step in place[:-1] if isinstance(step, str)]
    model = _MODELS.get(kinds[-1], ParkFile) if kinds else ParkFile
    return ", ".join(model.model_fields)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


_WHAT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda limits: f"must be greater than {limits['gt']:g}",
    "greater_than_equal": lambda limits: f"must be at least {limits['ge']:g}",
    "less_than_equal": lambda limits: f"must be at most {limits['le']:g}",
    "finite_number": lambda _: "must be a finite number",
    "enum": lambda limits: f"must be {limits['expected']}",
    "literal_error": lambda limits: f"must be {limits['expected']}",
    "string_pattern_mismatch": lambda _: f"must be {_KEY_PATTERN}",
    "string_too_long": lambda limits: f"must have at most {limits['max_length']} characters",
    "string_too_short": lambda limits: f"must have at least {limits['min_length']} characters",
    "too_short": lambda limits: f"must hold at least {limits['min_length']}, holds {limits['actual_length']}",
    "timezone_aware": lambda _: "must have a UTC offset, like 2026-01-01T00:00:00+07:00",
    "string_type": lambda _: "must be a text",
    "float_type": lambda _: "must be a number",
    "int_type": lambda _: "must be a whole number",
    "bool_type": lambda _: "must be true or false",
    "tuple_type": lambda _: "must be a list",
    "model_type": lambda _: "must be a group of fields",
}
_TIMES = ("datetime", "date_")
_WITHOUT_VALUE = ("too_short",)


def _what(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return f"is not a known field; known here are {_fields(details['loc'])}"
    render = _WHAT.get(kind)
    if render is not None:
        what = render(details.get("ctx", {}))
    elif kind.startswith(_TIMES):
        what = "must be a time with a UTC offset, like 2026-01-01T00:00:00+07:00"
    else:
        what = details["msg"][:1].lower() + details["msg"][1:]
    return what if kind in _WITHOUT_VALUE else f"{what}, is {_shown(details['input'])}"
