"""Rows of the queue as the bodies that the routes answer. Pure but for the keys that open encrypted columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codeserve.api.compare import compare
from codeserve.api.schemas import Comparison, ExtractResponse
from codeserve.api.schemas_worklist import (
    Decided,
    Draft,
    FinalCodesRequest,
    Submitted,
    SubmittedProcedure,
    WorkDetail,
    WorkItem,
    WorkPage,
)
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import Charge, Decision, FinalCodes, Suggestion, WorklistItem
from codeserve.worklist import cursor


def shown(item: WorklistItem) -> WorkItem:
    return WorkItem(
        item_id=item.id,
        encounter_id=item.encounter_id,
        document_id=item.document_id,
        specialty=item.specialty,
        state=item.state,
        priority=item.priority,
        reasons=item.reasons,
        findings=item.findings,
        lowest_confidence=item.lowest_confidence,
        expected_amount=None if item.expected_amount is None else item.expected_amount / 100,
        quality_sample=item.quality_sample,
        claimed_by=item.claimed_by,
        lease_until=item.lease_until,
        created_at=item.created_at,
    )


def page(found: Sequence[WorklistItem], limit: int) -> WorkPage:
    """`found` may hold one item more than the page, which says that there is another page."""
    shown_ones = found[:limit]
    more = len(found) > limit
    place = cursor.write((shown_ones[-1].priority, shown_ones[-1].id)) if more else None
    return WorkPage(items=[shown(item) for item in shown_ones], next_cursor=place)


def detail(
    keys: KeyRing,
    item: WorklistItem,
    made: Suggestion,
    charge: Charge | None,
    decisions: Sequence[Decision],
    final: FinalCodes | None,
) -> WorkDetail:
    return WorkDetail(
        item=shown(item),
        mode=made.mode,
        route=made.route,
        suggestion=ExtractResponse.model_validate(unseal_json(keys, made, "response")),
        draft=_draft(charge) if charge else None,
        decisions=[_decided(keys, one) for one in decisions],
        final_codes=_submitted(keys, final) if final else None,
    )


def compared(final: FinalCodesRequest, answer: Mapping[str, Any]) -> Comparison:
    """The submitted codes beside the suggested ones."""
    em = answer["em"]
    visits = [em["code"], *(one["code"] for one in em["also"])] if em else []
    return compare(
        [*final.diagnosis_codes, *(one.code for one in final.procedures)],
        [one["code"] for one in answer["diagnosis_codes"]],
        [*(one["code"] for one in answer["procedure_codes"]), *visits],
    )


def _draft(charge: Charge) -> Draft:
    return Draft(state=charge.state, reference=charge.reference, platform_id=charge.platform_id)


def _decided(keys: KeyRing, row: Decision) -> Decided:
    why = unseal_json(keys, row, "reason") or {}
    return Decided(
        coder=row.coder,
        action=row.action,
        code=row.code_before,
        new_code=row.code_after,
        reason=why.get("reason"),
        comment=why.get("comment"),
        review_s=row.review_s,
        at=row.at,
    )


def _submitted(keys: KeyRing, row: FinalCodes) -> Submitted:
    codes = unseal_json(keys, row, "codes")
    return Submitted(
        diagnosis_codes=codes["diagnosis_codes"],
        procedures=[SubmittedProcedure(**one) for one in codes["procedures"]],
        submitted_at=row.submitted_at,
    )
