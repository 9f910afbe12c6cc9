"""The API is as its description says: each example is answered, and what the framework leaves out is said."""

from typing import Any

import pytest

from service.api.openapi import operations
from tests.support.example_day import example_day, served_example, token_of
from tests.support.schemas import openapi
from tests.support.served import Api

__all__ = ["example_day", "served_example"]

NOT_ASKED = frozenset({"stream_live", "revoke_key", "end_login"})
"""What does not end, and what is numbered as it comes."""

AFTER_OTHERS = ("show_alarm_rule", "replace_alarm_rule", "end_alarm_rule")
"""What is about something that another example enters."""


def _request(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {"url": path, "params": {}, "headers": {}}
    places = {"query": request["params"], "header": request["headers"]}
    for parameter in operation.get("parameters", []):
        if "example" not in parameter:
            continue
        if parameter["in"] == "path":
            request["url"] = request["url"].replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        else:
            places[parameter["in"]][parameter["name"]] = parameter["example"]
    if "requestBody" in operation:
        request["json"] = operation["requestBody"]["content"]["application/json"]["example"]
    return request


async def test_each_example_is_answered_as_it_is_described(served_example: Api) -> None:
    described = [
        (method, path, operation)
        for method, path, operation in operations(openapi())
        if operation["operationId"] not in NOT_ASKED
    ]
    described.sort(key=lambda one: one[2]["operationId"] in AFTER_OTHERS)

    wrong = []
    for method, path, operation in described:
        request = _request(path, operation)
        who = "admin" if path == "/api/v1/audit" else "operator"
        request["headers"]["Authorization"] = f"Bearer {token_of(who)}"
        answer = await served_example.client.request(method.upper(), **request)
        if str(answer.status_code) not in operation["responses"] or not answer.is_success:
            wrong.append(f"{operation['operationId']}: {answer.status_code} {answer.text[:300]}")
    assert len(described) > 50
    assert wrong == []


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/openapi.json"])
async def test_the_description_is_served_to_everybody(path: str, served_example: Api) -> None:
    answer = await served_example.get(path, None)

    assert answer.status == 200
    assert answer.body == openapi()


async def test_a_method_that_a_path_does_not_take_is_answered_with_all_that_it_takes(served_example: Api) -> None:
    corrections = await served_example.client.patch("/api/v1/corrections")
    trial = await served_example.client.options("/api/v1/parks/karawang/alarm-rules/dry-run")

    assert (corrections.status_code, corrections.headers["allow"]) == (405, "GET, POST")
    assert corrections.json()["detail"] == "PATCH cannot be sent to /api/v1/corrections; allowed are GET, POST"
    assert (trial.status_code, trial.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_a_body_that_is_not_said_to_be_json_is_refused(kind: str | None, served_example: Api) -> None:
    headers = {} if kind is None else {"content-type": kind}

    answer = await served_example.client.post("/api/v1/corrections", content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("month", ["0000-01", "0001-01", "1969-12", "2200-01", "9999-12", "2026-13"])
async def test_a_month_beyond_the_calendar_is_refused(month: str, served_example: Api) -> None:
    headers = {"Authorization": f"Bearer {token_of('operator')}"}

    shown = await served_example.client.get(f"/api/v1/periods/{month}", params={"park": "karawang"}, headers=headers)
    closed = await served_example.client.post(
        "/api/v1/periods", json={"park": "karawang", "month": month}, headers=headers
    )

    assert (shown.status_code, closed.status_code) == (422, 422)
    assert "from 1970 to 2199" in shown.json()["detail"]


@pytest.mark.parametrize(
    ("path", "place", "body"),
    [
        (
            "meters/karawang/tirta-celup/stenters/multipliers",
            "body.replace",
            {"from": "2026-03-02T06:00:00+07:00", "quantity": "energy_import", "factor": 300, "replace": 0},
        ),
        (
            "meters/karawang/tirta-celup/stenters/multipliers",
            "body.factor",
            {"from": "2026-03-02T06:00:00+07:00", "quantity": "energy_import", "factor": "300"},
        ),
        (
            "parks/karawang/alarm-rules",
            "body.entry.valid_from",
            {
                "entry": {
                    "key": "much", "name": "Much", "category": "warning", "severity": "low", "above": 1,
                    "watch": {"channel": "*/electricity/power"}, "valid_from": 1772400000,
                }
            },
        ),
    ],
    ids=["number for yes or no", "text for a number", "number for a time"],
)  # fmt: skip
async def test_a_value_of_another_kind_than_described_is_refused(
    path: str, place: str, body: dict[str, Any], served_example: Api
) -> None:
    headers = {"Authorization": f"Bearer {token_of('operator')}"}

    answer = await served_example.client.post(f"/api/v1/{path}", json=body, headers=headers)

    assert answer.status_code == 422
    assert [mistake["place"] for mistake in answer.json()["errors"]] == [place]
