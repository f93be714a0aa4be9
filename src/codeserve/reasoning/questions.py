"""What the reasoner is asked and what it answers: the wire between the gateway and the Reasoner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class System(StrEnum):
    ICD10CM = "ICD-10-CM"
    CPT = "CPT"
    HCPCS = "HCPCS"


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to code. All texts are redacted.

    `term`: the words that name it, as written ("right proximal humerus fracture"). `details`: words found
    elsewhere in the note that specify it (side, site, type, acuity, episode). `context`: about 300 characters
    around the mention, for the LLM. `system`: ICD10CM for a diagnosis, CPT for a procedure (HCPCS included).
    """

    id: int
    system: System
    term: str
    context: str = ""
    details: tuple[str, ...] = ()
    section: str = "other"
    age: int | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What rules leave open about a problem, to be answered with yes or no; the answer is the probability of yes.

    `kind` names its template in src/codeserve/prompts; `term` and `context`, its words and what is said about it, are
    redacted.
    """

    kind: str
    term: str
    context: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code, or a concept whose side and 7th character the rules fill in later, that retrieval offers.

    `score` in [0, 1], 1 for the best possible match; `sources` says who offered it, in order of trust:
    "lexicon" (the term's own code), "bm25", "dense", "imported" (an official release's). `certain`: the lexicon states
    this code for this very term and nothing in the question speaks against it.
    """

    code: str
    system: System
    description: str
    score: float
    sources: tuple[str, ...]
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    candidate: Candidate
    probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`judged` best first; its probabilities and `none` add up to at most 1. `decided_by`: "llm" or "lexicon"."""

    question_id: int
    judged: tuple[Judged, ...]
    none: float
    decided_by: str
