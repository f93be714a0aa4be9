"""What a note leaves open, as neutral questions to its author, while it is being written or after.

The kinds, their words and their sources are data/rules/gap_kinds.tsv. A question never holds a code or a payment effect
and never leads to an answer (ACDIS/AHIMA compliant query practice); what the note says already is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codeserve.codesets import CodeSets
from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.gaps_conflicts import conflict_gaps
from codeserve.rules.gaps_diagnoses import diagnosis_gaps
from codeserve.rules.gaps_services import service_gaps
from codeserve.rules.gaps_words import Asked, Gap
from codeserve.rules.reading import Reading
from codeserve.rules.results import Diagnosis, Em, Procedure
from codeserve.tagging.entities import Entity

__all__ = ["Gap", "find_gaps"]


def find_gaps(
    document: Document,
    entities: Sequence[Entity],
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    codesets: CodeSets,
) -> tuple[Gap, ...]:
    """The gaps in the order of the note, ids from G1. The same input gives the same."""
    asked = Asked(Reading.of(document, entities, encounter), tuple(diagnoses), tuple(procedures), em, codesets)
    found = dict.fromkeys((*diagnosis_gaps(asked), *conflict_gaps(asked), *service_gaps(asked)))
    ordered = sorted(found, key=lambda gap: gap.spans[0] if gap.spans else Span(0, 0))
    return tuple(replace(gap, id=f"G{number}") for number, gap in enumerate(ordered, 1))
