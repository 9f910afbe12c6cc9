"""The command line: one command per process."""

__all__: list[str] = []
