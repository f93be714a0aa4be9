"""Modifiers of an E/M code: a separate service on the same day (25, 57), and telehealth (95, 93).

Source: CPT appendices A, P and T; NCCI Policy Manual, chapter I, section D; data/rules/em_modifiers.tsv.
"""

from __future__ import annotations

from collections.abc import Sequence

from codeserve.rules.encounter import Encounter
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.reading import setting_of
from codeserve.rules.results import Diagnosis, Procedure, Role
from codeserve.rules.tables import rows

LAST_SURGERY = "69991"
TELEHEALTH = {"video": "95", "audio": "93"}


def em_modifiers(
    diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], encounter: Encounter
) -> tuple[str, ...]:
    """25 only where a problem was assessed beside what the procedures are for: that a patient is new is not enough
    (NCCI Policy Manual I.D). 57 is for the decision on the surgery itself."""
    found = {modifier for p in procedures if (modifier := needed(p.code))}
    if not separate_problem(diagnoses, procedures):
        found -= {"25"}
    remote = TELEHEALTH.get(encounter.modality or "")
    return tuple(sorted(found | ({remote} if remote else set())))


def needed(code: str) -> str | None:
    """The modifier that a visit needs beside this service, or None."""
    if not code.isdigit():
        return None
    within = (r["modifier"] for r in rows("em_modifiers.tsv") if int(r["from"]) <= int(code) <= int(r["to"]))
    return next(within, None)


def separate_problem(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure]) -> bool:
    """Whether some assessed problem is none that a service which needs a modifier points to."""
    justified = {pointer for p in procedures if needed(p.code) for pointer in p.diagnosis_pointers}
    return any(
        d.role is Role.ASSESSED and d.sequence not in justified and plain_kind(d.code) != "administrative"
        for d in diagnoses
    )


def part_of_procedure(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], encounter: Encounter) -> bool:
    """Whether all that was assessed is what a minor operation was for: the decision on it is part of it (NCCI Policy
    Manual I.D). An emergency department's visit also rules out other things, so it stands."""
    minor = [p for p in procedures if needed(p.code) == "25" and p.code < LAST_SURGERY]
    return bool(minor) and setting_of(encounter) != "emergency" and not separate_problem(diagnoses, procedures)
