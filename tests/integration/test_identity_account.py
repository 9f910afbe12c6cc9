"""The page of the own account, and the commands about users."""

import re
import sys
from collections.abc import Callable

import pytest

from service.api.access import COOKIE
from service.cli import main
from tests.support.identities import PASSWORD, filled_identities, identities
from tests.support.served import Api

__all__ = ["filled_identities", "identities"]

Run = Callable[..., tuple[int, str]]


async def opened(api: Api, name: str = "ani") -> str:
    """The mark of the forms of the account's page, after a login."""
    assert (await api.client.post("/login", data={"name": name, "password": PASSWORD})).status_code == 303
    return mark_in((await api.client.get("/account")).text)


def mark_in(page: str) -> str:
    found = re.search(r'name="mark" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


async def test_a_key_is_made_on_the_page_shown_once_and_revoked(identities: Api) -> None:
    mark = await opened(identities)
    fields = {"mark": mark, "label": "report", "scope": ["read"], "valid_days": "30"}

    page = (await identities.client.post("/account/keys", data=fields)).text
    secret = re.search(r"<code>([\w-]{43})</code>", page)
    assert secret is not None
    bearer = {"Authorization": f"Bearer {secret[1]}"}
    works = await identities.client.get("/api/v1/parks", headers=bearer)
    number = (await identities.client.get("/api/v1/keys", headers=bearer)).json()[0]["id"]
    await identities.client.post(f"/account/keys/{number}/revoke", data={"mark": mark})

    assert works.status_code == 200
    assert secret[1] not in (await identities.client.get("/account")).text
    assert (await identities.client.get("/api/v1/parks", headers=bearer)).status_code == 401


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"label": ""}, "Give the key a name"),
        ({"label": "<script>"}, "Give the key a name"),
        ({"scope": []}, "Choose what the key is for."),
        ({"valid_days": "1000"}, "1 to 366 days"),
        ({"valid_days": "x"}, "1 to 366 days"),
        ({"label": "test"}, "is there already"),
    ],
)
async def test_a_key_that_cannot_be_made_is_told_with_the_reason(
    identities: Api, fields: dict[str, str | list[str]], said: str
) -> None:
    mark = await opened(identities)

    answer = await identities.client.post(
        "/account/keys", data={"mark": mark, "label": "a", "scope": ["read"]} | fields
    )

    assert answer.status_code == 422
    assert said in answer.text
    assert "<script>" not in answer.text


async def test_a_login_elsewhere_is_ended_on_the_page(identities: Api) -> None:
    await opened(identities)
    elsewhere = identities.client.cookies[COOKIE]
    mark = await opened(identities)
    numbers = re.findall(r"/account/sessions/(\d+)/end", (await identities.client.get("/account")).text)
    here = (await identities.client.get("/api/v1/sessions")).json()
    (other,) = [row["id"] for row in here if not row["is_this"]]
    assert sorted(int(number) for number in numbers) == sorted(row["id"] for row in here)

    await identities.client.post(f"/account/sessions/{other}/end", data={"mark": mark})

    assert (await identities.client.get("/api/v1/me")).status_code == 200
    identities.client.cookies.clear()
    assert (await identities.client.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={elsewhere}"})).status_code == 401


async def test_forms_of_the_account_need_the_mark_and_are_about_the_own_account_only(identities: Api) -> None:
    await opened(identities, "tono")
    theirs = (await identities.client.get("/api/v1/keys")).json()[0]["id"]
    mark = await opened(identities)
    for path in ("keys", f"keys/{theirs}/revoke", "sessions/1/end"):
        assert (await identities.client.post(f"/account/{path}", data={"label": "x"})).status_code == 403

    await identities.client.post(f"/account/keys/{theirs}/revoke", data={"mark": mark})

    answer = await identities.client.get("/api/v1/me", headers={"Authorization": "Bearer token of tono"})
    assert answer.status_code == 200


async def test_without_a_login_the_account_is_the_login(identities: Api) -> None:
    assert (await identities.client.get("/account")).headers["location"] == "/login"
    assert (await identities.client.get("/password")).headers["location"] == "/login"
    assert (await identities.client.post("/account/keys", data={"label": "x"})).status_code == 401


@pytest.fixture
def run(filled_identities: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; its exit code, and what it said."""
    monkeypatch.setenv("KAWASAN_DATABASE_URL", filled_identities)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["kawasan", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out + said.err

    return run


def test_a_user_is_added_with_a_token_and_a_one_time_password(run: Run) -> None:
    code, said = run("user", "add", "eve", "--role", "auditor", "--park", "p", "--password")

    assert code == 0
    assert re.search(
        r"^eve: auditor of p\ntoken \(shown only now\): [\w-]{43}\none-time password .*: (\w{4}-){4}\w{4}\n$", said
    )


def test_a_user_is_disabled_and_enabled(run: Run) -> None:
    assert run("user", "disable", "ani") == (0, "ani is disabled\n")
    assert run("user", "disable", "ani") == (0, "ani was disabled already\n")
    assert "ani: operator of p (disabled)" in run("user", "list")[1]
    assert run("user", "enable", "ani") == (0, "ani is enabled\n")


def test_tokens_are_listed_and_revoked(run: Run) -> None:
    run("user", "token", "ani", "--label", "web", "--valid-days", "3", "--scope", "read")

    said = run("user", "tokens", "ani")[1]
    gone = run("user", "revoke", "ani", "--label", "web")

    assert re.search(r"^web: read; until 20\d\d-\d\d-\d\d \d\d:\d\d UTC; never used$", said, re.MULTILINE)
    assert gone == (0, "ani: token web is revoked\n")
    assert run("user", "revoke", "ani", "--label", "web")[0] == 1


@pytest.mark.parametrize("command", ["disable", "enable", "password", "token", "tokens"])
def test_a_user_that_is_not_there_is_one_sentence(run: Run, command: str) -> None:
    code, said = run("user", command, "nobody")

    assert code == 1
    assert said.startswith("kawasan: no user 'nobody' in the database; ")


def test_migrating_an_installation_with_users_makes_no_admin(run: Run) -> None:
    assert run("migrate") == (0, "the database is at this version already\n")
