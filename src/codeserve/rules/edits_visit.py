"""Edits of the visit: the E/M code beside the other services, what had to be inferred, what is missing.

Source: AMA CPT E/M guidelines; NCCI Policy Manual, chapter I, section D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.rules.edits_words import say
from codeserve.rules.em_modifiers import needed, part_of_procedure, separate_problem
from codeserve.rules.encounter import Encounter
from codeserve.rules.levels import rank
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Role, Severity, finding
from codeserve.rules.tables import rows

PREVENTIVE_REASONS = ("Z00.0", "Z00.1", "Z01.41")


def visit_edits(
    diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], em: Em | None, encounter: Encounter
) -> Iterator[Finding]:
    if not any(d.role is Role.ASSESSED for d in diagnoses):
        yield finding(
            Severity.WARNING,
            "assessment-missing",
            "ICD-10-CM guidelines IV.G; CPT E/M guidelines, problems addressed",
            "no assessed diagnosis was found",
            (),
            "state the diagnoses of this visit in an assessment",
        )
    if em is None:
        if part_of_procedure(diagnoses, procedures, encounter):
            yield say("em-in-procedure", tuple(p.code for p in procedures if needed(p.code)))
        return
    yield from (say(rule, (em.code,)) for rule in em.notices)
    yield from _inferred(em, encounter)
    yield from _beside_procedures(diagnoses, procedures, em)
    yield from _preventive(diagnoses, em, encounter)
    yield from _time(em)


def _inferred(em: Em, encounter: Encounter) -> Iterator[Finding]:
    if encounter.patient_status is None and "status inferred" in em.rationale:
        yield finding(
            Severity.INFO,
            "em-patient-status-inferred",
            "CPT E/M guidelines, new and established patients",
            "new or established was not told and is inferred from the note",
            (em.code,),
            "send patient_status",
        )


def _beside_procedures(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], em: Em) -> Iterator[Finding]:
    beside = [p.code for p in procedures if needed(p.code) == "25"]
    if not beside:
        return
    if separate_problem(diagnoses, procedures):
        yield finding(
            Severity.INFO,
            "em-modifier-25",
            "CPT appendix A, modifier 25; NCCI Policy Manual I.D",
            "the visit takes modifier 25: a problem was assessed beside what the service is for",
            (em.code, *beside),
            "see that the note shows the visit as significant and separate",
        )
    else:
        yield finding(
            Severity.WARNING,
            "em-part-of-procedure",
            "NCCI Policy Manual I.D; CMS Claims Processing Manual, chapter 12, section 40.1",
            "only the problem that the service is for was assessed: the visit may be part of the service",
            (em.code, *beside),
            "bill the visit with modifier 25 only if it was significant and separate",
        )


def _preventive(diagnoses: Sequence[Diagnosis], em: Em, encounter: Encounter) -> Iterator[Finding]:
    preventive = em.code in {row["code"] for row in rows("em_preventive.tsv")}
    if not preventive and any(d.code.startswith(PREVENTIVE_REASONS) for d in diagnoses):
        yield finding(
            Severity.INFO,
            "em-preventive",
            "CPT guidelines, preventive medicine services",
            "a preventive examination is among the diagnoses, and the visit is coded by its problems",
            (em.code,),
            "send service=preventive if the visit was a preventive one",
        )
    worked_up = [d for d in diagnoses if d.role is Role.ASSESSED and plain_kind(d.code) != "administrative"]
    if preventive and worked_up and rank(em.level) >= rank("low"):
        yield finding(
            Severity.INFO,
            "em-preventive-with-problem",
            "CPT guidelines, preventive medicine services; appendix A, modifier 25",
            f"problems were worked up too ({em.level} decision making)",
            (em.code,),
            "an office visit with modifier 25 may stand beside it where the work was significant",
        )
    if preventive and "medicare" in (encounter.payer or "").lower():
        yield finding(
            Severity.WARNING,
            "em-preventive-medicare",
            "CMS Claims Processing Manual, chapter 18, section 140",
            "Medicare does not pay this code",
            (em.code,),
            "G0402, G0438 or G0439 where their conditions are met",
        )


def _time(em: Em) -> Iterator[Finding]:
    if em.code in ("99238", "99315") and "not stated" in em.rationale:
        yield finding(
            Severity.INFO,
            "em-discharge-time",
            "CPT E/M guidelines, discharge services",
            "the time of the discharge is not stated",
            (em.code,),
            "document the total time where it was more than 30 minutes",
        )
