"""Edits of the visit: the E/M code beside the other services, what had to be inferred, what is missing.

Source: AMA CPT E/M guidelines; NCCI Policy Manual, chapter I, section D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.rules.edits_words import say
from codeserve.rules.em_modifiers import PREVENTIVE_REASONS, part_of_procedure, separate
from codeserve.rules.encounter import Encounter
from codeserve.rules.levels import rank
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Role
from codeserve.rules.schedule import Schedule
from codeserve.rules.tables import rows


def visit_edits(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    schedule: Schedule,
) -> Iterator[Finding]:
    if not any(d.role is Role.ASSESSED for d in diagnoses):
        yield say("assessment-missing", ())
    if em is None:
        if part_of_procedure(diagnoses, procedures, encounter, schedule):
            yield say("em-in-procedure", tuple(p.code for p in procedures if schedule.visit_modifier(p.code)))
        return
    yield from (say(rule, (em.code,)) for rule in em.notices)
    yield from _inferred(em, encounter)
    yield from _beside_procedures(diagnoses, procedures, em, schedule)
    yield from _preventive(diagnoses, em, encounter)
    yield from _time(em)


def _inferred(em: Em, encounter: Encounter) -> Iterator[Finding]:
    if encounter.patient_status is None and "status inferred" in em.rationale:
        yield say("em-patient-status-inferred", (em.code,))


def _beside_procedures(
    diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], em: Em, schedule: Schedule
) -> Iterator[Finding]:
    beside = [p.code for p in procedures if schedule.visit_modifier(p.code) == "25"]
    if not beside:
        return
    if separate(diagnoses, procedures, schedule):
        yield say("em-modifier-25", (em.code, *beside))
    else:
        yield say("em-part-of-procedure", (em.code, *beside))


def _preventive(diagnoses: Sequence[Diagnosis], em: Em, encounter: Encounter) -> Iterator[Finding]:
    preventive = em.code in {row["code"] for row in rows("em_preventive.tsv")}
    if not preventive and any(d.code.startswith(PREVENTIVE_REASONS) for d in diagnoses):
        yield say("em-preventive", (em.code,))
    worked_up = [d for d in diagnoses if d.role is Role.ASSESSED and plain_kind(d.code) != "administrative"]
    if preventive and worked_up and rank(em.level) >= rank("low"):
        yield say("em-preventive-with-problem", (em.code,), level=em.level)
    if preventive and encounter.medicare:
        yield say("em-preventive-medicare", (em.code,))


def _time(em: Em) -> Iterator[Finding]:
    if em.code in ("99238", "99315") and "not stated" in em.rationale:
        yield say("em-discharge-time", (em.code,))
