"""What the description of the API says: of each operation enough to use it, and what it shows is as it says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.api.openapi import operations, read_examples
from tests.support.schemas import OPENAPI, openapi, text_of

OPERATIONS = (
    "act_on_alarm", "close_month", "compare_with_peers", "create_key", "end_alarm_rule", "end_login", "enter_alarm_rule",
    "enter_correction", "enter_exchange", "enter_multiplier", "enter_outage", "enter_unit", "enter_values", "is_alive", "is_ready",
    "list_alarm_rules", "list_alarms", "list_amounts", "list_audit", "list_channels", "list_conflicts", "list_corrections",
    "list_episodes", "list_findings", "list_judgements", "list_keys", "list_kpis", "list_ledger", "list_meter_life", "list_meters",
    "list_parks", "list_periods", "list_readings", "list_references", "list_rejections", "list_sessions", "list_tenants",
    "list_transitions", "list_values", "read_kpi", "read_period", "replace_alarm_rule", "report_episode", "revoke_key",
    "say_of_episode", "show_alarm", "show_alarm_rule", "show_episode", "show_me", "show_metrics", "stream_live", "try_alarm_rule",
    "withdraw_correction", "withdraw_meter_fact",
)  # fmt: skip
"""Programs are made from these names: a new one is added here, and one that is there is not renamed."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi()


def test_the_committed_description_is_that_of_the_code(document: dict[str, Any]) -> None:
    assert OPENAPI.read_text(encoding="utf-8") == text_of(document), "run `make docs`"


def test_operations_keep_their_names(document: dict[str, Any]) -> None:
    assert sorted(operation["operationId"] for _, _, operation in operations(document)) == sorted(OPERATIONS)


def test_each_operation_says_what_it_is_about(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}

    for _, path, operation in operations(document):
        assert set(operation["tags"]) <= tags, path
        assert operation["summary"], path
        assert operation["description"], path
        assert all(parameter.get("description") for parameter in operation.get("parameters", [])), path


def test_what_goes_wrong_is_always_a_problem(document: dict[str, Any]) -> None:
    answers = document["components"]["responses"]

    for _, path, operation in operations(document):
        if path == "/readyz":
            continue  # 503 says there what it waits for
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                named = answers[answer["$ref"].rpartition("/")[2]]
                assert list(named["content"]) == ["application/problem+json"], (path, status)
    assert "HTTPValidationError" not in json.dumps(document)


def test_who_may_ask_is_said_of_each_operation_but_those_for_everybody(document: dict[str, Any]) -> None:
    free = {operation["operationId"] for _, _, operation in operations(document) if "security" not in operation}
    by_page = {
        operation["operationId"]
        for method, _, operation in operations(document)
        if method != "get" and {"cookie": []} in operation.get("security", [])
    }

    assert free == {"is_alive", "is_ready", "show_metrics"}
    assert by_page == {"act_on_alarm", "create_key", "revoke_key", "end_login"}


def test_each_way_to_enter_something_shows_how(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        if "requestBody" in operation:
            assert "example" in operation["requestBody"]["content"]["application/json"], path
        for parameter in operation.get("parameters", []):
            assert "example" in parameter or not parameter["required"], (path, parameter["name"])


def test_each_example_is_of_something_that_there_is(document: dict[str, Any]) -> None:
    known = {operation["operationId"]: operation for _, _, operation in operations(document)}
    names = {name: {one["name"] for one in known[name].get("parameters", [])} for name in known}

    assert set(read_examples()["operations"]) <= set(known)
    assert set(read_examples()["parameters"]) <= set().union(*names.values())
    for name, example in read_examples()["operations"].items():
        assert set(example.get("parameters", {})) <= names[name], name


def _shown(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each example, with where it stands and the schema that it is to meet."""
    for _, _, operation in operations(document):
        name = operation["operationId"]
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                yield f"{name}, {parameter['name']}", parameter["schema"], parameter["example"]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{name}, body", content["schema"], content["example"]
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                if "example" in content:
                    yield f"{name}, {status}", content["schema"], content["example"]


def test_each_example_meets_its_schema(document: dict[str, Any]) -> None:
    shown = list(_shown(document))

    for place, schema, example in shown:
        whole = {**schema, "components": document["components"]}
        checker = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
        mistakes = [mistake.message for mistake in checker.iter_errors(example)]
        assert not mistakes, f"{place}: {mistakes[:3]}"
    assert len(shown) > 100
