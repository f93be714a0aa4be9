"""What the rules make of the models' answers. Spans index `Document.text`; the gateway maps them to the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from codeserve.notes.spans import Span
from codeserve.reasoning.questions import System
from codeserve.tagging.entities import Assertion


class Role(StrEnum):
    ASSESSED = "assessed"
    EXTERNAL_CAUSE = "external_cause"
    STATUS = "status"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Alternative:
    code: str
    description: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`sequence` counts from 1, first-listed first. `decided_by`: "llm" or "lexicon". `features`: what its confidence
    was made of (rules/confidence.py)."""

    code: str
    description: str
    confidence: float
    evidence: tuple[Span, ...]
    assertion: Assertion
    decided_by: str
    role: Role
    sequence: int
    alternatives: tuple[Alternative, ...] = ()
    rationale: str = ""
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModifierReason:
    """Why a modifier stands on a code. `evidence` is empty where the encounter tells it, not the note."""

    modifier: str
    reason: str
    source: str
    evidence: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a fee schedule pays for a line: US dollars, what that rests on, and what was applied."""

    amount: float
    basis: str
    adjustments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Procedure:
    """`diagnosis_pointers` are sequences of diagnoses; `units` at least 1; `modifier_reasons` one a modifier."""

    code: str
    system: System
    description: str
    confidence: float
    evidence: tuple[Span, ...]
    decided_by: str
    modifiers: tuple[str, ...] = ()
    units: int = 1
    diagnosis_pointers: tuple[int, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    rationale: str = ""
    modifier_reasons: tuple[ModifierReason, ...] = ()
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class ElementItem:
    """One thing that counts towards an MDM element, with the words that show it. `decided_by`: "rules" or "llm"."""

    kind: str
    message: str
    evidence: tuple[Span, ...]
    decided_by: str = "rules"


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A problem whose kind the note's words leave open: `question` is a row of mdm_questions.tsv, `term` names the
    problem, `said` is what is said about it."""

    code: str
    question: str
    term: Span
    said: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """An MDM element. `level`: "none", "straightforward", "low", "moderate" or "high". `open`: problems of which the
    words of the note do not settle the kind (rules/mdm_open.py)."""

    level: str
    items: tuple[ElementItem, ...]
    open: tuple[OpenItem, ...] = ()


@dataclass(frozen=True, slots=True)
class EmAddOn:
    """A code beside the visit's: prolonged service, longitudinal care, a problem visit beside a preventive one."""

    code: str
    units: int
    modifiers: tuple[str, ...]
    why: str
    evidence: tuple[Span, ...] = ()
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Em:
    """`method` "mdm" or "time"; `level` the MDM level that holds; `level_by_time` the code that time alone gives.
    `modifiers`: 24, 25, 57, 93, 95 or GT, each where the note and the encounter support it. `also`: codes beside it.
    `notices`: rules of findings.tsv that the note calls for."""

    code: str
    method: str
    level: str
    problems: Element
    data: Element
    risk: Element
    confidence: float
    level_by_time: str | None = None
    next_level: str = ""
    rationale: str = ""
    modifiers: tuple[str, ...] = ()
    also: tuple[EmAddOn, ...] = ()
    notices: tuple[str, ...] = ()
    modifier_reasons: tuple[ModifierReason, ...] = ()
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable name, `source` the guideline, table or manual section; `codes` are those it is about."""

    id: str
    severity: Severity
    rule: str
    source: str
    message: str
    codes: tuple[str, ...] = ()
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """`decision`: "auto_post", "review" or "worklist"."""

    decision: str
    threshold: float
    reasons: tuple[str, ...]
