"""What every package and file of the project has in common."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
OURS = ("domain", "simulators", "ingest", "store", "kpi", "alerts", "service")
LEFT_BY_TOOLS = {"__pycache__", "build", "dist", "node_modules"}

# Built from parts, so that this file is not what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/[a-z]\w*|Users/\w+)/")
REGISTRY_HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "deb.debian" + ".org", "registry.npmjs" + ".org")


def package_inits() -> list[Path]:
    return sorted(path for name in OURS for path in (PROJECT / name).rglob("__init__.py"))


def project_files() -> Iterator[Path]:
    for path in sorted(PROJECT.rglob("*")):
        places = path.relative_to(PROJECT).parts
        if places[0].startswith(".") and places[0] != ".ci":
            continue
        if (
            path.is_file()
            and not LEFT_BY_TOOLS & set(places)
            and not any(place.endswith(".egg-info") for place in places)
        ):
            yield path


def texts() -> Iterator[tuple[str, str]]:
    for path in project_files():
        try:
            yield path.relative_to(PROJECT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize("path", package_inits(), ids=lambda path: path.parent.relative_to(PROJECT).as_posix())
def test_a_package_states_its_reason_and_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = {
        target.id
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Name)
    }

    assert ast.get_docstring(tree)
    assert "__all__" in assigned


def test_tests_are_no_package() -> None:
    assert list((PROJECT / "tests").rglob("__init__.py")) == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (PROJECT / "tests").rglob("test_*.py")]

    assert sorted(names) == sorted(set(names))


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = [name for name, text in texts() if MACHINE_PATH.search(text)]

    assert found == []


def test_no_file_names_a_registry() -> None:
    found = [name for name, text in texts() if any(host in text for host in REGISTRY_HOSTS)]

    assert found == []


@pytest.mark.parametrize("name", ["run", "venv", "lock"])
def test_a_script_has_no_mistake_in_its_grammar(name: str) -> None:
    checked = subprocess.run(["bash", "-n", PROJECT / ".ci" / name], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")
