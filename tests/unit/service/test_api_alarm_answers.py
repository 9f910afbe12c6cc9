"""Alarms in words, versions as ETags, and episodes as CSV."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from service.api.alarms import names_of, place_words
from service.api.episodemodels import EpisodeAnswer
from service.api.episodes import episode_csv
from service.api.problem import Problem
from service.api.versions import ANY, check_seen, etag, moved_on
from tests.support.registries import small_registry


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("p", "P"),
        ("p#power_factor", "P, power factor"),
        ("p/t", "T"),
        ("p/t#electricity", "T, electricity"),
        ("p/t/m", "T, M"),
        ("p/t/m/cod", "T, M, Chemical oxygen demand"),
        ("p/t/m/cod#hour_mean", "T, M, Chemical oxygen demand, hour mean"),
        ("p/t/m/load_cod", "T, M, Pollutant load, COD"),
        ("p/t/gone/ph", "T, gone, pH"),
        ("elsewhere/x", "x"),
    ],
)
def test_a_target_is_told_by_the_names_of_its_places(target: str, words: str) -> None:
    assert place_words(names_of([small_registry()]), target).lower() == words.lower()


@pytest.mark.parametrize(("seen", "version"), [(7, 7), (ANY, 8)])
def test_what_was_seen_as_it_is_can_be_changed(seen: int, version: int) -> None:
    check_seen(seen, version, "alarm 1")


def test_what_changed_since_cannot() -> None:
    with pytest.raises(Problem, match="alarm 1 changed since") as caught:
        check_seen(6, 7, "alarm 1")

    assert caught.value.status == moved_on("alarm 1").status == 412
    assert etag(7) == '"7"'


def episode(**change: Any) -> EpisodeAnswer:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    plain: dict[str, Any] = {
        "alarm": 1, "start": moment, "stop": moment, "duration_s": 0.0, "raised_at": moment, "cleared_at": None, "park": "p",
        "rule": "r", "rule_version": 1, "name": "n", "target": "p", "place": "P", "category": "warning", "severity": "low",
        "unit": "", "peak": -1.5, "peak_at": None, "bound": None, "mean": None, "beyond_s": 0.0, "excess_kg": None, "valid": 1,
        "missing": 0, "excluded": 0, "final": False, "revision": 0, "cause": None, "action": None, "closed_at": None,
        "closed_by": None,
    }  # fmt: skip
    return EpisodeAnswer(**{**plain, **change})


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_text_never_becomes_a_formula_of_a_spreadsheet(text: str) -> None:
    [row] = csv.DictReader(io.StringIO(episode_csv([episode(cause=text)]), newline=""))

    assert row["cause"] == f"'{text}"
    assert (row["peak"], row["mean"], row["final"]) == ("-1.5", "", "false")


def test_no_episodes_are_a_line_of_names() -> None:
    assert episode_csv([]).split("\r\n")[0].split(",") == list(EpisodeAnswer.model_fields)
