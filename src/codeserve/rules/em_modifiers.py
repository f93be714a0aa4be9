"""Modifiers of an E/M code: a separate service on the same day (25, 57), another reason in a postoperative period (24),
and telehealth (95, 93, GT).

Source: CPT appendices A, P and T; NCCI Policy Manual, chapter I, section D; CMS Claims Processing Manual, chapter 12,
section 40; data/rules/em_modifiers.tsv, modifier_reasons.tsv, telehealth_modifiers.tsv.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.notes.document import Document
from codeserve.rules.em_visit import where
from codeserve.rules.encounter import Encounter
from codeserve.rules.kinds import kind_of
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.modifier_words import because
from codeserve.rules.postoperative import visit_apart
from codeserve.rules.reading import setting_of
from codeserve.rules.results import Diagnosis, ModifierReason, Procedure, Role
from codeserve.rules.schedule import Schedule
from codeserve.rules.tables import rows

PREVENTIVE_REASONS = ("Z00.0", "Z00.1", "Z01.41")


def em_modifiers(
    document: Document,
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    encounter: Encounter,
    schedule: Schedule,
) -> tuple[ModifierReason, ...]:
    """25 only where a problem was assessed beside what the procedures are for: that a patient is new is not enough
    (NCCI Policy Manual I.D). 57 is for the decision on the surgery itself, not for the visit before one that was
    planned already. 24 is for another reason than the recovery from an earlier operation."""
    wanted: dict[str, list[str]] = {}
    for procedure in procedures:
        if modifier := schedule.visit_modifier(procedure.code):
            wanted.setdefault(modifier, []).append(procedure.code)
    apart = separate(diagnoses, procedures, schedule)
    found = []
    if "25" in wanted and apart:
        told = {"codes": ", ".join(wanted["25"]), "problems": ", ".join(d.code for d in apart)}
        found.append(because("separate-visit", "25", (span for d in apart for span in d.evidence), **told))
    if "57" in wanted and not where(document.text, "planned_operation"):
        operations = [p for p in procedures if p.code in wanted["57"]]
        spans = (span for p in operations for span in p.evidence)
        found.append(because("decision", "57", spans, codes=", ".join(wanted["57"])))
    return (*visit_apart(document, diagnoses, encounter, schedule), *found)


def telehealth(encounter: Encounter) -> Iterator[ModifierReason]:
    """The modifier of a visit through a screen or by telephone, as the payer wants it."""
    payer = (encounter.payer or "").lower()
    for row in rows("telehealth_modifiers.tsv"):
        if row["modality"] == encounter.modality and row["payer"] in ("*", payer):
            yield because(f"telehealth-{row['modality']}", row["modifier"])
            return


def separate(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], schedule: Schedule) -> list[Diagnosis]:
    """The assessed problems, a preventive examination among them, that no service which needs a modifier of the visit
    points to: a vaccine given at an examination is apart from it."""
    justified = {n for p in procedures if schedule.visit_modifier(p.code) for n in p.diagnosis_pointers}
    return [
        d
        for d in diagnoses
        if d.role is Role.ASSESSED
        and d.sequence not in justified
        and (plain_kind(d.code) != "administrative" or d.code.startswith(PREVENTIVE_REASONS))
    ]


def part_of_procedure(
    diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], encounter: Encounter, schedule: Schedule
) -> bool:
    """Whether all that was assessed is what a minor operation was for: the decision on it is part of it (NCCI Policy
    Manual I.D). An emergency department's visit also rules out other things, so it stands."""
    minor = [p for p in procedures if kind_of(p.code) == "surgery" and schedule.visit_modifier(p.code) == "25"]
    return bool(minor) and setting_of(encounter) != "emergency" and not separate(diagnoses, procedures, schedule)
