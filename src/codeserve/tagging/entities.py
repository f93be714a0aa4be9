"""What the tagger finds in a note."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span


class EntityKind(StrEnum):
    PROBLEM = "problem"
    PROCEDURE = "procedure"
    TEST = "test"
    MEDICATION = "medication"
    ANATOMY = "anatomy"


class Assertion(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"
    FAMILY = "family"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A window of a note for the tagger: token ids without special tokens, and each token's span in the note."""

    ids: tuple[int, ...]
    spans: tuple[Span, ...]

    def __reduce__(self) -> tuple[object, ...]:
        """Between processes as numbers: an object a token would take ten times as long to pack and unpack."""
        return _unpacked, (self.ids, [span.start for span in self.spans], [span.end for span in self.spans])


def _unpacked(ids: tuple[int, ...], starts: list[int], ends: list[int]) -> Chunk:
    return Chunk(ids, tuple(map(Span, starts, ends)))


@dataclass(frozen=True, slots=True)
class Entity:
    """`span` indexes `Document.text`; `score` in [0, 1] is the tagger's; `section` is where it stands."""

    kind: EntityKind
    span: Span
    text: str
    score: float
    section: SectionKind = SectionKind.OTHER
    assertion: Assertion = field(default=Assertion.PRESENT)
