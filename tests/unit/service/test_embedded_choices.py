"""Which private servers run where: choices over values, without starting anything."""

import hashlib
import os
from base64 import b64decode
from pathlib import Path

import pytest

from domain.errors import ParkError
from service.embedded.accounts import Account, reaches
from service.embedded.broker import mosquitto_conf, mosquitto_user
from service.embedded.installations import Installation, choose_installation

STRANGER = Account(name="stranger", uid=54_321, gid=54_321)


def installation(major: int, *, timescaledb: bool = False) -> Installation:
    return Installation(folder=Path(f"/pg/{major}/bin"), major=major, timescaledb=timescaledb, origin=f"pg {major}")


def test_without_data_the_preferred_installation_is_taken() -> None:
    chosen = choose_installation([installation(17, timescaledb=True), installation(18)], [])

    assert chosen.cluster_name == "pg17-timescaledb"


def test_data_stays_with_the_installation_that_wrote_it() -> None:
    chosen = choose_installation([installation(17, timescaledb=True), installation(18)], ["pg18"])

    assert chosen.cluster_name == "pg18"


def test_data_that_no_installation_reads_is_refused_by_name() -> None:
    with pytest.raises(ParkError, match=r"written by pg16, and this machine has pg18 \(pg 18\)"):
        choose_installation([installation(18)], ["pg16"])


def test_a_machine_without_postgresql_is_told_what_to_install() -> None:
    with pytest.raises(ParkError, match="KAWASAN_DATABASE_URL"):
        choose_installation([], [])


def test_a_closed_folder_above_keeps_an_account_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    assert not reaches(STRANGER, tmp_path / "data")


def test_we_reach_what_we_run_ourselves(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    assert reaches(None, tmp_path / "data")


def test_an_open_folder_below_an_open_one_is_reached() -> None:
    assert reaches(STRANGER, Path(os.sep) / "data")


def test_the_password_file_of_mosquitto_holds_a_salted_hash() -> None:
    name, _, hashed = mosquitto_user("kawasan", "secret").strip().partition(":")
    _, kind, rounds, salt, digest = hashed.split("$")

    expected = hashlib.pbkdf2_hmac("sha512", b"secret", b64decode(salt), int(rounds), dklen=64)
    assert (name, kind) == ("kawasan", "7")
    assert b64decode(digest) == expected


def test_only_the_places_of_a_shipped_mosquitto_file_are_replaced() -> None:
    shipped = "# a comment\nlistener 1883\nmax_queued_messages 0\npersistence_location /var/lib/mosquitto/\n"

    derived = mosquitto_conf(shipped, home=Path("/srv"), store=Path("/srv/store"), port=2000).splitlines()

    assert "max_queued_messages 0" in derived
    assert [line for line in derived if line.startswith("listener")] == ["listener 2000 127.0.0.1"]
    assert [line for line in derived if line.startswith("persistence_location")] == ["persistence_location /srv/store/"]
