"""The commands by name, each imported only when it is asked for: most need neither the server nor the engine."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

__all__ = ["CommandGroup"]

# In the order of the help: by what one does first.
_PLACES = {
    "demo": "demo:run_demo_command",
    "migrate": "parks:migrate_database",
    "park": "parks:app",
    "references": "references:app",
    "meter": "meterlife:app",
    "ingest": "ingesting:ingest",
    "engine": "computing:engine",
    "serve": "serving:serve",
    "notify": "notify:notify",
    "simulate": "meters:simulate",
    "replay": "meters:replay",
    "rejections": "rejections:app",
    "correction": "corrections:app",
    "conflicts": "corrections:conflicts",
    "import": "imports:import_file",
    "export": "exports:export",
    "context": "context:app",
    "recompute": "recompute:recompute_command",
    "period": "periods:app",
    "findings": "findings:app",
    "alarms": "alarms:app",
    "episodes": "episodes:app",
    "rules": "rules:app",
    "check": "checks:check",
    "user": "users:app",
}


class _Commands(Mapping[str, Any]):
    """A command, or a group of commands, for each name."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _, what = _PLACES[name].partition(":")
            self._made[name] = _made(name, getattr(import_module(f"service.cli.{module}"), what))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def _made(name: str, what: Any) -> Any:
    own = typer.Typer(add_completion=False, rich_markup_mode=None)
    if not isinstance(what, typer.Typer):
        own.command(name)(what)
        return get_command(own)
    own.add_typer(what, name=name)
    return get_group(own).commands[name]


class CommandGroup(TyperGroup):
    """All commands of kawasan."""

    def __init__(self, **attributes: Any) -> None:
        """Made by typer."""
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # only ever read
