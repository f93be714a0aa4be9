"""Units that words tell: each questionnaire, each type of influenza, each treatment (procedure_units.tsv)."""

from __future__ import annotations

from codeserve.notes.document import Document
from codeserve.rules.reading import pattern
from codeserve.rules.results import Procedure
from codeserve.rules.tables import rows

EACH = "each"


def told_units(procedure: Procedure, document: Document) -> int:
    """The units by the sentences that tell of a service; those that it has where the table says nothing."""
    said = " ".join(span.of(document.text) for span in procedure.evidence)
    fitting = [r["units"] for r in rows("procedure_units.tsv") if r["code"] == procedure.code and _fits(r, said)]
    numbers = [int(units) for units in fitting if units != EACH]
    return max(numbers, default=max(procedure.units, fitting.count(EACH)))


def _fits(row: dict[str, str], said: str) -> bool:
    return bool(pattern(row["said"]).search(said))
