"""Documents that people write (park file, reference file): TOML or YAML text becomes a checked model, or every mistake as a sentence."""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import RegistryError

__all__ = ["DocumentKind", "Format", "read_document"]

Format: TypeAlias = Literal["toml", "yaml"]
"""How a document is written."""

_Place: TypeAlias = tuple[int | str, ...]
_Model = TypeVar("_Model", bound=BaseModel)

_KEY_PATTERN = "1 to 63 of a-z, 0-9, '_' and '-', not beginning with '-'"
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind:
    """What the sentences about one kind of document need to know of it."""

    word: str
    """For people: `park file`."""
    begins: str
    """What it begins with, for somebody who wrote something else."""
    depth: str
    """How deep its fields lie, for somebody who nested them deeper."""
    models: Mapping[str, type[BaseModel]]
    """By the field that holds them."""
    named_by: Mapping[str, str]
    """For fields that hold lists: the field by which an entry is known."""


def read_document(text: str, format: Format, model: type[_Model], kind: DocumentKind) -> _Model:  # noqa: A002
    """
    The value that a document's text describes. Reads no file.

    Raises
    ------
    RegistryError
        The text is not of that format, or shapes are wrong; names every mistake and its place.
    """
    document = _document(text, format, kind)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)
        sentences = [_sentence(document, one, model, kind) for one in found if not _follows(one, found)]
    raise RegistryError(_listed(kind.word, sentences))


def _listed(word: str, sentences: list[str]) -> str:
    noun = "mistake" if len(sentences) == 1 else "mistakes"
    return "\n- ".join([f"the {word} has {len(sentences)} {noun}:", *sentences])


def _document(text: str, format: Format, kind: DocumentKind) -> dict[str, Any]:  # noqa: A002
    word = kind.word
    try:
        # yaml.load with a loader derived from SafeLoader builds nothing but plain values.
        document = tomllib.loads(text) if format == "toml" else yaml.load(text, Loader=_UniqueLoader)  # noqa: S506
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(f"the {word} is not TOML: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise RegistryError(f"the {word} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise RegistryError(f"the {word} is nested too deeply; {kind.depth}") from None
    if not isinstance(document, dict):
        raise RegistryError(f"the {word} holds no fields; it begins with {kind.begins}")
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


def _sentence(document: object, details: ErrorDetails, model: type[BaseModel], kind: DocumentKind) -> str:
    place = details["loc"]
    names = _names(document, _fields_alone(place), kind)
    where = f" ({', '.join(names)})" if names else ""
    return f"{_written(_fields_alone(place))}: {_what(details, model, kind)}{where}"


def _fields_alone(place: _Place) -> _Place:
    """A place without the tags that tell the shapes of one field apart: no field has a space in its name."""
    return tuple(step for step in place if isinstance(step, int) or " " not in step)


def _written(place: _Place) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the document"


def _names(document: object, place: _Place, kind: DocumentKind) -> list[str]:
    """The keys of the entries a place lies in, as far as they can be read: `tenant alpha`, `meter main`."""
    names: list[str] = []
    inside: Any = document
    field = ""
    for step in place:
        try:
            inside = inside[step]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(step, int) and field in kind.named_by and isinstance(inside, dict):
            key = inside.get(kind.named_by[field])
            names += [f"{field.removesuffix('s')} {key[:_SHOWN_CHARACTERS]}"] if isinstance(key, str) else []
        field = step if isinstance(step, str) else field
    return names


def _fields(place: _Place, model: type[BaseModel], kind: DocumentKind) -> str:
    names = [step for step in place[:-1] if isinstance(step, str)]
    holder = kind.models.get(names[-1], model) if names else model
    return ", ".join(holder.model_fields)


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
_TIMES = ("datetime",)
_WITHOUT_VALUE = ("too_short",)


def _what(details: ErrorDetails, model: type[BaseModel], kind: DocumentKind) -> str:
    error = details["type"]
    if error == "missing":
        return "is missing"
    if error == "extra_forbidden":
        return f"is not a known field; known here are {_fields(details['loc'], model, kind)}"
    render = _WHAT.get(error)
    if render is not None:
        what = render(details.get("ctx", {}))
    elif error.startswith(_TIMES):
        what = "must be a time with a UTC offset, like 2026-01-01T00:00:00+07:00"
    elif error.startswith("date_"):
        what = "must be a date, like 2026-01-31"
    else:
        said = details["msg"].removeprefix("Value error, ")
        what = said[:1].lower() + said[1:]
    return what if error in _WITHOUT_VALUE else f"{what}, is {_shown(details['input'])}"
