"""Bodies of the worklist's routes and of the webhooks'."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from codeserve.api import checks
from codeserve.api.schemas import (
    BillingCodeText,
    Comparison,
    DiagnosisCodeText,
    ExtractResponse,
    Label,
    ModifierText,
    ProcedureText,
    Request,
    Response,
)

Action = Literal["accept", "edit", "override", "reject"]
ItemState = Literal["open", "claimed", "decided", "final", "shadow", "superseded"]
ListedState = Literal["open", "claimed", "decided", "final", "superseded"]
ItemId = Annotated[str, Field(min_length=36, max_length=36)]
MOST_LEASE_MINUTES = 480


Reason = Annotated[str, AfterValidator(checks.decision_reason)]


class Received(Response):
    """Of the events in a delivery: how many are new, and how many were known."""

    accepted: int
    known: int


class WorkItem(Response):
    """A suggestion that waits for a coder."""

    item_id: str
    encounter_id: str
    document_id: str = Field(description="Of this version of the note, as codeserve names it")
    specialty: str | None
    state: ItemState
    priority: float = Field(description="0 to 100; the list is sorted by it")
    reasons: list[str] = Field(description="What the priority is made of, with its points")
    findings: int = Field(description="Errors and warnings about the suggested codes")
    lowest_confidence: float | None = Field(description="null where nothing was coded")
    expected_amount: float | None = Field(description="US dollars; null where no line has a price")
    quality_sample: bool
    claimed_by: str | None
    lease_until: datetime | None
    created_at: datetime


class WorkPage(Response):
    items: list[WorkItem]
    next_cursor: str | None = Field(description="For the next page; null at the end")


class Draft(Response):
    state: Literal["pending", "posted", "uncertain", "failed"]
    reference: str = Field(description="Under which the platform keeps it")
    platform_id: str | None


class Decided(Response):
    coder: str
    action: Action
    code: str | None
    new_code: str | None
    reason: str | None
    comment: str | None
    review_s: float | None
    at: datetime


class FinalProcedure(Request):
    code: ProcedureText
    modifiers: list[ModifierText] = Field(default_factory=list, max_length=4)
    units: int = Field(default=1, ge=1, le=9999)


class SubmittedProcedure(Response):
    code: str
    modifiers: list[str]
    units: int


class Submitted(Response):
    diagnosis_codes: list[str]
    procedures: list[SubmittedProcedure]
    submitted_at: datetime


class WorkDetail(Response):
    """An item with its suggestion, its draft charge and what was decided so far."""

    item: WorkItem
    mode: Literal["shadow", "assisted", "automated"]
    route: Literal["auto_post", "review", "worklist"]
    suggestion: ExtractResponse
    draft: Draft | None
    decisions: list[Decided]
    final_codes: Submitted | None


class ClaimRequest(Request):
    lease_minutes: int = Field(default=15, ge=1, le=MOST_LEASE_MINUTES)
    coder: Label | None = Field(default=None, description="For another coder; needs the permission assign")


class DecisionLine(Request):
    """About one suggested code; an override without `code` adds one that was missing."""

    action: Action
    code: BillingCodeText | None = None
    new_code: BillingCodeText | None = Field(default=None, description="What stands in its place")
    reason: Reason | None = Field(default=None, description="Needed unless the code is accepted")
    comment: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        default=None, description="The coder's own words; they are encrypted and not in the audit trail"
    )

    @model_validator(mode="after")
    def _whole(self) -> DecisionLine:
        changes = self.action in ("edit", "override")
        if changes != (self.new_code is not None):
            raise checks.refuse("contradiction", "Goes with edit and override only, and they need it", field="new_code")
        if self.code is None and self.action != "override":
            raise checks.refuse("missing", "Is needed unless override adds a code", field="code")
        if self.reason is None and self.action != "accept":
            raise checks.refuse("missing", "Is needed unless the code is accepted", field="reason")
        return self


class DecisionsRequest(Request):
    item_id: ItemId | None = Field(default=None, description="Needed where the encounter has several notes")
    decisions: list[DecisionLine] = Field(min_length=1, max_length=100)
    review_s: float = Field(ge=0, le=86_400, description="Seconds that the coder looked at it")


class FinalCodesRequest(Request):
    item_id: ItemId | None = Field(default=None, description="Needed where the encounter has several notes")
    diagnosis_codes: list[DiagnosisCodeText] = Field(max_length=50)
    procedures: list[FinalProcedure] = Field(max_length=100)


class FinalCodesResponse(Response):
    """The item, and the submitted codes (`existing`) beside the suggested ones (`proposed`)."""

    item: WorkItem
    comparison: Comparison
