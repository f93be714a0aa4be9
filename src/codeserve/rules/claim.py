"""A claim's codes, checked: with the tables alone, or also against what the note was read as.

Source of what a claim holds: CMS-1500 instructions (Claims Processing Manual, chapter 26, section 10.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codeserve.codesets import CodeSets
from codeserve.codesets.icd10cm import normalise_code
from codeserve.reasoning.questions import System
from codeserve.rules.claim_support import Note, support_edits
from codeserve.rules.edits_case import case
from codeserve.rules.edits_words import say
from codeserve.rules.encounter import Encounter
from codeserve.rules.findings import NO_PAYER_RULES, edits, numbered
from codeserve.rules.payer_rules import PayerRules
from codeserve.rules.results import Diagnosis, Finding, Procedure, Role
from codeserve.tagging.entities import Assertion

DIAGNOSES, LINES = 12, 50  # CMS-1500 item 21; X12 837P, loop 2400
MOST_CHECKED = 200  # diagnoses, and service lines: what is beyond is not a claim, and pairs grow with the square
BILLED = "claim"


@dataclass(frozen=True, slots=True)
class Line:
    """A service line as it was sent. `diagnosis_pointers` count from 1, as on a claim; `units` may be impossible."""

    code: str
    modifiers: tuple[str, ...] = ()
    units: int = 1
    diagnosis_pointers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """Codes in capitals and with their dots, in the order of the claim; `written` as sent, diagnoses first."""

    encounter: Encounter
    diagnoses: tuple[Diagnosis, ...]
    procedures: tuple[Procedure, ...]
    written: tuple[str, ...] = ()

    @classmethod
    def of(cls, encounter: Encounter, diagnosis_codes: Sequence[str], lines: Sequence[Line], codes: CodeSets) -> Claim:
        """From bare codes, in any case and with or without the dot. Codes that do not exist stay in."""
        return cls(
            encounter,
            tuple(_diagnosis(code, number, codes) for number, code in enumerate(diagnosis_codes, 1)),
            tuple(_procedure(line, codes) for line in lines),
            (*diagnosis_codes, *(line.code for line in lines)),
        )


def _diagnosis(written: str, number: int, codesets: CodeSets) -> Diagnosis:
    code = normalise_code(written)
    description = codesets.icd.description(code) if code in codesets.icd else ""
    role = Role.EXTERNAL_CAUSE if code[:1] in tuple("VWXY") else Role.ASSESSED
    return Diagnosis(code, description, 1.0, (), Assertion.PRESENT, BILLED, role, number)


def _procedure(line: Line, codesets: CodeSets) -> Procedure:
    code = line.code.strip().upper()
    known = codesets.procedures.get(code)
    system = System.HCPCS if code[:1].isalpha() else System.CPT
    modifiers = tuple(modifier.strip().upper() for modifier in line.modifiers)
    description = known.description if known else ""
    return Procedure(code, system, description, 1.0, (), BILLED, modifiers, line.units, line.diagnosis_pointers)


def validate(
    claim: Claim,
    codesets: CodeSets,
    payer_rules: PayerRules = NO_PAYER_RULES,
    note: Note | None = None,
) -> tuple[Finding, ...]:
    """All findings about a claim, errors first, ids from F1. Of 5,000 codes the first 200 diagnoses and 200 lines are
    checked, and a finding says so. With a note, also what its documentation supports. Never raises for a code."""
    diagnoses, procedures = claim.diagnoses[:MOST_CHECKED], claim.procedures[:MOST_CHECKED]
    one = case(diagnoses, procedures, None, claim.encounter, codesets, billed=True)
    found = [*_form(claim), *edits(one, payer_rules)]
    return numbered([*found, *support_edits(one, note)] if note else found)


def _form(claim: Claim) -> Iterator[Finding]:
    for what, number, most, rule in (
        ("diagnoses", len(claim.diagnoses), DIAGNOSES, "claim-diagnoses"),
        ("service lines", len(claim.procedures), LINES, "claim-lines"),
    ):
        if number > MOST_CHECKED:
            yield say("claim-too-long", (), what=what, number=number, most=MOST_CHECKED)
        elif number > most:
            yield say(rule, (), number=number, most=most)
    of_diagnoses = [("diagnosis", n, d.code) for n, d in enumerate(claim.diagnoses, 1)]
    of_lines = [("line", n, p.code) for n, p in enumerate(claim.procedures, 1)]
    for (what, number, code), written in zip((*of_diagnoses, *of_lines), claim.written):
        if written != code and number <= MOST_CHECKED:
            yield say("code-written", (code,), place=f"{what} {number}", code=code)
