"""The bodies of requests and responses. The JSON of docs/openapi.json is made from these classes.

Requests are strict: an unknown field, a number as a string and a contradiction are refused, with the field's path.
Offsets are Unicode code points into the text that was sent, and `text[start:end]` is exactly the evidence's `text`.
"""

from __future__ import annotations

from datetime import date, timedelta
from datetime import date as date_type
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from codeserve.api import checks

Identifier = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(checks.not_blank)]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(checks.not_blank)]
CodeText = Annotated[str, Field(min_length=3, max_length=24)]
DiagnosisCodeText = Annotated[CodeText, AfterValidator(checks.diagnosis_code)]
BillingCodeText = Annotated[CodeText, AfterValidator(checks.billing_code)]
WrittenCode = Annotated[CodeText, AfterValidator(checks.written_diagnosis)]
ProcedureText = Annotated[CodeText, AfterValidator(checks.procedure_code)]
WrittenProcedure = Annotated[CodeText, AfterValidator(checks.written_procedure)]
ModifierText = Annotated[str, Field(min_length=2, max_length=2), AfterValidator(checks.modifier)]
NoteText = Annotated[
    str,
    Field(
        min_length=1,
        description="The note; at most 200,000 characters unless configured otherwise (413 beyond)",
    ),
    AfterValidator(checks.not_blank),
]
PlaceOfService = Annotated[
    str, Field(pattern=r"^[0-9]{2}$", description="CMS place of service code"), AfterValidator(checks.place_of_service)
]
Npi = Annotated[
    str, Field(pattern=r"^[12][0-9]{9}$", description="With its check digit right"), AfterValidator(checks.npi)
]
Confidence = Annotated[float, Field(ge=0, le=1, description="Calibrated probability that the code is right, 4 digits")]

Sex = Literal["female", "male", "other"]
Level = Literal["none", "straightforward", "low", "moderate", "high"]
DecidedBy = Literal["llm", "lexicon"]
AssertionName = Literal["present", "absent", "possible", "historical", "family", "planned"]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Response(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Patient(Request):
    age: int | None = Field(default=None, ge=0, le=checks.OLDEST_AGE, description="Years at the date of service")
    birth_date: date | None = None
    sex: Sex | None = None
    identifiers: list[Annotated[str, Field(min_length=2, max_length=200), AfterValidator(checks.not_blank)]] = Field(
        default_factory=list,
        max_length=100,
        description="Names, numbers and addresses that redaction must remove before a model sees the note",
    )


class RecentProcedure(Request):
    """What was done to the patient before, for the global period of a surgery."""

    code: ProcedureText
    date: date_type
    modifiers: list[ModifierText] = Field(default_factory=list, max_length=4)


class Encounter(Request):
    encounter_id: Identifier | None = None
    date_of_service: Annotated[date, AfterValidator(checks.service_date)] | None = None
    place_of_service: PlaceOfService | None = None
    patient_status: Literal["new", "established"] | None = None
    setting: Literal["office", "inpatient", "observation", "emergency", "nursing_facility", "home", "other"] | None = (
        None
    )
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
    specialty: Label | None = None
    payer: Label | None = None
    provider_npi: Npi | None = None
    minutes: int | None = Field(
        default=None, ge=1, le=1440, description="Provider's total minutes on the date of service"
    )
    prior_diagnoses: list[DiagnosisCodeText] = Field(
        default_factory=list, max_length=200, description="ICD-10-CM codes of the patient's history"
    )
    recent_procedures: list[RecentProcedure] = Field(
        default_factory=list, max_length=50, description="By the same physician or group, for global periods"
    )
    existing_codes: list[BillingCodeText] = Field(
        default_factory=list, max_length=200, description="Codes that the platform holds for this encounter already"
    )
    patient: Patient | None = None

    @model_validator(mode="after")
    def _birth_fits(self) -> Encounter:
        if self.patient is not None and self.patient.birth_date is not None:
            _check_birth(self.patient.birth_date, self.patient.age, self.date_of_service)
        return self


def _check_birth(birth: date, age: int | None, service: date | None) -> None:
    """Raise where birth date, age and date of service contradict each other."""
    # Without a date of service the note may be of any day up to today, or tomorrow in another time zone.
    latest = service or date.today() + timedelta(days=1)
    if birth > latest:
        after = "the date of service" if service else "today"
        raise checks.refuse("contradiction", f"Should not be after {after}", field="patient.birth_date")
    years = checks.years_between(birth, latest)
    if years > checks.OLDEST_AGE:
        raise checks.refuse("birth_date", "Should be at most 130 years ago", field="patient.birth_date")
    if age is not None and (age != years if service else age > years):
        raise checks.refuse("contradiction", "Contradicts the birth date", field="patient.age")


class Options(Request):
    max_alternatives: int = Field(default=3, ge=0, le=20, description="Alternatives of a code, at most")
    include_rationale: bool = True
    include_gaps: bool = Field(default=False, description="Also answer what the note leaves open")
    include_risk: bool = Field(default=False, description="Also answer risk adjustment, CMS-HCC V28 and V24")


class ExtractRequest(Request):
    """A signed note and what is known about the visit."""

    document_id: Identifier
    text: NoteText
    model_version: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="A served model set or one of its aliases; the default set when left out"
    )
    encounter: Encounter = Encounter()
    options: Options = Options()


class Evidence(Response):
    """`[start, end)` in Unicode code points of the text that was sent; `text` is exactly those characters."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    text: str
    section: str = Field(description="Kind of the section in which it stands, such as hpi or assessment_plan")


class Alternative(Response):
    code: str
    description: str
    confidence: Confidence


class DiagnosisCode(Response):
    code: str = Field(description="Billable ICD-10-CM code with its dot")
    description: str
    confidence: Confidence
    evidence: list[Evidence]
    alternatives: list[Alternative]
    assertion: AssertionName
    decided_by: DecidedBy
    role: Literal["assessed", "external_cause", "status"]
    rationale: str | None = Field(description="null when options.include_rationale is false")
    sequence: int = Field(ge=1, description="Order on the claim, 1 for the first-listed")


class ModifierReason(Response):
    """Why a modifier stands on a code. `evidence` is empty where the encounter tells it and not the note."""

    modifier: str
    reason: str
    source: str = Field(description="CPT appendix, manual section or table")
    evidence: list[Evidence]


class Expected(Response):
    """What Medicare's physician fee schedule pays for a line, from CMS's imported file."""

    amount: float = Field(ge=0, description="US dollars")
    basis: str = Field(description="The table and its version, and which of its amounts")
    adjustments: list[str] = Field(description="What was applied: both sides, several services, assistant, units")


class ProcedureCode(Response):
    code: str
    system: Literal["CPT", "HCPCS"]
    description: str
    confidence: Confidence
    modifiers: list[str] = Field(description="At most four, those that change the price first")
    modifier_reasons: list[ModifierReason] = Field(description="One for each of `modifiers`, in their order")
    units: int = Field(ge=1)
    evidence: list[Evidence]
    diagnosis_pointers: list[int] = Field(description="`sequence` of the diagnoses that it is for")
    alternatives: list[Alternative]
    decided_by: DecidedBy
    rationale: str | None = Field(description="null when options.include_rationale is false")
    expected_reimbursement: Expected | None = Field(description="null where no imported fee schedule has a price")


class ElementItem(Response):
    """One thing that counts towards an MDM element."""

    kind: str
    message: str
    evidence: list[Evidence]
    decided_by: Literal["rules", "llm"] = Field(description="The LLM only where it was asked what the rules leave open")


class MdmElement(Response):
    level: Level
    items: list[ElementItem]


class EmAddOn(Response):
    """A code that stands beside the visit's: prolonged service, longitudinal care, a visit beside a preventive one."""

    code: str
    units: int = Field(ge=1)
    modifiers: list[str]
    why: str
    evidence: list[Evidence]
    expected_reimbursement: Expected | None = Field(description="null where no imported fee schedule has a price")


class Em(Response):
    """The evaluation and management code, and how it was counted."""

    code: str
    modifiers: list[str] = Field(description="24, 25, 57, 93, 95 or GT, each where note and encounter support it")
    modifier_reasons: list[ModifierReason] = Field(description="One for each of `modifiers`, in their order")
    method: Literal["mdm", "time"]
    level: Level = Field(description="The MDM level that two of the three elements reach")
    problems: MdmElement
    data: MdmElement
    risk: MdmElement
    confidence: Confidence
    also: list[EmAddOn]
    level_by_time: str | None = Field(description="The code that the documented time alone gives")
    next_level: str = Field(description="What the next level would need; empty where there is none")
    rationale: str | None = Field(description="null when options.include_rationale is false")
    expected_reimbursement: Expected | None = Field(description="null where no imported fee schedule has a price")


class Finding(Response):
    id: str
    severity: Literal["error", "warning", "info"]
    rule: str = Field(description="Stable name")
    source: str = Field(description="Guideline, table or manual section")
    message: str
    codes: list[str]
    suggestion: str


class Gap(Response):
    """Something that the note leaves open, as a question to the clinician."""

    id: str
    kind: str = Field(description="Stable name, such as side-missing")
    evidence: list[Evidence]
    question: str = Field(description="Neutral words; names no code and no payment")
    changes: str = Field(description="What an answer would change")
    codes: list[str]
    source: str = Field(description="Guideline or practice brief")


class RiskCategory(Response):
    category: str
    label: str
    counts: bool = Field(description="Whether the hierarchy leaves it")


class RiskCode(Response):
    code: str
    origin: Literal["suggested", "prior"]
    categories: list[RiskCategory]


class RiskModel(Response):
    """Raw factors: of age and sex alone, of the prior codes, of the suggested ones, and of these with what recapture
    asks about."""

    model: Literal["V28", "V24"]
    demographics: float
    prior: float
    suggested: float
    if_recaptured: float
    codes: list[RiskCode]


class RiskChange(Response):
    model: Literal["V28", "V24"]
    categories: list[str]
    change: float = Field(description="Of the raw factor, were the condition documented again")


class RiskQuestion(Response):
    kind: Literal["recapture", "suspected"]
    question: str = Field(description="Neutral words; names no code and no payment")
    codes: list[str] = Field(description="Prior codes that it is about; none for a suspected condition")
    models: list[RiskChange]
    evidence: list[Evidence]
    source: str


class RiskAdjustment(Response):
    """Which suggested and prior codes carry a hierarchical condition category, and what is left to ask."""

    tables: str
    models: list[RiskModel]
    questions: list[RiskQuestion]
    remarks: list[str] = Field(description="What was assumed of the person, and what does not count")


class Route(Response):
    decision: Literal["auto_post", "review", "worklist"]
    threshold: float
    reasons: list[str]


class Conflict(Response):
    """Codes of one family (an ICD-10-CM category, an E/M or CPT family) of which the two sides hold different ones."""

    family: str
    existing: list[str]
    proposed: list[str]


class Comparison(Response):
    """Every existing code stands in `same`, `missing` or `conflicting`; every proposed one in `same`, `added` or
    `conflicting`."""

    same: list[str]
    added: list[str]
    missing: list[str]
    conflicting: list[Conflict]


class Models(Response):
    """What took part: the model set's name, and the version of every model, table and lexicon."""

    name: str
    versions: dict[str, str]


class ExtractResponse(Response):
    encounter_id: str = Field(description="As sent, or else the document_id")
    document_id: str
    diagnosis_codes: list[DiagnosisCode]
    procedure_codes: list[ProcedureCode]
    em: Em | None = Field(description="null where the encounter has none")
    findings: list[Finding]
    documentation_gaps: list[Gap] | None = Field(description="null unless options.include_gaps")
    risk_adjustment: RiskAdjustment | None = Field(description="null unless options.include_risk")
    route: Route
    comparison: Comparison | None = Field(description="null where no existing codes were sent")
    model: Models
    note_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the note's UTF-8 bytes")


class ModelCard(Response):
    """A served model set; `model_version` takes its name or an alias."""

    name: str
    aliases: list[str]
    default: bool
    versions: dict[str, str]


class ModelList(Response):
    models: list[ModelCard]


class CodeName(Response):
    code: str
    description: str


class CodeInfo(Response):
    """What a code is. `notes` by kind (inclusionTerm, excludes1, codeFirst, ...), the code's own first."""

    code: str
    system: Literal["ICD-10-CM", "CPT", "HCPCS"]
    description: str
    billable: bool
    parents: list[CodeName] = Field(description="From the nearest up to the chapter")
    notes: dict[str, list[str]]


class Ready(Response):
    ready: Literal[True]


class Alive(Response):
    alive: Literal[True]


class FieldError(Response):
    field: str = Field(description="Path, such as encounter.patient.age")
    message: str


class Problem(Response):
    """RFC 9457. `type` is stable; the body never repeats what was sent."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    retryable: bool
    hint: str | None = None
    errors: list[FieldError] | None = None
    missing: list[str] | None = Field(default=None, description="Of /readyz: the stages that do not answer")
