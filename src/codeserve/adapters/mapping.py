"""Between a platform's document and the gateway: what is asked of it, and the draft charge that its answer makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codeserve.adapters.base import MOST_DIAGNOSES, MOST_LINES, MOST_POINTERS, ChargeLine, DraftCharge, SourceDocument

MOST_IDENTIFIERS, IDENTIFIER_LENGTH = 100, range(2, 201)


def extract_request(document: SourceDocument) -> dict[str, Any]:
    """The body of POST /v1/extract-codes. What the platform leaves open is left out."""
    encounter, patient = document.encounter, document.patient
    of_patient: dict[str, Any] = {"identifiers": list(usable(patient.identifiers))}
    if patient.birth_date:
        of_patient["birth_date"] = patient.birth_date.isoformat()
    if patient.sex:
        of_patient["sex"] = patient.sex
    told = {
        "encounter_id": encounter.encounter_id,
        "date_of_service": encounter.date_of_service.isoformat() if encounter.date_of_service else None,
        "place_of_service": encounter.place_of_service,
        "setting": encounter.setting,
        "modality": encounter.modality,
        "note_type": encounter.note_type,
        "specialty": encounter.specialty,
        "payer": encounter.payer,
        "provider_npi": encounter.provider_npi,
        "existing_codes": list(encounter.existing_codes) or None,
    }
    return {
        "document_id": document.document_id,
        "text": document.text,
        "encounter": {**{key: value for key, value in told.items() if value is not None}, "patient": of_patient},
    }


def usable(identifiers: Iterable[str]) -> Sequence[str]:
    """Each once, longest first, as many and as long as a request takes: what is too short names nobody."""
    once = {i.strip() for i in identifiers if len(i.strip()) in IDENTIFIER_LENGTH}
    return sorted(once, key=lambda i: (-len(i), i))[:MOST_IDENTIFIERS]


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft charge, and the codes that a professional claim had no room for."""

    draft: DraftCharge | None
    left_out: tuple[str, ...] = ()


def draft_charge(answer: Mapping[str, Any], document: SourceDocument, reference: str) -> Drafted:
    """From the JSON of an ExtractResponse. No draft without a date of service, a diagnosis and a service."""
    suggested = sorted(answer["diagnosis_codes"], key=lambda d: d["sequence"])
    kept = suggested[:MOST_DIAGNOSES]
    places = {d["sequence"]: place for place, d in enumerate(kept, 1)}
    assessed = [places[d["sequence"]] for d in kept if d["role"] == "assessed"] or list(places.values())
    lines = list(_lines(answer, places, assessed))
    left = (*(d["code"] for d in suggested[MOST_DIAGNOSES:]), *(line.code for line in lines[MOST_LINES:]))
    encounter = document.encounter
    if not kept or not lines or encounter.date_of_service is None:
        return Drafted(None, left)
    draft = DraftCharge(
        reference=reference,
        document_id=document.document_id,
        patient_id=document.patient.patient_id,
        encounter_id=encounter.encounter_id,
        date_of_service=encounter.date_of_service,
        diagnoses=tuple(d["code"] for d in kept),
        lines=tuple(lines[:MOST_LINES]),
        place_of_service=encounter.place_of_service,
        provider_id=encounter.provider_id,
        provider_npi=encounter.provider_npi,
    )
    return Drafted(draft, left)


def _lines(answer: Mapping[str, Any], places: Mapping[int, int], assessed: Sequence[int]) -> Iterable[ChargeLine]:
    """The visit first, then what stands beside it, then the procedures. A visit is for what was assessed."""
    em = answer["em"]
    for visit in [em, *em["also"]] if em else []:
        yield ChargeLine(
            code=visit["code"],
            system="HCPCS" if visit["code"][0].isalpha() else "CPT",
            modifiers=tuple(visit["modifiers"]),
            units=visit.get("units", 1),
            diagnosis_pointers=tuple(assessed[:MOST_POINTERS]),
        )
    for line in answer["procedure_codes"]:
        pointers = [places[p] for p in line["diagnosis_pointers"] if p in places] or list(assessed)
        modifiers = tuple(line["modifiers"])
        yield ChargeLine(line["code"], line["system"], modifiers, line["units"], tuple(pointers[:MOST_POINTERS]))
