"""The locks: they hold what pyproject.toml asks for, by version and hash, and no address."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = ("demo", "dev", "uv")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)")


def lock_text(name: str) -> str:
    return (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, list[Version]]:
    """The versions of each package; several where they depend on the platform."""
    found: dict[str, list[Version]] = {}
    for line in lock_text(name).splitlines():
        if match := PIN.match(line):
            found.setdefault(canonicalize_name(match[1]), []).append(Version(match[2]))
    return found


def project() -> dict[str, list[Requirement]]:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        table = tomllib.load(file)
    run = [*table["project"]["dependencies"], *table["project"]["optional-dependencies"]["demo"]]
    build = table["build-system"]["requires"]
    dev = table["dependency-groups"]["dev"]
    return {
        "demo": [Requirement(line) for line in (*run, *build)],
        "dev": [Requirement(line) for line in (*run, *build, *dev)],
    }


@pytest.mark.parametrize("name", ["demo", "dev"])
def test_a_lock_satisfies_every_dependency(name: str) -> None:
    locked = pins(name)
    unmet = [
        str(wanted)
        for wanted in project()[name]
        if not all(wanted.specifier.contains(version) for version in locked.get(canonicalize_name(wanted.name), []))
        or canonicalize_name(wanted.name) not in locked
    ]

    assert unmet == []


def test_tests_run_on_the_versions_of_the_demo() -> None:
    demo, dev = pins("demo"), pins("dev")

    assert {name: dev.get(name) for name in demo} == demo


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_a_hash(name: str) -> None:
    requirements = re.split(r"\n(?=\S)", lock_text(name).strip())

    assert [one.split()[0] for one in requirements if "--hash=sha256:" not in one] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_no_address(name: str) -> None:
    lines = lock_text(name).splitlines()

    assert [line for line in lines if "://" in line or " @ " in line or re.match(r"\s*--(?!hash=)", line)] == []
