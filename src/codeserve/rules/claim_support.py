"""A claim held against what its note was read as: what the documentation supports, and what it holds beside.

Source: ICD-10-CM guidelines I.A.19, I.B.2, I.B.13; CPT E/M guidelines; CMS Claims Processing Manual, chapter 12. The
reading is the chain's own, so these are questions to a coder and never errors, but for a side that is contradicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.rules.edits_case import Case
from codeserve.rules.edits_modifiers import of
from codeserve.rules.edits_words import say
from codeserve.rules.kinds import kind_of
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Role
from codeserve.rules.tables import rows

SIDES = frozenset({"RT", "LT", "50"})
# What a note must show for the modifiers that a reading of it can tell.
SHOWN_BY_EM = {
    "24": ("CPT appendix A, modifier 24", "a problem that is no part of the recovery from the operation"),
    "25": ("CPT appendix A, modifier 25; NCCI Policy Manual I.D", "a problem assessed beside what the service is for"),
    "57": ("CPT appendix A, modifier 57", "the decision on a major operation"),
}
# On a service: what the reading of a note would have suggested too; any of one set stands for the others.
SHOWN_BY_NOTE = (
    frozenset({"22"}),
    frozenset({"52", "53"}),
    frozenset({"58"}),
    frozenset({"78"}),
    frozenset({"79"}),
    frozenset({"59", "XE", "XP", "XS", "XU"}),
    frozenset({"JW"}),
)
FAMILY = 4  # characters that codes of one family of visits or services share


@dataclass(frozen=True, slots=True)
class Note:
    """What the chain read in the note."""

    diagnoses: tuple[Diagnosis, ...]
    procedures: tuple[Procedure, ...]
    em: Em | None


def support_edits(case: Case, note: Note) -> Iterator[Finding]:
    for claimed in case.diagnoses:
        yield from _diagnosis(claimed, note, case)
    yield from _not_claimed(case, note)
    visits = [line for line in case.lines if line.code in visit_codes()]
    yield from _visits(visits, case, note)
    services = [line for line in case.lines if kind_of(line.code) != "em"]
    for number, line in enumerate(case.lines, 1):
        if line in services:
            yield from _service(number, line, note)
        elif line in visits and note.em:
            yield from _shown(number, line, note.em)
    claimed_families = {line.code[:FAMILY] for line in services}
    for procedure in note.procedures:
        if procedure.code[:FAMILY] not in claimed_families and kind_of(procedure.code) != "em":
            yield say("documented-procedure", (procedure.code,), documented=procedure.code)


@lru_cache(maxsize=1)
def visit_codes() -> frozenset[str]:
    """The codes whose level the rules of E/M give."""
    tables = ("em_codes.tsv", "em_discharge.tsv", "em_preventive.tsv")
    return frozenset(row["code"] for table in tables for row in rows(table))


def _diagnosis(claimed: Diagnosis, note: Note, case: Case) -> Iterator[Finding]:
    if any(d.code == claimed.code for d in note.diagnoses):
        return
    concept = case.codesets.concepts.of(claimed.code)
    related = [d for d in note.diagnoses if concept and case.codesets.concepts.of(d.code) == concept]
    if related:
        open_side = case.codesets.concepts.leaves_side_open(claimed.code)
        rule = "support-side" if open_side else "support-diagnosis-detail"
        yield say(rule, (claimed.code, related[0].code), documented=related[0].code)
    elif other := next((d for d in note.diagnoses if any(a.code == claimed.code for a in d.alternatives)), None):
        yield say("support-diagnosis-alternative", (claimed.code, other.code), documented=other.code)
    elif other := next((d for d in note.diagnoses if d.code[:3] == claimed.code[:3]), None):
        yield say("support-diagnosis-category", (claimed.code, other.code), documented=other.code)
    else:
        yield say("support-diagnosis", (claimed.code,))


def _not_claimed(case: Case, note: Note) -> Iterator[Finding]:
    categories = {d.code[:3] for d in case.diagnoses}
    for d in note.diagnoses:
        if d.code[:3] not in categories and d.role is not Role.EXTERNAL_CAUSE:
            rule = "documented-status" if d.role is Role.STATUS else "documented-diagnosis"
            yield say(rule, (d.code,), documented=d.code)


def _visits(visits: Sequence[Procedure], case: Case, note: Note) -> Iterator[Finding]:
    if note.em is None:
        yield from (say("support-em", (line.code,)) for line in visits)
        return
    em = note.em
    if not visits and case.lines:
        yield say("documented-em", (em.code,), documented=em.code)
    for line in visits:
        told = {"documented": em.code, "reason": em.rationale, "next": em.next_level or "the elements of its level"}
        codes = (line.code, em.code)
        if line.code == em.code:
            continue
        if line.code[:FAMILY] != em.code[:FAMILY]:
            yield say("support-em-family", codes, **told)
        else:
            yield say("em-above" if line.code > em.code else "em-below", codes, **told)


def _shown(number: int, line: Procedure, em: Em) -> Iterator[Finding]:
    for modifier, (source, needs) in SHOWN_BY_EM.items():
        if modifier in line.modifiers and modifier not in em.modifiers:
            yield say("support-modifier", (line.code,), line=number, modifier=modifier, needs=needs, source=source)


def _marked_so(code: str, alike: frozenset[str], note: Note) -> bool:
    return any(p.code == code and alike & set(p.modifiers) for p in note.procedures)


def _not_shown(number: int, code: str, modifier: str) -> Finding:
    row = of(modifier)
    needs = row["meaning"] if row else ""
    source = f"CPT appendix A; HCPCS Level II, modifier {modifier}"
    return say("support-modifier", (code,), line=number, modifier=modifier, needs=needs, source=source)


def _service(number: int, line: Procedure, note: Note) -> Iterator[Finding]:
    documented = next((p for p in note.procedures if p.code == line.code), None)
    if documented is None:
        other = next((p for p in note.procedures if p.code[:FAMILY] == line.code[:FAMILY]), None)
        if other:
            yield say("support-procedure-other", (line.code, other.code), documented=other.code)
        else:
            yield say("support-procedure", (line.code,))
        return
    for alike in SHOWN_BY_NOTE:
        if (claimed := alike & set(line.modifiers)) and not _marked_so(line.code, alike, note):
            yield _not_shown(number, line.code, min(claimed))
    stated, told = SIDES & set(line.modifiers), SIDES & set(documented.modifiers)
    if stated and told and stated != told:
        what = {"line": number, "stated": ", ".join(sorted(stated)), "documented": ", ".join(sorted(told))}
        yield say("support-modifier-other-side", (line.code,), **what)
    if line.units > documented.units:
        yield say("support-units", (line.code,), line=number, units=line.units, documented=documented.units)
