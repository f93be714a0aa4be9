"""The bodies of requests and responses. Made by `make client` from docs/openapi.json, never by hand."""

# ruff: noqa
# schemas: 24d4cee97e6b147e

from __future__ import annotations
from typing import Annotated, Any, Literal
from pydantic import BaseModel, Field
from datetime import date as date_aliased


class Alternative(BaseModel):
    code: str
    description: str
    confidence: Annotated[
        float,
        Field(description="Calibrated probability that the code is right, 4 digits"),
    ]


class ClaimDiagnosis(BaseModel):
    code: str


class ClaimProcedure(BaseModel):
    """
    A line of a claim. `diagnosis_pointers` count from 1, as in item 24E of the CMS-1500.
    """

    code: str
    modifiers: list[str] | None = None
    units: int | None = 1
    diagnosis_pointers: list[int] | None = None


class CodeName(BaseModel):
    code: str
    description: str


class Conflict(BaseModel):
    """
    Codes of one family (an ICD-10-CM category, an E/M or CPT family) of which the two sides hold different ones.
    """

    family: str
    existing: list[str]
    proposed: list[str]


class Evidence(BaseModel):
    """
    `[start, end)` in Unicode code points of the text that was sent; `text` is exactly those characters.
    """

    start: int
    end: int
    text: str
    section: Annotated[
        str,
        Field(description="Kind of the section in which it stands, such as hpi or assessment_plan"),
    ]


class Expected(BaseModel):
    """
    What Medicare's physician fee schedule pays for a line, from CMS's imported file.
    """

    amount: Annotated[float, Field(description="US dollars")]
    basis: Annotated[str, Field(description="The table and its version, and which of its amounts")]
    adjustments: Annotated[
        list[str],
        Field(description="What was applied: both sides, several services, assistant, units"),
    ]


class FieldError(BaseModel):
    field: Annotated[str, Field(description="Path, such as encounter.patient.age")]
    message: str


class Finding(BaseModel):
    id: str
    severity: Literal["error", "warning", "info"]
    rule: Annotated[str, Field(description="Stable name")]
    source: Annotated[str, Field(description="Guideline, table or manual section")]
    message: str
    codes: list[str]
    suggestion: str


class Gap(BaseModel):
    """
    Something that the note leaves open, as a question to the clinician.
    """

    id: str
    kind: Annotated[str, Field(description="Stable name, such as side-missing")]
    evidence: list[Evidence]
    question: Annotated[str, Field(description="Neutral words; names no code and no payment")]
    changes: Annotated[str, Field(description="What an answer would change")]
    codes: list[str]
    source: Annotated[str, Field(description="Guideline or practice brief")]


class LineExpected(BaseModel):
    """
    What a line of the claim is expected to be paid; `line` counts from 1.
    """

    line: int
    code: str
    expected_reimbursement: Annotated[
        Expected | None,
        Field(description="null where no imported fee schedule has a price"),
    ]


class ModelCard(BaseModel):
    """
    A served model set; `model_version` takes its name or an alias.
    """

    name: str
    aliases: list[str]
    default: bool
    versions: dict[str, Any]


class ModelList(BaseModel):
    models: list[ModelCard]


class Models(BaseModel):
    """
    What took part: the model set's name, and the version of every model, table and lexicon.
    """

    name: str
    versions: dict[str, Any]


class ModifierReason(BaseModel):
    """
    Why a modifier stands on a code. `evidence` is empty where the encounter tells it and not the note.
    """

    modifier: str
    reason: str
    source: Annotated[str, Field(description="CPT appendix, manual section or table")]
    evidence: list[Evidence]


class Options(BaseModel):
    max_alternatives: Annotated[int | None, Field(description="Alternatives of a code, at most")] = 3
    include_rationale: bool | None = True
    include_gaps: Annotated[bool | None, Field(description="Also answer what the note leaves open")] = False
    include_risk: Annotated[
        bool | None,
        Field(description="Also answer risk adjustment, CMS-HCC V28 and V24"),
    ] = False


class Patient(BaseModel):
    age: Annotated[int | None, Field(description="Years at the date of service")] = None
    birth_date: date_aliased | None = None
    sex: Literal["female", "male", "other"] | None = None
    identifiers: Annotated[
        list[str] | None,
        Field(description="Names, numbers and addresses that redaction must remove before a model sees the note"),
    ] = None


class Problem(BaseModel):
    """
    RFC 9457. `type` is stable; the body never repeats what was sent.
    """

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    retryable: bool
    hint: str | None = None
    errors: list[FieldError] | None = None
    missing: Annotated[list[str] | None, Field(description="Of /readyz: the stages that do not answer")] = None


class ProcedureCode(BaseModel):
    code: str
    system: Literal["CPT", "HCPCS"]
    description: str
    confidence: Annotated[
        float,
        Field(description="Calibrated probability that the code is right, 4 digits"),
    ]
    modifiers: Annotated[list[str], Field(description="At most four, those that change the price first")]
    modifier_reasons: Annotated[
        list[ModifierReason],
        Field(description="One for each of `modifiers`, in their order"),
    ]
    units: int
    evidence: list[Evidence]
    diagnosis_pointers: Annotated[list[int], Field(description="`sequence` of the diagnoses that it is for")]
    alternatives: list[Alternative]
    decided_by: Literal["llm", "lexicon"]
    rationale: Annotated[str | None, Field(description="null when options.include_rationale is false")]
    expected_reimbursement: Annotated[
        Expected | None,
        Field(description="null where no imported fee schedule has a price"),
    ]


class RecentProcedure(BaseModel):
    """
    What was done to the patient before, for the global period of a surgery.
    """

    code: str
    date: date_aliased
    modifiers: list[str] | None = None


class RiskCategory(BaseModel):
    category: str
    label: str
    counts: Annotated[bool, Field(description="Whether the hierarchy leaves it")]


class RiskChange(BaseModel):
    model: Literal["V28", "V24"]
    categories: list[str]
    change: Annotated[
        float,
        Field(description="Of the raw factor, were the condition documented again"),
    ]


class RiskCode(BaseModel):
    code: str
    origin: Literal["suggested", "prior"]
    categories: list[RiskCategory]


class RiskModel(BaseModel):
    """
    Raw factors: of age and sex alone, of the prior codes, of the suggested ones, and of these with what recapture
    asks about.
    """

    model: Literal["V28", "V24"]
    demographics: float
    prior: float
    suggested: float
    if_recaptured: float
    codes: list[RiskCode]


class RiskQuestion(BaseModel):
    kind: Literal["recapture", "suspected"]
    question: Annotated[str, Field(description="Neutral words; names no code and no payment")]
    codes: Annotated[
        list[str],
        Field(description="Prior codes that it is about; none for a suspected condition"),
    ]
    models: list[RiskChange]
    evidence: list[Evidence]
    source: str


class Route(BaseModel):
    decision: Literal["auto_post", "review", "worklist"]
    threshold: float
    reasons: list[str]


class TableInForce(BaseModel):
    """
    A table that the findings rest on, and the days of service that it covers (null: open).
    """

    name: str
    version: str
    effective: date_aliased | None
    until: date_aliased | None
    source: str


class ValidateResponse(BaseModel):
    findings: list[Finding]
    tables: list[TableInForce]
    lines: list[LineExpected]


class CodeInfo(BaseModel):
    """
    What a code is. `notes` by kind (inclusionTerm, excludes1, codeFirst, ...), the code's own first.
    """

    code: str
    system: Literal["ICD-10-CM", "CPT", "HCPCS"]
    description: str
    billable: bool
    parents: Annotated[list[CodeName], Field(description="From the nearest up to the chapter")]
    notes: dict[str, Any]


class Comparison(BaseModel):
    """
    Every existing code stands in `same`, `missing` or `conflicting`; every proposed one in `same`, `added` or
    `conflicting`.
    """

    same: list[str]
    added: list[str]
    missing: list[str]
    conflicting: list[Conflict]


class DiagnosisCode(BaseModel):
    code: Annotated[str, Field(description="Billable ICD-10-CM code with its dot")]
    description: str
    confidence: Annotated[
        float,
        Field(description="Calibrated probability that the code is right, 4 digits"),
    ]
    evidence: list[Evidence]
    alternatives: list[Alternative]
    assertion: Literal["present", "absent", "possible", "historical", "family", "planned"]
    decided_by: Literal["llm", "lexicon"]
    role: Literal["assessed", "external_cause", "status"]
    rationale: Annotated[str | None, Field(description="null when options.include_rationale is false")]
    sequence: Annotated[int, Field(description="Order on the claim, 1 for the first-listed")]


class ElementItem(BaseModel):
    """
    One thing that counts towards an MDM element.
    """

    kind: str
    message: str
    evidence: list[Evidence]
    decided_by: Annotated[
        Literal["rules", "llm"],
        Field(description="The LLM only where it was asked what the rules leave open"),
    ]


class EmAddOn(BaseModel):
    """
    A code that stands beside the visit's: prolonged service, longitudinal care, a visit beside a preventive one.
    """

    code: str
    units: int
    modifiers: list[str]
    why: str
    evidence: list[Evidence]
    expected_reimbursement: Annotated[
        Expected | None,
        Field(description="null where no imported fee schedule has a price"),
    ]


class Encounter(BaseModel):
    encounter_id: str | None = None
    date_of_service: date_aliased | None = None
    place_of_service: str | None = None
    patient_status: Literal["new", "established"] | None = None
    setting: (
        Literal[
            "office",
            "inpatient",
            "observation",
            "emergency",
            "nursing_facility",
            "home",
            "other",
        ]
        | None
    ) = None
    service: Literal["initial", "subsequent", "discharge", "consultation", "preventive"] | None = None
    modality: Literal["in_person", "video", "audio"] | None = None
    note_type: (
        Literal[
            "progress",
            "history_and_physical",
            "consultation",
            "operative",
            "procedure",
            "discharge_summary",
            "emergency",
        ]
        | None
    ) = None
    specialty: str | None = None
    payer: str | None = None
    provider_npi: str | None = None
    minutes: Annotated[int | None, Field(description="Provider's total minutes on the date of service")] = None
    prior_diagnoses: Annotated[list[str] | None, Field(description="ICD-10-CM codes of the patient's history")] = None
    recent_procedures: Annotated[
        list[RecentProcedure] | None,
        Field(description="By the same physician or group, for global periods"),
    ] = None
    existing_codes: Annotated[
        list[str] | None,
        Field(description="Codes that the platform holds for this encounter already"),
    ] = None
    patient: Patient | None = None


class ExtractRequest(BaseModel):
    """
    A signed note and what is known about the visit.
    """

    document_id: str
    text: Annotated[
        str,
        Field(description="The note; at most 200,000 characters unless configured otherwise (413 beyond)"),
    ]
    model_version: Annotated[
        str | None,
        Field(description="A served model set or one of its aliases; the default set when left out"),
    ] = None
    encounter: Encounter | None = None
    options: Options | None = None


class GapsRequest(BaseModel):
    """
    A note, finished or not, and what is known about the visit.
    """

    document_id: str | None = None
    text: Annotated[
        str,
        Field(description="The note; at most 200,000 characters unless configured otherwise (413 beyond)"),
    ]
    encounter: Encounter | None = None


class GapsResponse(BaseModel):
    document_id: str | None
    documentation_gaps: list[Gap]
    model: Models


class MdmElement(BaseModel):
    level: Literal["none", "straightforward", "low", "moderate", "high"]
    items: list[ElementItem]


class RiskAdjustment(BaseModel):
    """
    Which suggested and prior codes carry a hierarchical condition category, and what is left to ask.
    """

    tables: str
    models: list[RiskModel]
    questions: list[RiskQuestion]
    remarks: Annotated[
        list[str],
        Field(description="What was assumed of the person, and what does not count"),
    ]


class ValidateRequest(BaseModel):
    """
    Codes as they would go on a claim. With `text` it is judged too what the documentation supports.
    """

    document_id: str | None = None
    text: str | None = None
    encounter: Encounter | None = None
    diagnosis_codes: list[ClaimDiagnosis] | None = None
    procedure_codes: list[ClaimProcedure] | None = None


class Em(BaseModel):
    """
    The evaluation and management code, and how it was counted.
    """

    code: str
    modifiers: Annotated[
        list[str],
        Field(description="24, 25, 57, 93, 95 or GT, each where note and encounter support it"),
    ]
    modifier_reasons: Annotated[
        list[ModifierReason],
        Field(description="One for each of `modifiers`, in their order"),
    ]
    method: Literal["mdm", "time"]
    level: Annotated[
        Literal["none", "straightforward", "low", "moderate", "high"],
        Field(description="The MDM level that two of the three elements reach"),
    ]
    problems: MdmElement
    data: MdmElement
    risk: MdmElement
    confidence: Annotated[
        float,
        Field(description="Calibrated probability that the code is right, 4 digits"),
    ]
    also: list[EmAddOn]
    level_by_time: Annotated[str | None, Field(description="The code that the documented time alone gives")]
    next_level: Annotated[
        str,
        Field(description="What the next level would need; empty where there is none"),
    ]
    rationale: Annotated[str | None, Field(description="null when options.include_rationale is false")]
    expected_reimbursement: Annotated[
        Expected | None,
        Field(description="null where no imported fee schedule has a price"),
    ]


class ExtractResponse(BaseModel):
    encounter_id: Annotated[str, Field(description="As sent, or else the document_id")]
    document_id: str
    diagnosis_codes: list[DiagnosisCode]
    procedure_codes: list[ProcedureCode]
    em: Annotated[Em | None, Field(description="null where the encounter has none")]
    findings: list[Finding]
    documentation_gaps: Annotated[list[Gap] | None, Field(description="null unless options.include_gaps")]
    risk_adjustment: Annotated[RiskAdjustment | None, Field(description="null unless options.include_risk")]
    route: Route
    comparison: Annotated[Comparison | None, Field(description="null where no existing codes were sent")]
    model: Models
    note_sha256: Annotated[str, Field(description="SHA-256 of the note's UTF-8 bytes")]
