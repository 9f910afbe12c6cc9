"""`kawasan check --isolation`: what the views show each kind of user, against what the grants say."""

import psycopg
import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.isolation import Look, look_at_isolation
from store import migrate
from tests.support.two_parks import two_parks_on_embedded, two_parks_on_timescale, two_parks_url

__all__ = ["two_parks_on_embedded", "two_parks_on_timescale", "two_parks_url"]


def faults(looks: tuple[Look, ...]) -> list[str]:
    return [f"{one.what}: {fault}" for one in looks for fault in one.faults]


def test_the_views_show_what_the_grants_say_to_each_kind_of_user(two_parks_url: str) -> None:
    with psycopg.connect(two_parks_url) as conn:
        before = conn.execute("SELECT count(*) FROM app_user").fetchone()

    looks = look_at_isolation(two_parks_url)

    assert faults(looks) == []
    assert len(looks) == 11
    with psycopg.connect(two_parks_url) as conn:
        assert conn.execute("SELECT count(*) FROM app_user").fetchone() == before


BROKEN = (
    ("CREATE OR REPLACE VIEW api.latest WITH (security_barrier) AS SELECT * FROM public.latest", "sees in api.latest rows of others"),
    ("CREATE VIEW api.peep WITH (security_barrier) AS SELECT id AS series_id FROM public.context_series", "api.peep"),
    ("CREATE VIEW api.peep WITH (security_barrier) AS SELECT start FROM public.amount", "no column that says whose its rows are"),
    ("ALTER VIEW api.meter RESET (security_barrier)", "view api.meter has no security_barrier"),
    ("GRANT SELECT (value) ON public.reading TO kawasan_api", "it has rights on public.reading"),
    ("GRANT EXECUTE ON FUNCTION api.end_alarm_rule_of TO kawasan_api", "it may call api.end_alarm_rule_of"),
    ("GRANT INSERT ON api.meter TO kawasan_api", "it may change api.meter"),
)  # fmt: skip


def test_what_opens_a_view_or_a_table_to_others_is_told(two_parks_url: str) -> None:
    told = {}
    try:
        for statement, _ in BROKEN:
            with psycopg.connect(two_parks_url) as conn:
                conn.execute("SET ROLE kawasan_migrate")
                conn.execute(statement.encode())
                conn.execute("GRANT SELECT ON ALL TABLES IN SCHEMA api TO kawasan_api")
            told[statement] = " ".join(faults(look_at_isolation(two_parks_url)))
            migrate(two_parks_url)
    finally:
        migrate(two_parks_url)
    assert {statement: words in told[statement] for statement, words in BROKEN} == dict.fromkeys(told, True)


def test_the_command_says_it_in_one_line_each(two_parks_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", two_parks_url)

    said = CliRunner().invoke(app, ["check", "--isolation"]).output.splitlines()

    lines = [line for line in said if "isolation" in line]
    assert lines[0] == "ok  isolation: looked through the views as each kind of user"
    assert len(lines) == 12
    assert all(line.startswith("ok  isolation") for line in lines)
