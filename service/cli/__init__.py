"""The command line: one command per process."""

from service.cli.main import app, main

__all__ = ["app", "main"]
