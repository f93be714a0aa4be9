"""The OpenAPI description. `python -m codeserve.api.openapi` writes it to docs/openapi.json."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from codeserve.api.schemas import ExtractRequest, Problem
from codeserve.api.schemas_checks import GapsRequest, ValidateRequest
from codeserve.api.schemas_jobs import JobRequest
from codeserve.api.schemas_worklist import ClaimRequest, DecisionsRequest, FinalCodesRequest

BODIES = (
    *(ExtractRequest, ValidateRequest, GapsRequest, Problem),
    *(ClaimRequest, DecisionsRequest, FinalCodesRequest, JobRequest),
)
REFERENCE = "#/components/schemas/{model}"
DESCRIPTION = (
    "A signed clinical note in; ICD-10-CM, CPT and HCPCS codes with modifiers and the E/M level out, each with a "
    "confidence and the exact characters of the note that support it."
)


def describe(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, with the bodies that the routes read and write themselves."""
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    _, own = models_json_schema([(body, "validation") for body in BODIES], ref_template=REFERENCE)
    components = document.setdefault("components", {})
    schemas = {**components.get("schemas", {}), **own["$defs"]}
    components["schemas"] = {name: schemas[name] for name in sorted(schemas) if "ValidationError" not in name}
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the identity provider"}
    }
    # FastAPI describes its own validation errors for routes with parameters; ours are problem documents.
    for route in document["paths"].values():
        for operation in route.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    return document


def main() -> None:
    from codeserve.api.app import describe_app

    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/openapi.json")
    path.write_bytes(orjson.dumps(describe_app().openapi(), option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()
