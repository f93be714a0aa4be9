"""What every edit looks at: one encounter's codes, and the tables of its date of service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from codeserve.codesets import CodeSets
from codeserve.codesets.icd10cm import Icd10cm
from codeserve.reasoning.questions import System
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Diagnosis, Em, Procedure, Role
from codeserve.rules.schedule import Schedule

MOST_POINTERS = 4  # CMS-1500, item 24E


@dataclass(frozen=True, slots=True)
class Case:
    """`lines`: all services, the visit among them. `icd`: the release of the date of service, or else the newest.

    `billed`: the codes stand on a claim, as opposed to being proposed from a note.
    """

    diagnoses: tuple[Diagnosis, ...]
    lines: tuple[Procedure, ...]
    encounter: Encounter
    codesets: CodeSets
    icd: Icd10cm
    billed: bool = False

    @property
    def day(self) -> date | None:
        return self.encounter.date_of_service

    @property
    def schedule(self) -> Schedule:
        return Schedule.of(self.encounter, self.codesets.reference)

    def pointed(self, line: Procedure) -> list[Diagnosis]:
        """The diagnoses that a service line points to, in the order of the claim."""
        return [d for d in self.diagnoses if d.sequence in line.diagnosis_pointers]


def case(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    codesets: CodeSets,
    billed: bool = False,
) -> Case:
    """The visit becomes a line like the others: pairs, modifiers and global periods hold for it too."""
    ordered = tuple(sorted(diagnoses, key=lambda d: d.sequence))
    lines = (*([_visit(em, ordered)] if em else []), *procedures)
    day = encounter.date_of_service
    icd = (codesets.icd_on(day) if day else None) or codesets.icd
    return Case(ordered, lines, encounter, codesets, icd, billed)


def _visit(em: Em, diagnoses: Sequence[Diagnosis]) -> Procedure:
    pointers = tuple(d.sequence for d in diagnoses if d.role is not Role.EXTERNAL_CAUSE)[:MOST_POINTERS]
    return Procedure(em.code, System.CPT, "", em.confidence, (), em.method, em.modifiers, 1, pointers)
