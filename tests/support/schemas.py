"""The JSON schemas that docs/schemas holds; `python -m tests.support.schemas` writes them anew."""

import json
from pathlib import Path
from typing import Any

from domain.mapping import mapping_schema
from domain.referencefile import reference_schema
from ingest import json_schema

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def schemas() -> dict[str, dict[str, Any]]:
    return {
        "reading-message.json": json_schema(),
        "mapping.json": mapping_schema(),
        "references.json": reference_schema(),
    }


def text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text_of(schema), encoding="utf-8")
