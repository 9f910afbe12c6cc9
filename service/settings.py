"""Settings: one table, filled from the environment (`KAWASAN_*`) and a TOML file, checked all at once.

::

    environment  KAWASAN_PORT=8321           first
    secret file  KAWASAN_MQTT_URL_FILE=path  for settings that hold a secret
    TOML file    port = 8321                 the file that KAWASAN_CONFIG names
    default                                  last

`docs/settings.md` is made from this table by :func:`table`.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from domain.errors import SettingsError

__all__ = ["PREFIX", "Settings", "load_settings", "masked", "table"]

PREFIX = "KAWASAN_"
"""Every environment variable that is a setting begins with this."""

_CONFIG = f"{PREFIX}CONFIG"
_SECRETS = ("database_url", "server_database_url", "mqtt_url", "smtp_url", "webhook_secret")
_CLOSE = 0.7
_LEAST_SECRET = 16
_TESTS = f"{PREFIX}TEST_"

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Hosts = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:\[\]-]{1,260}$")], ...], NoDecode]
Origins = Annotated[
    tuple[
        Annotated[
            str,
            Field(pattern=r"^https?://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?$", max_length=300),
        ],
        ...,
    ],
    NoDecode,
]
Keys = Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,62}$")], ...], NoDecode]


class Settings(BaseSettings):
    """Everything that can be set. Secrets are shown masked, and never logged."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    database_url: SecretStr | None = None
    """The database, as `postgresql://user:password@host:5432/name`. Secret."""
    server_database_url: SecretStr | None = None
    """The same database as the server connects to it: `kawasan migrate` makes this login, which can only read and log people in. Secret."""
    mqtt_url: SecretStr | None = None
    """The MQTT broker, as `mqtt://user:password@host:1883`, or `mqtts://` for TLS. Secret."""
    mqtt_version: Literal["5", "3.1.1"] = "5"
    """The MQTT version to speak; NATS speaks 3.1.1 only."""
    mqtt_client_id: str = Field(default="kawasan-ingest", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of the ingest's session at the broker. Two ingests must not share one."""
    mqtt_topic: str = Field(default="kawasan/v1/#", min_length=1, max_length=500)
    """The topic filter that ingest subscribes to."""
    receive_maximum: int = Field(default=2000, ge=1, le=65_535)
    """How many messages may be under way before the first is acknowledged."""
    message_bytes: int = Field(default=262_144, ge=1024, le=16_777_216)
    """A message with a larger payload is rejected. [bytes]"""
    queue_mb: int = Field(default=64, ge=1, le=65_536)
    """How much ingest holds at most; what is beyond waits at the broker. [MB]"""
    oldest_days: float = Field(default=400.0, gt=0, le=36_525)
    """Readings older than this are rejected; `kawasan import` takes its own bound. [d]"""
    future_s: float = Field(default=300.0, ge=0, le=86_400)
    """Readings stamped further ahead of our clock than this are rejected. [s]"""
    rejections_kept: Count = 1000
    """How many new rejections a source may keep per hour; beyond, they are only counted."""
    parks: Keys = ()
    """Keys of the parks that the engine computes, separated by commas; empty: all."""
    cycle_rows: Count = 200_000
    """About how many readings the engine takes on in one cycle."""
    cycle_s: float = Field(default=2.0, ge=0.1, le=3600)
    """The engine looks for work at least this often, besides being woken. [s]"""
    smtp_url: SecretStr | None = None
    """The SMTP server for alarms by e-mail, as `smtp://user:password@host:587`, or `smtps://` for TLS from the start. Secret."""
    smtp_from: str | None = Field(default=None, pattern=r"^[^\s@<>,;:\"]{1,64}@[^\s@<>,;:\"]{1,253}$")
    """The address that alarms by e-mail come from."""
    webhook_secret: SecretStr | None = None
    """Key that calls of webhooks are signed with; not set: they are not signed. Secret."""
    webhook_allow: Hosts = ()
    """Hosts (`alarms.plant.local`, `10.0.0.7:8080`) that a webhook may reach although they are inner, separated by commas."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address that the server listens on."""
    port: int = Field(default=8321, ge=1, le=65_535)
    """TCP port that the server listens on."""
    workers: int = Field(default=1, ge=1, le=64)
    """How many server processes answer side by side on the port; each has a memory and connections to the database of its own."""
    cookie_secure: bool = False
    """Whether the login cookie is sent over HTTPS only; switch it on behind a TLS proxy."""
    session_idle_min: float = Field(default=720.0, ge=1, le=525_600)
    """A login of the pages ends when it was not used for this long. [min]"""
    session_days: float = Field(default=30.0, ge=0.01, le=365)
    """A login of the pages ends after this long in any case. [d]"""
    requests_per_min: int = Field(default=6000, ge=0, le=10_000_000)
    """How many requests a user may send to the API in a minute, at once or spread; several workers share it evenly. 0: any number."""
    body_bytes: int = Field(default=1_048_576, ge=1024, le=1_073_741_824)
    """The largest body of a request; entered values may come four times as large. [bytes]"""
    cors_origins: Origins = ()
    """Other sites (`https://portal.park.example`) whose pages may ask the API, with a token; separated by commas, empty: none."""
    kept_mb: int = Field(default=64, ge=0, le=65_536)
    """Memory of each server process for answers that still hold; 0: these, users and registries are read anew each time. [MB]"""
    live_streams: int = Field(default=100, ge=1, le=100_000)
    """How many live streams a user may have open; several workers share it evenly."""
    live_heartbeat_s: float = Field(default=15.0, ge=1, le=600)
    """How often a live stream says that it is still there. [s]"""
    ready_lag_s: float = Field(default=0.0, ge=0, le=86_400)
    """With ingest or the engine further behind than this, `/readyz` says 503; 0: how far they are is only told. [s]"""
    metrics_public: bool = False
    """Whether `/metrics` of the server is shown to everybody; else to operators, auditors and admins."""
    ingest_metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    """TCP port on which ingest shows its metrics, on the address of `host`; not set: nowhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe events that are logged."""
    log_format: Literal["text", "json"] = "text"
    """How events are logged, on standard error."""
    data_dir: Path | None = None
    """Folder of the demo; default: `.kawasan` in the current folder."""

    @field_validator("parks", "webhook_allow", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value

    @field_validator("database_url", "server_database_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"^(postgres(ql)?://|\w+ *=)", value.get_secret_value()):
            raise ValueError("must be written as postgresql://user:password@host:5432/name")
        return value

    @field_validator("mqtt_url")
    @classmethod
    def _broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_address(value, "mqtt", "mqtts"):
            raise ValueError("must be written as mqtt://user:password@host:1883, or mqtts:// for TLS")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_address(value, "smtp", "smtps"):
            raise ValueError("must be written as smtp://user:password@host:587, or smtps:// for TLS from the start")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _LEAST_SECRET:
            raise ValueError(f"must have {_LEAST_SECRET} characters or more, or it could be guessed")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over secret files over the TOML file; no `.env` file is read."""
        del settings_cls, dotenv_settings, file_secret_settings
        return init_settings, env_settings

    def need_database(self) -> str:
        """
        The database's URL.

        Raises
        ------
        SettingsError
            It is not set.
        """
        return _needed(self.database_url, "database_url", "postgresql://user:password@host:5432/name")

    def need_broker(self) -> str:
        """
        The broker's URL.

        Raises
        ------
        SettingsError
            It is not set.
        """
        return _needed(self.mqtt_url, "mqtt_url", "mqtt://user:password@host:1883")


def _is_address(url: SecretStr, *schemes: str) -> bool:
    try:
        parts = urlsplit(url.get_secret_value())
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _needed(secret: SecretStr | None, name: str, example: str) -> str:
    if secret is None:
        raise SettingsError(f"{PREFIX}{name.upper()} is not set; write it as {example} (or try `kawasan demo`)")
    return secret.get_secret_value()


def masked(url: str) -> str:
    """
    A URL with its password replaced, fit to be shown.

    Examples
    --------
    >>> masked("mqtt://gateway:secret@broker:1883")
    'mqtt://gateway:***@broker:1883'
    """
    shown = re.sub(r"(?<=://)([^/@\s]*?):[^/\s]*@", r"\1:***@", url)
    return re.sub(r"(password *= *|password=)('[^']*'|[^\s&]+)", r"\1***", shown)


def load_settings(**given: object) -> Settings:
    """
    The settings of this process: its environment, secret files, the TOML file, and what a command was given.

    Parameters
    ----------
    **given
        Settings that override all others (options of the command line); None: not given.

    Raises
    ------
    SettingsError
        Something is wrong; names every mistake and where it stands.
    """
    mistakes: list[str] = list(_misspelt())
    written = _toml(mistakes)
    secrets = _secret_files(mistakes)
    fixed = {name: value for name, value in given.items() if value is not None}
    # What stands in the environment wins over both kinds of file, so it is taken out of them first.
    below = {name: value for name, value in (written | secrets).items() if f"{PREFIX}{name.upper()}" not in os.environ}
    try:
        settings = Settings(**{**below, **fixed})
    except ValidationError as error:
        mistakes += [_sentence(details, written, secrets) for details in error.errors(include_url=False)]
    else:
        if not mistakes:
            return settings
    noun = "mistake" if len(mistakes) == 1 else "mistakes"
    raise SettingsError("\n- ".join([f"the settings have {len(mistakes)} {noun}:", *mistakes]))


def _misspelt() -> Iterator[str]:
    # Only near misses: other programs of ours (tests, benchmarks) have variables of their own.
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    known += [f"{PREFIX}{name.upper()}_FILE" for name in _SECRETS] + [_CONFIG]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and not name.startswith(_TESTS) and name not in known:
            near = difflib.get_close_matches(
                name.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in known], 1, _CLOSE
            )
            if near:
                yield f"{name} (environment) is not a setting; did you mean {PREFIX}{near[0]}?"


def _toml(mistakes: list[str]) -> dict[str, Any]:
    place = os.environ.get(_CONFIG)
    if not place:
        return {}
    try:
        found = tomllib.loads(Path(place).read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.append(f"{_CONFIG} names {place}, which cannot be read: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(f"{_CONFIG} names {place}, which is not TOML: {error}")
        return {}
    return {name: value for name, value in found.items() if _is_known(name, place, mistakes)}


def _is_known(name: str, place: str, mistakes: list[str]) -> bool:
    if name in Settings.model_fields:
        return True
    near = difflib.get_close_matches(name, Settings.model_fields, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    mistakes.append(f"{name} in {place} is not a setting{hint}")
    return False


def _secret_files(mistakes: list[str]) -> dict[str, str]:
    found = {}
    for name in _SECRETS:
        variable = f"{PREFIX}{name.upper()}_FILE"
        place = os.environ.get(variable)
        if not place:
            continue
        if f"{PREFIX}{name.upper()}" in os.environ:
            mistakes.append(f"{variable} and {PREFIX}{name.upper()} are both set; leave one of them out")
            continue
        try:
            secret = Path(place).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(f"{variable} names {place}, which cannot be read: {getattr(error, 'strerror', error)}")
        else:
            # A unit of systemd does not start where a file that it hands over is missing, so one may be empty instead.
            if secret:
                found[name] = secret
    return found


def _sentence(details: ErrorDetails, written: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    name = str(details["loc"][0]) if details["loc"] else "the settings"
    variable = f"{PREFIX}{name.upper()}"
    if variable in os.environ:
        place, value = f"{variable} (environment)", os.environ[variable]
    elif name in secrets:
        place, value = f"{variable}_FILE", ""
    else:
        place, value = f"{name} ({os.environ.get(_CONFIG) or 'command line'})", str(written.get(name, ""))
    what = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    what = what[:1].lower() + what[1:]
    shown = f", is {value!r}" if value and name not in _SECRETS else ""
    return f"{place}: {what}{shown}"


def table() -> str:
    """All settings as a Markdown table; `docs/settings.md` holds exactly this."""
    rows = ["| environment variable | in TOML | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        secret = f"<br>or `{PREFIX}{name.upper()}_FILE`" if name in _SECRETS else ""
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        meaning = " ".join((field.description or "").split())
        rows.append(f"| `{PREFIX}{name.upper()}`{secret} | `{name}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"
