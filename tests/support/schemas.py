"""The schemas that docs/ holds, and the description of the API; `python -m tests.support.schemas` writes them anew."""

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from domain.mapping import mapping_schema
from domain.referencefile import reference_schema
from ingest import json_schema
from service.api import create_app
from service.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "schemas"
OPENAPI = DOCS / "openapi.json"


def schemas() -> dict[str, dict[str, Any]]:
    return {
        "reading-message.json": json_schema(),
        "mapping.json": mapping_schema(),
        "references.json": reference_schema(),
    }


def openapi() -> dict[str, Any]:
    """The description of the API, as a server serves it."""
    return create_app(Settings(database_url=SecretStr("postgresql://nobody@localhost/none"))).openapi()


def text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text_of(schema), encoding="utf-8")
    OPENAPI.write_text(text_of(openapi()), encoding="utf-8")
