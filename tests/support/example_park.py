"""The park file that is shipped as an example."""

from pathlib import Path

from domain.parkfile import ParkFile, parse

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "parks" / "karawang.yaml"


def example_park() -> ParkFile:
    return parse(EXAMPLE.read_text(encoding="utf-8"), "yaml")
