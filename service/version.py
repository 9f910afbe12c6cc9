"""Which kawasan this is."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed_version"]


def installed_version() -> str:
    """The version of kawasan that runs; `source` where it runs from its source tree."""
    try:
        return version("kawasan")
    except PackageNotFoundError:
        return "source"
