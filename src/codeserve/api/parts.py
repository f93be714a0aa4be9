"""What the files of routes share: how they are described, who calls, how an answer is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from codeserve.api import limits, problems
from codeserve.api.admission import PRIORITIES
from codeserve.api.exchange import Shell
from codeserve.api.observe import Call
from codeserve.api.parse import parse
from codeserve.api.schemas import Request as Body

if TYPE_CHECKING:
    from codeserve.api.stored import Stored

Asked = TypeVar("Asked", bound=Body)
KEY: dict[str, Any] = {"security": [{"key": []}]}
HEADERS: dict[str, dict[str, Any]] = {
    limits.TIMEOUT_HEADER: {
        "schema": {"type": "integer", "minimum": 1},
        "description": "The deadline in milliseconds from now, up to the configured cap",
    },
    limits.PRIORITY_HEADER: {
        "schema": {"type": "string", "enum": list(PRIORITIES)},
        "description": "Interactive requests are let in before batch ones; the default is the API key's",
    },
    limits.IDEMPOTENCY_HEADER: {
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "The same key and body get the same answer for a short time; another body is a conflict",
    },
}
PROBLEM_TITLES = {
    400: "Not JSON",
    401: "No valid API key or token",
    403: "The caller lacks the permission",
    404: "Unknown",
    409: "Not with the present state, or the Idempotency-Key stood for another request",
    413: "Too large",
    415: "Not application/json",
    422: "A field is not acceptable",
    429: "Too many requests at once, or more than the key may send",
    500: "Internal error",
    503: "A stage failed or is missing, or the identity provider does not answer",
    504: "Past the deadline",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the routes' errors are described in OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {problems.MEDIA_TYPE: {"schema": schema}}
    return {status: {"description": PROBLEM_TITLES[status], "content": content} for status in statuses}


def described(model: type[BaseModel], *, deadline: bool = True) -> dict[str, Any]:
    """How a route that reads its body itself is described in OpenAPI; `deadline`: whether it takes our headers."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    headers = [{"name": name, "in": "header", "required": False, **rest} for name, rest in HEADERS.items()]
    return {**KEY, "requestBody": body, **({"parameters": headers} if deadline else {})}


def shell_of(request: Request) -> Shell:
    shell: Shell = request.app.state.shell
    return shell


def stored_of(request: Request) -> Stored:
    stored = shell_of(request).stored
    assert stored is not None  # the routes that ask are served only where it is
    return stored


async def body_of(request: Request, model: type[Asked], most_bytes: int) -> Asked:
    """Raises CodeserveError."""
    limits.require_json(request.headers)
    body = await limits.read_body(request, most_bytes)
    return parse(model, body, shell_of(request).settings.max_text_chars)


def call_of(request: Request) -> Call:
    call: Call = request.state.call
    return call


def json_response(content: object, status: int = 200) -> Response:
    """`content`: plain JSON, or a model."""
    plain = content.model_dump() if isinstance(content, BaseModel) else content
    return Response(orjson.dumps(plain), status, {"Cache-Control": "no-store"}, "application/json")
