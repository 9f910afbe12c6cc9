"""docs/wire-format.md is true: its examples are taken, its tables are whole, its schemas are the code's."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from domain.quality import UNUSABLE, Quality
from domain.readings import Message, Reason
from domain.time import parse_instant
from ingest import Directory, Limits, decode, json_schema
from tests.support.registries import page_registry
from tests.support.schemas import FOLDER, schemas, text_of

PAGE = Path(__file__).parents[3] / "docs" / "wire-format.md"
NOW_US = parse_instant("2026-11-24T08:00:00Z")


def examples() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    published = re.findall(r"-m '([^']+)'", text)
    return re.findall(r"```json\n(.*?)```", text, re.DOTALL) + published


def rows_of(heading: str) -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").split(heading, 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("example", examples())
def test_every_example_is_taken_as_it_stands(example: str) -> None:
    message = Message(topic=b"kawasan/v1/p/t/m", payload=example.encode(), received_us=NOW_US)

    batch = decode([message], Directory.of([page_registry()]), NOW_US, Limits())

    assert batch.rejections == ()
    assert len(batch.readings) > 0


@pytest.mark.parametrize("example", examples())
def test_every_example_fits_the_schema(example: str) -> None:
    jsonschema.validate(json.loads(example), json_schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": {"ph": 7}},
        {"ts": 1.5, "values": {"ph": 7}},
        {"ts": 1, "values": {}},
        {"ts": 1, "values": {"ph": "7"}},
        {"ts": 1, "values": {"ph": 7}, "unit": {}},
        {"ts": 1, "values": {"ph": 7}, "quality": "good"},
        {"readings": []},
        {"readings": [{"ts": 1, "values": {"ph": 7}}], "ts": 1},
    ],
)
def test_what_is_rejected_does_not_fit_the_schema(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema())


def test_the_page_names_every_reason() -> None:
    assert [row[0] for row in rows_of("## What is set aside")] == [reason.value for reason in Reason]


def test_the_page_names_every_quality_word_and_what_it_does() -> None:
    rows = {row[0]: row[-1] for row in rows_of("### Quality")}

    assert rows == {str(one.name).lower(): "no" if one & UNUSABLE else "yes" for one in Quality}


@pytest.mark.parametrize("name", list(schemas()))
def test_the_schemas_in_docs_are_those_of_the_code(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")

    assert text == text_of(schemas()[name]), "run `python -m tests.support.schemas`"
