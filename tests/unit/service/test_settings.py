"""Settings: where they come from, and how mistakes are told."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.errors import SettingsError
from service.settings import Settings, load_settings, masked, table

DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAWASAN_")]:
        monkeypatch.delenv(name)


def test_without_any_setting_the_defaults_hold() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.mqtt_version) == ("127.0.0.1", 8321, "5")


def test_the_environment_wins_over_the_file_and_an_option_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kawasan.toml"
    file.write_text('port = 1001\nhost = "0.0.0.0"\nparks = ["a", "b"]\n')
    monkeypatch.setenv("KAWASAN_CONFIG", str(file))
    monkeypatch.setenv("KAWASAN_HOST", "::1")

    settings = load_settings(cycle_rows=7)

    assert (settings.port, settings.host, settings.parks, settings.cycle_rows) == (1001, "::1", ("a", "b"), 7)
    assert load_settings(host="127.0.0.2").host == "127.0.0.2"


def test_a_list_in_the_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWASAN_PARKS", "karawang, cikarang")

    assert load_settings().parks == ("karawang", "cikarang")


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("mqtt://gateway:hidden@broker:1883\n")
    monkeypatch.setenv("KAWASAN_MQTT_URL_FILE", str(tmp_path / "secret"))

    assert load_settings().need_broker() == "mqtt://gateway:hidden@broker:1883"


def test_a_secret_file_that_is_empty_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("\n")
    for name in ("DATABASE_URL", "MQTT_URL", "SMTP_URL", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"KAWASAN_{name}_FILE", str(tmp_path / "secret"))

    settings = load_settings()

    assert (settings.database_url, settings.mqtt_url, settings.smtp_url, settings.webhook_secret) == (None,) * 4


@pytest.mark.parametrize("url", ["smtp://mail.example", "smtps://me:hidden@mail.example:465"])
def test_an_smtp_server_is_named_by_its_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KAWASAN_SMTP_URL", url)

    assert load_settings().smtp_url == SecretStr(url)


def test_what_ways_of_alarms_need_is_checked_at_once_and_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWASAN_SMTP_URL", "http://me:hidden@mail.example")
    monkeypatch.setenv("KAWASAN_SMTP_FROM", "kawasan")
    monkeypatch.setenv("KAWASAN_WEBHOOK_SECRET", "hidden")
    monkeypatch.setenv("KAWASAN_WEBHOOK_ALLOW", "10.0.0.7:8080, http://plant.local/")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    told = str(caught.value)
    for words in (
        "the settings have 4 mistakes",
        "KAWASAN_SMTP_URL (environment): must be written as smtp://user:password@host:587",
        "KAWASAN_SMTP_FROM (environment): ",
        "KAWASAN_WEBHOOK_SECRET (environment): must have 16 characters or more",
        "KAWASAN_WEBHOOK_ALLOW (environment): ",
    ):
        assert words in told
    assert "hidden" not in told


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", "postgresql://kawasan:hidden@db/kawasan")

    settings = load_settings()

    assert "hidden" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_all_mistakes_are_told_at_once_each_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kawasan.toml"
    file.write_text("queue_mb = 0\nqueue_md = 3\n")
    monkeypatch.setenv("KAWASAN_CONFIG", str(file))
    monkeypatch.setenv("KAWASAN_PORT", "eighty")
    monkeypatch.setenv("KAWASAN_MQTT_URL", "http://gateway:hidden@broker")
    monkeypatch.setenv("KAWASAN_DATABASE_URL_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("KAWASAN_CYLCE_S", "3")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    told = str(caught.value)
    assert told.startswith("the settings have 6 mistakes:\n- ")
    for words in (
        "KAWASAN_CYLCE_S (environment) is not a setting; did you mean KAWASAN_CYCLE_S?",
        f"queue_md in {file} is not a setting; did you mean queue_mb?",
        f"KAWASAN_DATABASE_URL_FILE names {tmp_path / 'absent'}, which cannot be read",
        "KAWASAN_PORT (environment): ",
        "KAWASAN_MQTT_URL (environment): must be written as mqtt://user:password@host:1883",
        f"queue_mb ({file}): ",
    ):
        assert words in told
    assert "hidden" not in told


@pytest.mark.parametrize("contents", ["port = ", "= 3", "\ufffe"])
def test_a_file_that_is_not_toml_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: str
) -> None:
    file = tmp_path / "kawasan.toml"
    file.write_bytes(contents.encode("utf-16"))
    monkeypatch.setenv("KAWASAN_CONFIG", str(file))

    with pytest.raises(SettingsError, match=r"1 mistake:\n- KAWASAN_CONFIG names .* which is not TOML"):
        load_settings()


def test_a_setting_that_is_needed_and_absent_is_named_with_an_example() -> None:
    with pytest.raises(SettingsError, match="KAWASAN_DATABASE_URL is not set; write it as postgresql://"):
        load_settings().need_database()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("mqtt://u:p%40q@h", "mqtt://u:***@h"),
        ("mqtt://h:1883", "mqtt://h:1883"),
        ("host=h password=p user=u", "host=h password=*** user=u"),
        ("postgresql://h/d?password=p&user=u", "postgresql://h/d?password=***&user=u"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_table_in_the_docs_is_the_table_of_the_code() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
