"""Routes with which another process plays with a simulator: sign and amend notes, look at drafts, ask for faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codeserve.adapters.simulators.faults import CONTROL

if TYPE_CHECKING:
    from codeserve.adapters.simulators.base import Simulator


def control_routes(simulator: Simulator) -> list[Route]:
    from codeserve.adapters.simulators.base import NoteOnFile

    async def sign(request: Request) -> Response:
        """A NoteOnFile's fields as JSON. Announces it where a webhook address is set."""
        return await told(simulator.sign(NoteOnFile(**await request.json())))

    async def amend(request: Request) -> Response:
        body = await request.json()
        return await told(simulator.amend(request.path_params["document_id"], body["text"]))

    async def announce(request: Request) -> Response:
        return await told(request.path_params["document_id"])

    async def told(document_id: str) -> Response:
        return JSONResponse({"document_id": document_id, "webhook_status": await simulator.announce(document_id)})

    async def drafts(request: Request) -> Response:
        return _json([asdict(d) for d in simulator.drafts(request.query_params["reference"])])

    async def tasks(request: Request) -> Response:
        return _json(simulator.tasks())

    async def fault(request: Request) -> Response:
        simulator.faults.add(**await request.json())
        return Response(status_code=204)

    return [
        Route(f"{CONTROL}/notes", sign, methods=["POST"]),
        Route(f"{CONTROL}/notes/{{document_id}}/amend", amend, methods=["POST"]),
        Route(f"{CONTROL}/notes/{{document_id}}/announce", announce, methods=["POST"]),
        Route(f"{CONTROL}/drafts", drafts),
        Route(f"{CONTROL}/tasks", tasks),
        Route(f"{CONTROL}/faults", fault, methods=["POST"]),
    ]


def _json(content: Any) -> Response:
    return JSONResponse(content)
