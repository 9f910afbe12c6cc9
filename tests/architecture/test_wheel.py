"""The built wheel: our packages and nothing else, with every file they read."""

import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

PROJECT = Path(__file__).resolve().parents[2]
READ_AT_RUN_TIME = {".py", ".sql", ".html", ".css", ".js", ".svg", ".conf", ".json", ".yaml", ".toml"}


def packages() -> list[str]:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        names: list[str] = tomllib.load(file)["tool"]["setuptools"]["packages"]
    return names


def top_level_names() -> set[str]:
    return {name.split(".")[0] for name in packages()}


def sources() -> set[str]:
    return {
        path.relative_to(PROJECT).as_posix()
        for name in top_level_names()
        for path in (PROJECT / name).rglob("*")
        if path.is_file() and path.suffix in READ_AT_RUN_TIME and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="session")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel, built aside so that no earlier build's leftovers are in it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in (*sorted(top_level_names()), "deploy"):
        shutil.copytree(PROJECT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(PROJECT / name, tree / name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."],
        cwd=tree, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (tree / "dist").glob("kawasan-*.whl")
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_our_packages_and_nothing_else(wheel_files: set[str]) -> None:
    names = {name.split("/")[0] for name in wheel_files}

    assert {name for name in names if not name.endswith(".dist-info")} == top_level_names()


def test_the_wheel_holds_every_file_that_is_read_at_run_time(wheel_files: set[str]) -> None:
    assert sources() - wheel_files == set()


def test_the_wheel_brings_the_command(wheel_files: set[str]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_files)


@pytest.mark.parametrize("name", sorted({*top_level_names(), "tests", "benchmarks"}))
def test_no_dependency_installs_a_top_level_name_of_ours(name: str) -> None:
    assert set(packages_distributions().get(name, ())) <= {"kawasan"}
