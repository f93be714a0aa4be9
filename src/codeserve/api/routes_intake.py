"""Where platforms tell what happened. They prove themselves by their signature, not by a key of ours."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from codeserve.api import limits
from codeserve.api.guard import Guarded
from codeserve.api.parts import json_response, problem_responses, shell_of, stored_of
from codeserve.api.schemas_worklist import Received
from codeserve.intake import events

router = APIRouter(route_class=Guarded)
MOST_BYTES = 1024 * 1024
CODED = ("signed", "unsigned")  # of the others nothing is kept


@router.post(
    "/v1/webhooks/{platform}",
    response_model=Received,
    status_code=202,
    responses=problem_responses(400, 401, 404, 413),
    summary="What a platform tells: stored before it is acknowledged",
)
async def webhook(request: Request, platform: str) -> Response:
    shell, stored = shell_of(request), stored_of(request)
    source = stored.platforms[platform]
    body = await limits.read_body(request, MOST_BYTES)
    told = source.adapter.verify_webhook(dict(request.headers), body, datetime.now(UTC))
    wanted = [event for event in told if event.kind in CODED and event.document_id]

    def store(session: Session) -> int:
        keys = stored.database.keys
        return sum(events.announce(session, keys, source.tenant, source.name, event, body) for event in wanted)

    with shell.drain.enter():
        new = await stored.write(store)
    return json_response(Received(accepted=new, known=len(wanted) - new), 202)


@router.get(
    "/v1/webhooks/{platform}",
    responses=problem_responses(401, 404),
    summary="The answer to a platform that tries its new webhook address",
)
async def challenge(request: Request, platform: str) -> Response:
    source = stored_of(request).platforms[platform]
    return json_response(dict(source.adapter.answer_challenge(dict(request.query_params))))
