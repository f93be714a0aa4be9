"""Documents and results for the tests of the rules, without a model."""

from __future__ import annotations

from codeserve.notes.document import Document
from codeserve.notes.items import find_items
from codeserve.notes.sections import split_sections
from codeserve.notes.spans import Span
from codeserve.reasoning.questions import System
from codeserve.rules.results import Diagnosis, Element, Em, Procedure, Role
from codeserve.tagging.entities import Assertion

ANYWHERE = Span(0, 1)


def document(text: str) -> Document:
    sections = split_sections(text)
    return Document(text, text, range(len(text)), range(1, len(text) + 1), sections, find_items(text, sections))


def diagnosis(
    code: str, where: Span = ANYWHERE, description: str = "", sequence: int = 1, confidence: float = 0.97
) -> Diagnosis:
    role = Role.EXTERNAL_CAUSE if code[0] in "VWXY" else Role.ASSESSED
    return Diagnosis(code, description, confidence, (where,), Assertion.PRESENT, "lexicon", role, sequence)


def named(text: str, *pairs: tuple[str, str]) -> tuple[Diagnosis, ...]:
    """Diagnoses by code and the last place of their words, which is in the assessment."""
    return tuple(
        diagnosis(code, Span(text.rindex(words), text.rindex(words) + len(words)), words, number)
        for number, (code, words) in enumerate(pairs, 1)
    )


def procedure(
    code: str,
    modifiers: tuple[str, ...] = (),
    pointers: tuple[int, ...] = (1,),
    units: int = 1,
    description: str = "",
    confidence: float = 0.97,
) -> Procedure:
    system = System.CPT if code.isdigit() else System.HCPCS
    return Procedure(code, system, description, confidence, (Span(0, 1),), "lexicon", modifiers, units, pointers)


def em(code: str = "99213", level: str = "low", rationale: str = "", confidence: float = 0.97) -> Em:
    element = Element(level, ())
    return Em(code, "mdm", level, element, element, element, confidence, rationale=rationale)
