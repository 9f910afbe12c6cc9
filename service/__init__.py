"""Composition: settings, command line, engine loop, HTTP API and pages."""

__all__: list[str] = []
