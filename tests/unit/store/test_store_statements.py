"""The named queries, and where they are named."""

import re
from pathlib import Path

import pytest

import store
from domain.errors import InputError
from store.statements import queries, query

SOURCES = sorted(path for folder in store.__path__ for path in Path(folder).glob("*.py"))


def text_of_sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)


def test_every_query_that_is_named_in_the_code_is_there() -> None:
    named = set(re.findall(r'query\("([a-z_]+)"\)', text_of_sources()))

    assert len(named) > 50
    assert named <= queries().keys()


def test_every_query_is_named_somewhere() -> None:
    text = text_of_sources()
    families = re.findall(r'query\(f"([a-z_]*)\{[^}]*\}([a-z_]*)"\)', text)

    unused = [
        name
        for name in queries()
        if f'"{name}"' not in text and not any(name.startswith(head) and name.endswith(tail) for head, tail in families)
    ]
    assert unused == []


def test_every_query_says_something() -> None:
    assert [name for name, text in queries().items() if not text] == []


def test_a_query_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no query 'nothing'"):
        query("nothing")
