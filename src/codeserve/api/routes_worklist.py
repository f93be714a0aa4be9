"""The coders' queue: look at it, take an item, decide, submit the final codes; each with its record in the trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from codeserve.api.guard import Guarded, principal_of
from codeserve.api.parts import KEY, body_of, described, json_response, problem_responses, stored_of
from codeserve.api.present_worklist import compared, detail, page, shown
from codeserve.api.schemas_worklist import (
    ClaimRequest,
    DecisionsRequest,
    FinalCodesRequest,
    FinalCodesResponse,
    ListedState,
    WorkDetail,
    WorkItem,
    WorkPage,
)
from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.intake import charges
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import Suggestion, WorklistItem
from codeserve.worklist import cursor as cursors
from codeserve.worklist import queue, verdicts
from codeserve.worklist.items import SUPERSEDED

router = APIRouter(route_class=Guarded)
MOST_BYTES = 1024 * 1024
ASSIGN = "assign"


@router.get(
    "/v1/worklist",
    response_model=WorkPage,
    responses=problem_responses(401, 403, 422),
    openapi_extra=KEY,
    summary="Suggestions that wait for a coder, the most urgent first",
)
async def worklist(
    request: Request,
    state: ListedState = "open",
    specialty: str | None = None,
    encounter_id: str | None = None,
    mine: bool = False,
    max_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    min_findings: Annotated[int | None, Query(ge=0)] = None,
    min_amount: Annotated[float | None, Query(ge=0, description="US dollars")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> Response:
    caller, stored, at = principal_of(request), stored_of(request), datetime.now(UTC)
    cents = None if min_amount is None else round(min_amount * 100)
    own = caller.subject if mine else None
    wanted = queue.Filters(state, specialty, encounter_id, own, max_confidence, min_findings, cents)
    after = cursors.read(cursor) if cursor else None

    def work(session: Session) -> WorkPage:
        found = queue.page(session, caller.tenant, wanted, after, limit + 1, at)
        append(
            session, stored.database.keys, Record(caller.tenant, caller.subject, "VIEWED", details={"what": "worklist"})
        )
        return page(found, limit)

    return json_response(await stored.write(work))


@router.get(
    "/v1/worklist/{item_id}",
    response_model=WorkDetail,
    responses=problem_responses(401, 403, 404),
    openapi_extra=KEY,
    summary="An item with its suggestion and evidence, its draft charge and what was decided",
)
async def work_item(request: Request, item_id: str) -> Response:
    caller, stored = principal_of(request), stored_of(request)

    def work(session: Session) -> WorkDetail:
        item = queue.of_tenant(session, caller.tenant, item_id)
        made = session.get_one(Suggestion, (item.tenant, item.suggestion_id))
        charge = charges.of(session, item.tenant, item.document_id)
        decisions, final = verdicts.of_item(session, item)
        _append(session, request, item, "VIEWED", {"what": "suggestion"})
        return detail(stored.database.keys, item, made, charge, decisions, final)

    return json_response(await stored.write(work))


@router.post(
    "/v1/worklist/{item_id}/claim",
    response_model=WorkItem,
    responses=problem_responses(400, 401, 403, 404, 409, 415, 422),
    openapi_extra=described(ClaimRequest, deadline=False),
    summary="Take an item, or hold it longer; the claim runs out by itself",
)
async def claim(request: Request, item_id: str) -> Response:
    caller, asked = principal_of(request), await body_of(request, ClaimRequest, MOST_BYTES)
    if asked.coder not in (None, caller.subject):
        caller.require(ASSIGN)
    coder, lease = asked.coder or caller.subject, timedelta(minutes=asked.lease_minutes)

    def work(session: Session) -> WorkItem:
        item = queue.claim(session, caller.tenant, item_id, coder, lease, datetime.now(UTC))
        other = {} if coder == caller.subject else {"holder": coder}
        _append(session, request, item, "CLAIMED", {"lease_s": lease.total_seconds(), **other})
        return shown(item)

    return json_response(await stored_of(request).write(work))


@router.delete(
    "/v1/worklist/{item_id}/claim",
    response_model=WorkItem,
    responses=problem_responses(401, 403, 404, 409),
    openapi_extra=KEY,
    summary="Give an item back",
)
async def release(request: Request, item_id: str) -> Response:
    caller = principal_of(request)
    coder = None if caller.may(ASSIGN) else caller.subject

    def work(session: Session) -> WorkItem:
        item, holder = queue.release(session, caller.tenant, item_id, coder)
        _append(session, request, item, "RELEASED", {"holder": holder})
        return shown(item)

    return json_response(await stored_of(request).write(work))


@router.post(
    "/v1/encounters/{encounter_id}/decisions",
    response_model=WorkItem,
    responses=problem_responses(400, 401, 403, 404, 409, 415, 422),
    openapi_extra=described(DecisionsRequest, deadline=False),
    summary="Accept, edit, override or reject suggested codes",
)
async def decisions(request: Request, encounter_id: str) -> Response:
    caller, stored = principal_of(request), stored_of(request)
    asked = await body_of(request, DecisionsRequest, MOST_BYTES)
    decided = [verdicts.Verdict(d.action, d.code, d.new_code, d.reason, d.comment) for d in asked.decisions]

    def work(session: Session) -> WorkItem:
        item = verdicts.item_of(session, caller.tenant, encounter_id, asked.item_id)
        at = datetime.now(UTC)
        verdicts.decide(session, stored.database.keys, item, caller.subject, decided, asked.review_s, at)
        return shown(item)

    return json_response(await stored.write(work))


@router.post(
    "/v1/encounters/{encounter_id}/final-codes",
    response_model=FinalCodesResponse,
    responses=problem_responses(400, 401, 403, 404, 415, 422),
    openapi_extra=described(FinalCodesRequest, deadline=False),
    summary="The codes that were submitted for an encounter, compared with the suggested ones",
)
async def final_codes(request: Request, encounter_id: str) -> Response:
    caller, stored = principal_of(request), stored_of(request)
    asked = await body_of(request, FinalCodesRequest, MOST_BYTES)

    def work(session: Session) -> FinalCodesResponse:
        item = verdicts.item_of(session, caller.tenant, encounter_id, asked.item_id, (SUPERSEDED,))
        made = session.get_one(Suggestion, (item.tenant, item.suggestion_id))
        codes = asked.model_dump(exclude={"item_id"})
        verdicts.submit(session, stored.database.keys, item, caller.subject, codes, datetime.now(UTC))
        answer = unseal_json(stored.database.keys, made, "response")
        return FinalCodesResponse(item=shown(item), comparison=compared(asked, answer))

    return json_response(await stored.write(work))


def _append(session: Session, request: Request, item: WorklistItem, action: str, details: dict[str, Any]) -> None:
    """To the trail, in the same transaction: who looked at what, and who took it."""
    about = verdicts.record(item, principal_of(request).subject, action, details)
    append(session, stored_of(request).database.keys, about)
