"""docs/tenants.md asks only for what there is."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from service.api import create_app
from service.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "tenants.md"


def test_each_line_of_the_page_names_a_route_and_parameters_that_it_has() -> None:
    schema = create_app(Settings(database_url=SecretStr("postgresql://x@localhost/x"))).openapi()
    routes = {
        re.compile("/api/v1" + re.sub(r"\{[^}]*\}", "[^/]+", path.removeprefix("/api/v1")) + "$"): methods.get("get")
        for path, methods in schema["paths"].items()
    }

    urls = [urlsplit(f"/api/v1{text}") for text in re.findall(r'"\$KAWASAN(/[^"]*)"', PAGE.read_text())]

    wrong = []
    for url in urls:
        found = next((get for route, get in routes.items() if get and route.match(url.path)), None)
        known = {one["name"] for one in found["parameters"]} if found else set()
        must = (
            {one["name"] for one in found["parameters"] if one["required"] and one["in"] == "query"} if found else set()
        )
        if found is None or not must <= set(parse_qs(url.query)) <= known:
            wrong.append(url.geturl())
    assert len(urls) > 8
    assert wrong == []
