"""What a running PostgreSQL writes about itself into its data folder."""

from pathlib import Path

__all__ = ["is_ready", "postmaster_pid"]

_STATE_LINE = 7


def postmaster_pid(cluster: Path) -> int | None:
    """Process id of the server that runs, or ran until it was killed, on this data."""
    lines = _lines(cluster)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def is_ready(cluster: Path, pid: int) -> bool:
    """Whether the server with this process id says that it accepts connections."""
    # The first line tells the server's own file from one that a killed predecessor left.
    lines = _lines(cluster)
    return len(lines) > _STATE_LINE and lines[0] == str(pid) and lines[_STATE_LINE].strip() == "ready"


def _lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
