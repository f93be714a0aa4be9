"""What nobody told of a visit and the note itself says: the setting and the kind of visit.

Source: AMA CPT E/M guidelines, categories by place and type of service; the words are in em_words.tsv (in_…, is_…).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codeserve.notes.document import Document
from codeserve.rules.em_visit import TITLE, says, where
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import setting_of
from codeserve.rules.results import Diagnosis, Role

SETTINGS = ("emergency", "nursing_facility", "home", "observation", "inpatient")
STAYS = frozenset({"inpatient", "observation", "nursing_facility"})
OF_STAYS = frozenset({"initial", "subsequent", "same_day", "discharge"})
EXAMINATIONS = ("Z00.0", "Z00.1", "Z01.41", "Z02.0", "Z02.5")


def infer(
    document: Document, encounter: Encounter, diagnoses: Sequence[Diagnosis]
) -> tuple[Encounter, tuple[str, ...]]:
    """The visit with its setting and service, and the rules of findings.tsv that tell what was inferred."""
    known = encounter
    if setting := _setting(document.text, encounter):
        known = replace(known, setting=setting)
    if service := _service(document.text, known, diagnoses):
        known = replace(known, service=service)
    told = (("em-setting-inferred", setting), ("em-service-inferred", service))
    return known, tuple(rule for rule, found in told if found)


def _setting(text: str, encounter: Encounter) -> str | None:
    """The setting that the note names; None where it was told, or is the office."""
    if encounter.setting or encounter.place_of_service or encounter.modality or encounter.note_type == "emergency":
        return None
    named = next((s for s in SETTINGS if _titled(text, f"in_{s}")), None)
    stays = encounter.service in OF_STAYS or encounter.note_type in ("discharge_summary", "history_and_physical")
    return named or ("inpatient" if stays and encounter.patient_status is None else None)


def _service(text: str, encounter: Encounter, diagnoses: Sequence[Diagnosis]) -> str | None:
    """The kind of visit that the note names; None where it was told, or is a plain one."""
    if encounter.service or encounter.note_type == "discharge_summary":
        return None
    setting = setting_of(encounter)
    if setting in STAYS:
        kinds = ("discharge", "consultation", "initial") if encounter.note_type is None else ("initial",)
        told = (kind for kind in kinds if encounter.note_type != "progress" and _titled(text, f"is_{kind}"))
        return next(told, None)
    if setting == "office" and not encounter.modality:
        if _examined(diagnoses) and says(text, "is_preventive"):
            return "preventive"
        if not encounter.medicare and encounter.note_type is None and _titled(text, "is_consultation"):
            return "consultation"
    return None


def _examined(diagnoses: Sequence[Diagnosis]) -> bool:
    """Whether a general examination is what the visit was for."""
    first = next((d.code for d in diagnoses if d.role is Role.ASSESSED), "")
    return first.startswith(EXAMINATIONS)


def _titled(text: str, sort: str) -> bool:
    found = where(text, sort)
    return found is not None and found.start < TITLE
