"""What the rules for modifiers look at: the services of one note in their order, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from codeserve.codesets import CodeSets
from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.modifier_words import marked
from codeserve.rules.reading import setting_of
from codeserve.rules.results import Diagnosis, ModifierReason, Procedure
from codeserve.rules.schedule import Schedule
from codeserve.rules.services import FACILITY


@dataclass(frozen=True, slots=True)
class Services:
    lines: tuple[Procedure, ...]
    diagnoses: tuple[Diagnosis, ...]
    document: Document
    encounter: Encounter
    codesets: CodeSets

    @property
    def schedule(self) -> Schedule:
        return Schedule.of(self.encounter, self.codesets.reference)

    @property
    def in_facility(self) -> bool:
        return setting_of(self.encounter) in FACILITY

    def pointed(self, line: Procedure) -> list[Diagnosis]:
        return [d for d in self.diagnoses if d.sequence in line.diagnosis_pointers]

    def value(self, line: Procedure) -> float | None:
        return self.schedule.value(line.code)

    def nearest(self, places: Sequence[Span], among: Sequence[int]) -> int:
        """Which of some lines, by number, stands nearest to what was found in the note; the first of equals."""
        return min(among, key=lambda number: min(_gap(p, s) for p in places for s in self.lines[number].evidence))

    def marked(self, found: Iterator[Marked]) -> Services:
        """With the modifiers that a rule found."""
        lines = list(self.lines)
        for number, reason in found:
            lines[number] = marked(lines[number], reason)
        return replace(self, lines=tuple(lines))


Marked = tuple[int, ModifierReason]  # the number of a line from 0, and what it takes
Rule = Callable[[Services], Iterator[Marked]]


def _gap(one: Span, other: Span) -> int:
    return 0 if one.overlaps(other) else min(abs(one.start - other.end), abs(other.start - one.end))
