from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeserve.api import openapi
from codeserve.api.app import describe_app
from codeserve.api.schemas import ExtractRequest, ExtractResponse

DOCS = Path(__file__).parents[2] / "docs"
PATHS = {
    "/v1/extract-codes",
    "/v1/validate-codes",
    "/v1/documentation-gaps",
    "/v1/models",
    "/v1/codes/{code}",
    "/v1/webhooks/{platform}",
    "/v1/jobs",
    "/v1/jobs/{job_id}",
    "/v1/jobs/{job_id}/cancel",
    "/v1/jobs/{job_id}/results",
    "/v1/worklist",
    "/v1/worklist/{item_id}",
    "/v1/worklist/{item_id}/claim",
    "/v1/encounters/{encounter_id}/decisions",
    "/v1/encounters/{encounter_id}/final-codes",
    "/livez",
    "/readyz",
    "/metrics",
}


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(part) for part in value.values()))
    return set().union(*(references(part) for part in value)) if isinstance(value, list) else set()


def test_the_file_is_the_apps() -> None:
    stored = json.loads((DOCS / "openapi.json").read_text())
    assert stored == describe_app().openapi(), "run: python -m codeserve.api.openapi"


def test_writing_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "openapi.json"
    monkeypatch.setattr("sys.argv", ["openapi", str(path)])
    openapi.main()
    assert path.read_bytes() == (DOCS / "openapi.json").read_bytes()


def test_every_route_and_reference_is_described() -> None:
    document = describe_app().openapi()
    assert set(document["paths"]) == PATHS
    schemas = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    assert set(schemas["ExtractRequest"]["properties"]) == set(ExtractRequest.model_fields)
    assert set(schemas["ExtractResponse"]["required"]) == set(ExtractResponse.model_fields)


def test_the_page_names_every_field_and_every_error() -> None:
    page = (DOCS / "api.md").read_text()
    document = describe_app().openapi()
    names = {name for schema in document["components"]["schemas"].values() for name in schema["properties"]}
    assert {name for name in names if f"`{name}`" not in page} == set()
    for statuses in document["paths"]["/v1/extract-codes"]["post"]["responses"]:
        assert f"| {statuses} |" in page or statuses == "200"
