"""The three elements of medical decision making, counted from the note; each item cites its words.

Source: AMA CPT E/M guidelines, table "Levels of Medical Decision Making" (2021 office, 2023 other settings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codeserve.notes.document import Document
from codeserve.rules.encounter import Encounter
from codeserve.rules.mdm_data import data_element
from codeserve.rules.mdm_problems import NOTHING, problems_element
from codeserve.rules.mdm_risk import risk_element
from codeserve.rules.reading import Reading
from codeserve.rules.results import Diagnosis, Element, Procedure
from codeserve.tagging.entities import Entity


def assess(
    document: Document,
    entities: Sequence[Entity],
    diagnoses: Sequence[Diagnosis],
    encounter: Encounter,
    procedures: Sequence[Procedure] = (),
    settled: Mapping[str, str] = NOTHING,
) -> tuple[Element, Element, Element]:
    """Problems, data and risk. `procedures` are what this visit bills: tests among them do not count as data. `settled`
    as in `problems_element`."""
    reading = Reading.of(document, entities, encounter, [span for d in diagnoses for span in d.evidence])
    return problems_element(reading, diagnoses, settled), data_element(reading, procedures), risk_element(reading)
