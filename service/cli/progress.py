"""A bar that says how far a command has come; on a terminal only, and never where the command writes its result."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(doing: str) -> Iterator[Callable[[float | None, str], None]]:
    """
    Show a bar on standard error while the block lasts.

    Yields
    ------
    callable
        Takes how much is done (from 0 to 1; None: not known) and what else is to be said beside the bar.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _words: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None, words="")

        def show(done: float | None, words: str) -> None:
            if done is None:
                bar.update(task, words=words)
            else:
                bar.update(task, total=1.0, completed=done, words=words)

        yield show
