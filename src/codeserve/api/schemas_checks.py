"""The bodies of the checks: a claim to validate, and a note that is still being written."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from codeserve.api import checks
from codeserve.api.schemas import (
    Encounter,
    Expected,
    Finding,
    Gap,
    Identifier,
    Models,
    ModifierText,
    NoteText,
    Request,
    Response,
    WrittenCode,
    WrittenProcedure,
)

# What a claim may hold is for the edits to say, with a finding; these bounds only tell a claim from something else.
MOST_CODES = 5000
MOST_ON_A_LINE = 50
MOST_UNITS = 1_000_000


class ClaimDiagnosis(Request):
    code: WrittenCode


class ClaimProcedure(Request):
    """A line of a claim. `diagnosis_pointers` count from 1, as in item 24E of the CMS-1500."""

    code: WrittenProcedure
    modifiers: list[ModifierText] = Field(default_factory=list, max_length=MOST_ON_A_LINE)
    units: int = Field(default=1, ge=0, le=MOST_UNITS)
    diagnosis_pointers: list[Annotated[int, Field(ge=0, le=MOST_CODES)]] = Field(
        default_factory=list, max_length=MOST_ON_A_LINE
    )


class ValidateRequest(Request):
    """Codes as they would go on a claim. With `text` it is judged too what the documentation supports."""

    document_id: Identifier | None = None
    text: NoteText | None = None
    encounter: Encounter = Encounter()
    diagnosis_codes: list[ClaimDiagnosis] = Field(default_factory=list, max_length=MOST_CODES)
    procedure_codes: list[ClaimProcedure] = Field(default_factory=list, max_length=MOST_CODES)

    @model_validator(mode="after")
    def _not_empty(self) -> ValidateRequest:
        if not (self.diagnosis_codes or self.procedure_codes):
            raise checks.refuse("empty_claim", "Should hold at least one code", field="diagnosis_codes")
        return self


class TableInForce(Response):
    """A table that the findings rest on, and the days of service that it covers (null: open)."""

    name: str
    version: str
    effective: date | None
    until: date | None
    source: str


class LineExpected(Response):
    """What a line of the claim is expected to be paid; `line` counts from 1."""

    line: int = Field(ge=1)
    code: str
    expected_reimbursement: Expected | None = Field(description="null where no imported fee schedule has a price")


class ValidateResponse(Response):
    findings: list[Finding]
    tables: list[TableInForce]
    lines: list[LineExpected]


class GapsRequest(Request):
    """A note, finished or not, and what is known about the visit."""

    document_id: Identifier | None = None
    text: NoteText
    encounter: Encounter = Encounter()


class GapsResponse(Response):
    document_id: str | None
    documentation_gaps: list[Gap]
    model: Models
